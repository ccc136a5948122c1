// y[p][n] = epilogue( sum_k patch(p)[k] * w[k][n] + b[n] ): Conv2D forward, its gradient with
// respect to the data (the same product with transposed weights), and Dense. An item of x and w is
// a float or, only where simd::kMultiplies it, a simd::Pair, whose two products are added up.
// Single-threaded, allocation-free.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/patches.hpp"

namespace convlet {

struct PatchProduct {
  Patches patches;                    // of one image of x
  std::span<const std::int32_t> out;  // where in an image of y pixel p's n results start, in floats
  std::int64_t x_image;               // items from one image of x to the next
  std::int64_t y_image;               // the same for y, in floats
  std::int64_t n;                     // columns of the weight matrix
  // Which pixels' (windows') results are computed; empty: those of all.
  std::span<const std::int32_t> chosen{};

  std::int64_t rows() const {
    return static_cast<std::int64_t>(chosen.empty() ? out.size() : chosen.size());
  }
  // The place in `out` of the i-th of them.
  std::size_t row(std::int64_t i) const {
    return static_cast<std::size_t>(chosen.empty() ? i : chosen[static_cast<std::size_t>(i)]);
  }
};

// y = x * w, or relu(x * w + bias) and so on. packed_w: panels of [depth][n] (tile.hpp). bias: n
// floats rounded up to whole vectors, or nullptr. Writes every y[image][out[p]..+n], overwriting.
template <class Item>
void patch_product(const PatchProduct& g, std::int64_t images, const Item* x, const Item* packed_w,
                   const float* bias, bool relu, float* y);

// The product above, then the maximum of each 2x2 window: y = relu(max(x * w) + bias), exact
// because a constant per channel and a monotone function do not move the maximum. Pixels come
// window by window: 4*q .. 4*q + 3 are window q in row-major order, `out` has one entry a window.
// argmax (same offsets as y; nullptr if not wanted) receives 0..3, the first maximum winning a tie;
// NaN wins over any number.
template <class Item>
void patch_product_max4(const PatchProduct& g, std::int64_t images, const Item* x,
                        const Item* packed_w, const float* bias, bool relu, float* y,
                        std::uint8_t* argmax);

// The results of the chosen pixels or windows of one image if all that they see is zero. A NaN or
// an infinity in w would not appear.
void patch_product_of_zeros(const PatchProduct& g, const float* bias, bool relu, float* y);
void patch_product_max4_of_zeros(const PatchProduct& g, const float* bias, bool relu, float* y,
                                 std::uint8_t* argmax);

}  // namespace convlet
