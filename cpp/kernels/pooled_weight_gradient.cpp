#include "kernels/pooled_weight_gradient.hpp"

#include <algorithm>
#include <utility>

#include "kernels/epilogue.hpp"
#include "kernels/micro_kernel.hpp"
#include "kernels/tile.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::IntVec;
using simd::kLanes;
using simd::Vec;

// Weights a filter. Measured on Sapphire Rapids (28x28x1, 3x3, 32 filters, pooling): lists of
// non-zeros take 4 times as long as a dense product of 9 weights with AVX-512, twice with AVX2.
constexpr int kMaxTaps = 12;

// Vectors of filters side by side, next to a window's gradients and winners.
constexpr int kVectors = simd::kRegisters >= 32 ? kTileVectors : 1;
static_assert((kMaxTaps + 2) * kVectors + 1 <= simd::kRegisters);

// Windows whose choices are laid out together: they stay in the first-level cache.
constexpr int kWindows = 32;
// Floats of a window's choices; behind the last tap's there is room for what is copied with them.
constexpr int kChoices = 4 * (kMaxTaps + 3);

// choices[k][j] = x where tap k of a patch of the window's pixel j lies.
void lay_out(const Patches& patches, const float* x, const std::int32_t* pixel, float* choices) {
  for (const std::int32_t run : patches.run) {
    const float* rows[4];
    for (int j = 0; j < 4; ++j) rows[j] = x + pixel[j] + run;
    for (std::int32_t i = 0; i < patches.run_length; i += 4) {
      simd::transpose_four(rows, choices + std::ptrdiff_t{4} * i);
      for (const float*& row : rows) row += 4;
    }
    choices += std::ptrdiff_t{4} * patches.run_length;
  }
}

// Some windows, and the columns of dw that a kernel adds to.
struct Windows {
  int count;
  const float* choices;    // one behind the other
  const std::int64_t* at;  // in dy and argmax
  const float* dy;
  const std::uint8_t* argmax;
  std::int64_t row;  // of dw
  Columns columns;
};

// dw[k] += the windows' gradients times what tap k meets at the winners; K taps, NR vectors.
template <int K, int NR>
void add_windows(const Windows& a, float* dw) {
  Sums<K, NR> sums;
#pragma GCC unroll 12
  for (int k = 0; k < K; ++k) {
#pragma GCC unroll 2
    for (int v = 0; v < NR; ++v) {
      sums[k][v] = load_columns(dw + k * a.row + v * kLanes, a.columns.in_vector(v));
    }
  }
  for (int q = 0; q < a.count; ++q) {
    Vec gradient[NR];
    IntVec winner[NR];
#pragma GCC unroll 2
    for (int v = 0; v < NR; ++v) {
      gradient[v] = simd::load(a.dy + a.at[q] + v * kLanes);
      winner[v] = simd::load_bytes(a.argmax + a.at[q] + v * kLanes);
    }
#pragma GCC unroll 12
    for (int k = 0; k < K; ++k) {
#pragma GCC unroll 2
      for (int v = 0; v < NR; ++v) {
        const Vec value = simd::pick(a.choices + q * kChoices + 4 * k, winner[v]);
        sums[k][v] = simd::fma(value, gradient[v], sums[k][v]);
      }
    }
  }
#pragma GCC unroll 12
  for (int k = 0; k < K; ++k) {
#pragma GCC unroll 2
    for (int v = 0; v < NR; ++v) {
      store_columns(dw + k * a.row + v * kLanes, sums[k][v], a.columns.in_vector(v));
    }
  }
}

using Add = void (*)(const Windows&, float*);

// add_windows<k, NR> for run-time k.
template <int NR>
Add kernel_of(std::int64_t k) {
  Add kernel = nullptr;
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (void)((k == I + 1 && (kernel = add_windows<I + 1, NR>, true)) || ...);
  }(std::make_integer_sequence<int, kMaxTaps>{});
  return kernel;
}

}  // namespace

bool has_pooled_weight_gradient(const Patches& patches) { return patches.depth() <= kMaxTaps; }

void pooled_weight_gradient(const WeightGradient& g, std::int64_t images,
                            std::span<const std::int32_t> chosen, const float* x, const float* dy,
                            const std::uint8_t* argmax, float* dw) {
  const Add several = kernel_of<kVectors>(g.patches.depth());
  const Add one = kernel_of<1>(g.patches.depth());
  const std::int64_t all = g.patches.pixels() / 4;
  const std::int64_t windows = chosen.empty() ? all : static_cast<std::int64_t>(chosen.size());
  alignas(simd::kVecBytes) float choices[kWindows * kChoices];
  std::int64_t at[kWindows];
  for (std::int64_t image = 0; image < images; ++image, x += g.x_image) {
    for (std::int64_t first = 0; first < windows; first += kWindows) {
      const int count = static_cast<int>(std::min<std::int64_t>(kWindows, windows - first));
      for (int q = 0; q < count; ++q) {
        const std::int64_t window =
            chosen.empty() ? first + q : chosen[static_cast<std::size_t>(first + q)];
        lay_out(g.patches, x, g.patches.pixel.data() + 4 * window, choices + q * kChoices);
        at[q] = (image * all + window) * g.row;
      }
      const auto add = [&](Add kernel, std::int64_t column) {
        const Columns columns{column,
                              static_cast<int>(std::min<std::int64_t>(g.n - column, kPanel))};
        kernel({count, choices, at, dy + column, argmax + column, g.row, columns}, dw + column);
      };
      std::int64_t column = 0;
      for (; column + kVectors * kLanes <= g.n; column += kVectors * kLanes) add(several, column);
      for (; column < g.n; column += kLanes) add(one, column);
    }
  }
}

}  // namespace convlet
