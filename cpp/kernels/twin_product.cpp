#include "kernels/twin_product.hpp"

#include <algorithm>

#include "kernels/epilogue.hpp"

namespace convlet {
namespace {

using simd::kLanes;
using simd::Vec;

// Windows whose sums, two vectors each, are in registers together with the weights of a tap and
// the pixels.
constexpr int kWindows = simd::kRegisters >= 32 ? 6 : 4;
static_assert(2 * kWindows + 3 <= simd::kRegisters);

// Chosen windows [first, first + kWindows) of an image, those behind the last one in place of it;
// `count` of them are real.
void tile(const PatchProduct& g, std::int64_t first, int count, const float* x, const float* w,
          const StoreMax4& store) {
  const auto& pixel = g.patches.pixel;
  const std::int64_t below = pixel[2] - pixel[0];
  const float* at[kWindows];
  for (int q = 0; q < kWindows; ++q) {
    at[q] = x + pixel[4 * g.row(first + std::min(q, count - 1))];
  }
  Vec upper[kWindows]{};
  Vec lower[kWindows]{};
  for (const std::int32_t run : g.patches.run) {
    for (std::int64_t k = run; k < run + g.patches.run_length; ++k, w += kLanes) {
      const Vec weights = simd::load(w);
#pragma GCC unroll 6
      for (int q = 0; q < kWindows; ++q) {
        upper[q] = simd::fma(simd::broadcast_two(at[q] + k), weights, upper[q]);
        lower[q] = simd::fma(simd::broadcast_two(at[q] + below + k), weights, lower[q]);
      }
    }
  }
  const Vec bias = bias_of(store.bias, 0);
#pragma GCC unroll 6
  for (int q = 0; q < kWindows; ++q) {
    if (q >= count) break;
    const Vec four[4] = {simd::even_lanes(upper[q]), simd::odd_lanes(upper[q]),
                         simd::even_lanes(lower[q]), simd::odd_lanes(lower[q])};
    store(four, bias, g.out[g.row(first + q)], static_cast<int>(g.n));
  }
}

}  // namespace

void pack_twins(std::int64_t depth, std::int64_t n, const float* w, float* packed) {
  for (std::int64_t k = 0; k < depth; ++k) {
    for (std::int64_t i = 0; i < n; ++i) {
      packed[k * kLanes + 2 * i] = packed[k * kLanes + 2 * i + 1] = w[k * n + i];
    }
  }
}

void twin_product_max4(const PatchProduct& g, std::int64_t images, const float* x,
                       const float* packed_w, const float* bias, bool relu, float* y,
                       std::uint8_t* argmax) {
  for (std::int64_t image = 0; image < images; ++image, x += g.x_image) {
    const std::int64_t y_at = image * g.y_image;
    const StoreMax4 store{bias, relu, y + y_at, argmax != nullptr ? argmax + y_at : nullptr};
    for (std::int64_t first = 0; first < g.rows(); first += kWindows) {
      const auto count = static_cast<int>(std::min<std::int64_t>(kWindows, g.rows() - first));
      tile(g, first, count, x, packed_w, store);
    }
  }
}

}  // namespace convlet
