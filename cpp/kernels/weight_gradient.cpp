#include "kernels/weight_gradient.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "kernels/epilogue.hpp"
#include "kernels/micro_kernel.hpp"
#include "kernels/tile.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::kLanes;
using simd::Vec;

// Where the MR elements of a patch from k0 on lie, relative to its start.
template <int MR>
void locate(const Patches& patches, std::int64_t k0, std::int64_t (&at)[MR]) {
  auto run = static_cast<std::size_t>(k0 / patches.run_length);
  std::int64_t in_run = k0 % patches.run_length;
  for (int m = 0; m < MR; ++m) {
    at[m] = patches.run[run] + in_run;
    if (++in_run == patches.run_length) {
      in_run = 0;
      ++run;
    }
  }
}

}  // namespace

// dw[k0 .. k0 + MR)[n0 ..] += the products of the pixels at hand.
template <class Item>
template <int MR, int NR>
void WeightGradientSum<Item>::tile(std::int64_t k0, std::int64_t n0) {
  using Items = decltype(simd::load(packed_dz_));
  std::int64_t at[MR];
  locate<MR>(g_.patches, k0, at);
  for (const float* array : fetched_) {
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m) {
      for (int v = 0; v < NR; ++v) simd::fetch(array + (k0 + m) * g_.row + n0 + v * kLanes);
    }
  }
  Sums<MR, NR> sums{};
  for (int p = 0; p < pixels_; ++p) {
    Items dz[NR];
#pragma GCC unroll 4
    for (int v = 0; v < NR; ++v) dz[v] = simd::load(packed_dz_ + (p * NR + v) * kLanes);
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m) {
      const Items value = simd::broadcast(patch_[p][at[m]]);
#pragma GCC unroll 4
      for (int v = 0; v < NR; ++v) sums[m][v] = simd::fma(value, dz[v], sums[m][v]);
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < NR; ++v) {
      const int count = static_cast<int>(std::min<std::int64_t>(kLanes, g_.n - n0 - v * kLanes));
      if (count > 0) put(dw_ + (k0 + m) * g_.row + n0 + v * kLanes, sums[m][v], count);
    }
  }
}

template <class Item>
void WeightGradientSum<Item>::put(float* out, Vec sum, int count) const {
  const Vec before = overwrites_ ? simd::zero() : load_columns(out, count);
  store_columns(out, before + sum, count);
}

template <class Item>
template <int NR>
void WeightGradientSum<Item>::pack(std::int64_t n0, int panels) {
  for (int p = 0; p < pixels_; ++p) {
    for (int panel = 0; panel < panels; ++panel) {
      Item* to = packed_dz_ + (panel * pixels_ + p) * NR * kLanes;
      for (int v = 0; v < NR; ++v)
        simd::store(to + v * kLanes, simd::load(dz_[p] + n0 + panel * kPanel + v * kLanes));
    }
  }
}

template <class Item>
bool WeightGradientSum<Item>::mark_pixels()
  requires std::same_as<Item, float>
{
  constexpr std::int64_t kSeldom = 4 * kLanes;  // elements between two looks at how many there are
  const std::int64_t depth = g_.patches.depth();
  if (g_.patches.run.size() > 1 || depth > kDeepestMarked) return false;
  std::int64_t marked = 0;
  for (std::int64_t k = 0; k < depth; k += kLanes) {
    const int count = static_cast<int>(std::min<std::int64_t>(kLanes, depth - k));
    for (int first = 0; first < pixels_; first += kPixelsMarked) {
      simd::IntVec marks{};
      const int pixels = std::min(kPixelsMarked, pixels_ - first);
      for (int p = 0; p < pixels; ++p) {
        const Vec x = load_columns(patch_[first + p] + g_.patches.run[0] + k, count);
        marks |= (x != simd::zero()) & static_cast<std::int32_t>(1U << p);
      }
      std::uint32_t* to = marks_[first / kPixelsMarked] + k;
      std::memcpy(to, &marks, sizeof(marks));
      for (int i = 0; i < kLanes; ++i) marked += std::popcount(to[i]);
    }
    const bool is_time = (k + kLanes) % kSeldom == 0 || k + kLanes >= depth;
    if (is_time && !are_few(marked, pixels_ * std::min(k + kLanes, depth))) return false;
  }
  return true;
}

// dw[..][n0 .. n0 + kMarkedColumns) += the products of what is marked.
template <class Item>
void WeightGradientSum<Item>::marked_columns(std::int64_t n0)
  requires std::same_as<Item, float>
{
  pack<kTileVectors>(n0, kMarkedPanels);
  const std::int64_t depth = g_.patches.depth();
  for (std::int64_t k = 0; k < depth; ++k) {
    float* out = dw_ + k * g_.row + n0;
    for (const float* array : fetched_) {
#pragma GCC unroll 8
      for (int v = 0; v < kMarkedColumns; v += kLanes) simd::fetch(array + k * g_.row + n0 + v);
    }
    Sums<kMarkedPanels, kTileVectors> sums{};
    for (int first = 0; first < pixels_; first += kPixelsMarked) {
      const float* panel[kMarkedPanels];
      for (int p = 0; p < kMarkedPanels; ++p)
        panel[p] = packed_dz_ + (p * pixels_ + first) * kPanel;
      const Item* const* patch = patch_ + first;
      const std::int64_t at = g_.patches.run[0] + k;
      accumulate_marked(sums, marks_[first / kPixelsMarked][k], panel,
                        [&](int p) { return patch[p][at]; });
    }
#pragma GCC unroll 8
    for (int v = 0; v < kMarkedPanels * kTileVectors; ++v)
      put(out + v * kLanes, sums[v / kTileVectors][v % kTileVectors], kLanes);
  }
}

// All tiles of NR vectors of columns from n0 on.
template <class Item>
template <int NR>
void WeightGradientSum<Item>::columns(std::int64_t n0) {
  pack<NR>(n0, 1);
  const std::int64_t depth = g_.patches.depth();
  for (std::int64_t k0 = 0; k0 < depth; k0 += kTileRows) {
    const auto rows = std::min<std::int64_t>(kTileRows, depth - k0);
    [&]<int... I>(std::integer_sequence<int, I...>) {
      (void)((rows == I + 1 && (tile<I + 1, NR>(k0, n0), true)) || ...);
    }(std::make_integer_sequence<int, kTileRows>{});
  }
}

template <class Item>
void WeightGradientSum<Item>::multiply() {
  if constexpr (simd::kMultiplies<Item>) {
    std::int64_t n0 = 0;
    if constexpr (std::same_as<Item, float>) {
      if (g_.n >= kMarkedColumns && mark_pixels()) {
        for (; n0 + kMarkedColumns <= g_.n; n0 += kMarkedColumns) marked_columns(n0);
      }
    }
    for (; n0 < g_.n; n0 += kPanel) {
      if (panel_width(g_.n, n0) == kPanel) {
        columns<kTileVectors>(n0);
      } else {
        columns<1>(n0);
      }
    }
  }
  pixels_ = 0;
  overwrites_ = false;
}

template <class Item>
void WeightGradientSum<Item>::add(std::int64_t images, const Item* x, const Item* dz,
                                  std::int64_t dz_pixel) {
  for (std::int64_t image = 0; image < images; ++image, x += g_.x_image) {
    for (const std::int32_t pixel : g_.patches.pixel) {
      patch_[pixels_] = x + pixel;
      dz_[pixels_] = dz;
      dz += dz_pixel;
      if (++pixels_ == kPixels) multiply();
    }
  }
}

template class WeightGradientSum<float>;

template <class Item>
void weight_gradient(const WeightGradient& g, std::int64_t images, const Item* x, const Item* dz,
                     float* dw) {
  WeightGradientSum<Item> sum(g, dw);
  sum.add(images, x, dz, g.row);
  sum.finish();
}

template void weight_gradient(const WeightGradient&, std::int64_t, const float*, const float*,
                              float*);
template void weight_gradient(const WeightGradient&, std::int64_t, const simd::Pair*,
                              const simd::Pair*, float*);

void bias_gradient(std::int64_t rows, std::int64_t n, const float* dz, float* db) {
  constexpr int kChains = 4;  // of additions, side by side
  for (std::int64_t i = 0; i < n; i += kLanes) {
    const int count = static_cast<int>(std::min<std::int64_t>(n - i, kLanes));
    Vec sums[kChains]{};
    std::int64_t row = 0;
    for (; row + kChains <= rows; row += kChains) {
#pragma GCC unroll 4
      for (int j = 0; j < kChains; ++j) sums[j] += simd::load(dz + (row + j) * n + i);
    }
    for (; row < rows; ++row) sums[0] += simd::load(dz + row * n + i);
    const Vec sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    store_columns(db + i, simd::load_partial(db + i, count) + sum, count);
  }
}

}  // namespace convlet
