#include "kernels/depthwise_conv2d.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "kernels/epilogue.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::kLanes;
using simd::Vec;

// Sums in registers: two loads feed a multiply-add, so that eight chains hide its latency.
constexpr int kSums = 8;
// Pixels that are computed for all channels before the next ones: their patches stay in the
// first-level cache while the blocks of channels pass.
constexpr std::int64_t kBand = 64;
// Taps whose gradients two vectors of channels keep in registers.
constexpr int kMaxTaps = simd::kRegisters >= 32 ? 12 : 6;
static_assert(2 * kMaxTaps + 3 <= simd::kRegisters);

// Calls f.operator()<V>(first channel, channels in the last vector) for blocks of V vectors. The
// number is known to the compiler in whole blocks of two.
template <class F>
void for_channel_blocks(std::int64_t n, const F& f) {
  std::int64_t c = 0;
  for (; c + 2 * kLanes <= n; c += 2 * kLanes) {
    f.template operator()<2>(c, std::integral_constant<int, kLanes>{});
  }
  for (; c < n; c += kLanes) {
    f.template operator()<1>(c, static_cast<int>(std::min<std::int64_t>(kLanes, n - c)));
  }
}

struct Operands {
  const DepthwiseProduct& g;
  const float* x;  // of one image
  const float* w;
  StoreSum store;
};

// V vectors of channels of P pixels from p on.
template <int P, int V, class Count>
[[gnu::always_inline]] inline void tile(const Operands& a, std::size_t p, std::int64_t c,
                                        Count count) {
  const DepthwiseProduct& g = a.g;
  const float* x[P];
#pragma GCC unroll 8
  for (std::size_t i = 0; i < P; ++i) x[i] = a.x + g.patches.pixel[p + i] + c;
  Vec sums[P][V]{};
  for (std::size_t r = 0; r < g.tap.size(); ++r) {
    const std::int64_t run = g.patches.run[r];
    Vec weights[V];
#pragma GCC unroll 2
    for (int v = 0; v < V; ++v) weights[v] = simd::load(a.w + g.tap[r] + c + v * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < P; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) {
        sums[i][v] =
            simd::fma(load_columns(x[i] + run + v * kLanes, count), weights[v], sums[i][v]);
      }
    }
  }
#pragma GCC unroll 2
  for (int v = 0; v < V; ++v) {
    const std::int64_t at = c + v * kLanes;
    const Vec b = bias_of(a.store.bias, at);
#pragma GCC unroll 8
    for (std::size_t i = 0; i < P; ++i) a.store(sums[i][v], b, g.out[p + i] + at, count);
  }
}

struct Images {
  const Patches& patches;
  std::int64_t x_image;
  std::int64_t n;
  std::int64_t count;
  const float* x;
  const float* dz;
};

// dw of T taps from `first` on, V vectors of channels from c on.
template <int T, int V, class Count>
void accumulate(const Images& a, std::int64_t first, std::int64_t c, Count count, float* dw) {
  const std::int32_t* run = a.patches.run.data() + first;
  const float* x = a.x + c;
  const float* dz = a.dz + c;
  Vec sums[T][V]{};
  for (std::int64_t image = 0; image < a.count; ++image, x += a.x_image) {
    for (const std::int32_t pixel : a.patches.pixel) {
      Vec d[V];
#pragma GCC unroll 2
      for (int v = 0; v < V; ++v) d[v] = load_columns(dz + v * kLanes, count);
#pragma GCC unroll 12
      for (int t = 0; t < T; ++t) {
        const float* from = x + pixel + run[t];
#pragma GCC unroll 2
        for (int v = 0; v < V; ++v) {
          sums[t][v] = simd::fma(load_columns(from + v * kLanes, count), d[v], sums[t][v]);
        }
      }
      dz += a.n;
    }
  }
  for (int t = 0; t < T; ++t) {
    for (int v = 0; v < V; ++v) {
      float* to = dw + (first + t) * a.n + c + v * kLanes;
      store_columns(to, load_columns(to, count) + sums[t][v], count);
    }
  }
}

}  // namespace

void depthwise_product(const DepthwiseProduct& g, std::int64_t images, const float* x,
                       const float* w, const float* bias, bool relu, float* y) {
  const auto pixels = static_cast<std::int64_t>(g.out.size());
  for (std::int64_t image = 0; image < images; ++image, x += g.x_image, y += g.y_image) {
    const Operands operands{g, x, w, {bias, relu, y}};
    for (std::int64_t first = 0; first < pixels; first += kBand) {
      const std::int64_t last = std::min(first + kBand, pixels);
      for_channel_blocks(g.n, [&]<int V>(std::int64_t c, auto count) {
        constexpr int kPixels = kSums / V;
        std::int64_t p = first;
        for (; p + kPixels <= last; p += kPixels) {
          tile<kPixels, V>(operands, static_cast<std::size_t>(p), c, count);
        }
        for (; p < last; ++p) tile<1, V>(operands, static_cast<std::size_t>(p), c, count);
      });
    }
  }
}

void depthwise_weight_gradient(const Patches& patches, std::int64_t x_image, std::int64_t n,
                               std::int64_t images, const float* x, const float* dz, float* dw) {
  const Images operands{patches, x_image, n, images, x, dz};
  const auto taps = static_cast<std::int64_t>(patches.run.size());
  const std::int64_t pieces = (taps + kMaxTaps - 1) / kMaxTaps;
  for_channel_blocks(n, [&]<int V>(std::int64_t c, auto count) {
    for (std::int64_t piece = 0; piece < pieces; ++piece) {
      const std::int64_t first = taps * piece / pieces;
      const std::int64_t size = taps * (piece + 1) / pieces - first;
      [&]<int... I>(std::integer_sequence<int, I...>) {
        (void)((size == I + 1 && (accumulate<I + 1, V>(operands, first, c, count, dw), true)) ||
               ...);
      }(std::make_integer_sequence<int, kMaxTaps>{});
    }
  });
}

void repeat(std::int64_t size, std::int64_t times, const float* x, float* y) {
  for (std::int64_t i = 0; i < size; ++i) y = std::fill_n(y, times, x[i]);
}

void sum_repeated(std::int64_t size, std::int64_t times, const float* y, float* x) {
  for (std::int64_t i = 0; i < size; ++i) {
    float sum = 0.0F;
    for (std::int64_t j = 0; j < times; ++j) sum += *y++;
    x[i] = sum;
  }
}

}  // namespace convlet
