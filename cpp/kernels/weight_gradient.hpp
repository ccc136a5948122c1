// dw[k][n] += sum over images and pixels p of patch(p)[k] * dz[p][n]: the gradient of Conv2D and
// Dense with respect to their weights, from a dense gradient. An item of x and dz is a float
// or, only where simd::kMultiplies it, a simd::Pair of the same element of two images, whose two
// products are added up. Single-threaded, allocation-free.
#pragma once

#include <concepts>
#include <cstdint>
#include <span>

#include "kernels/marked_rows.hpp"
#include "kernels/patches.hpp"
#include "kernels/tile.hpp"

namespace convlet {

struct WeightGradient {
  Patches patches;       // of one image of x
  std::int64_t x_image;  // items from one image of x to the next
  std::int64_t n;        // channels of dz and dw
  std::int64_t row;      // floats from one row of dw to the next: n, or more in a group of channels
};

// x: images; dz: [images][pixels][n], readable one vector past its end; dw: [depth][n],
// accumulated. Pixels of dz are `row` items apart, as the rows of dw floats.
template <class Item>
void weight_gradient(const WeightGradient& g, std::int64_t images, const Item* x, const Item* dz,
                     float* dw);

// The same for images that lie in several places: add them all, then finish.
template <class Item>
class WeightGradientSum {
 public:
  WeightGradientSum(const WeightGradient& g, float* dw) : g_(g), dw_(dw) {}

  // dw is to be overwritten, not accumulated.
  void overwrite() { overwrites_ = true; }
  // Arrays like dw that the caller reads next: they are fetched into the second-level cache on the
  // way, while the products are made.
  void fetch(std::span<const float* const> arrays) { fetched_ = arrays; }

  // A pixel's gradients lie dz_pixel items behind those of the one before.
  void add(std::int64_t images, const Item* x, const Item* dz, std::int64_t dz_pixel);
  void finish() {
    if (pixels_ > 0 || overwrites_) multiply();
  }

 private:
  // Pixels whose products are made together. Their gradients are packed, to lie side by side: in
  // place, the rows of a wide Dense layer are a power of two apart and fall into a few sets of the
  // first-level cache.
  static constexpr int kPixels = 128;
  // The deepest patches whose elements are marked: column k of x by the pixels where it is not 0.
  static constexpr std::int64_t kDeepestMarked = 1024;
  static constexpr int kPixelsMarked = 32;  // by one word

  void multiply();
  void put(float* out, simd::Vec sum, int count) const;
  // Whether few elements of the patches are not zero; which, is in marks_ then.
  bool mark_pixels()
    requires std::same_as<Item, float>;
  void marked_columns(std::int64_t n0)
    requires std::same_as<Item, float>;
  // Panel by panel, each [pixels][NR vectors].
  template <int NR>
  void pack(std::int64_t n0, int panels);
  template <int NR>
  void columns(std::int64_t n0);
  template <int MR, int NR>
  void tile(std::int64_t k0, std::int64_t n0);

  WeightGradient g_;
  float* dw_;
  bool overwrites_ = false;
  std::span<const float* const> fetched_;
  int pixels_ = 0;
  const Item* patch_[kPixels];
  const Item* dz_[kPixels];
  alignas(simd::kVecBytes) Item packed_dz_[kMarkedPanels * kPixels * kPanel];  // see pack
  std::uint32_t marks_[kPixels / kPixelsMarked][kDeepestMarked];
};

// db[n] += sum over rows of dz[row][n], readable one vector past its end.
void bias_gradient(std::int64_t rows, std::int64_t n, const float* dz, float* db);

}  // namespace convlet
