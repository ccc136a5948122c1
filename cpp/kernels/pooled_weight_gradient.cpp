#include "kernels/pooled_weight_gradient.hpp"

#include <algorithm>
#include <utility>

#include "kernels/activation_functions.hpp"
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

// Vectors of filters side by side, next to the bias and a window's gradients and winners.
constexpr int kVectors = simd::kRegisters >= 32 ? kTileVectors : 1;
static_assert((kMaxTaps + 3) * kVectors + 1 <= simd::kRegisters);

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

// Some windows, and the columns that a kernel adds to.
struct Windows {
  int count;
  const float* choices;    // one behind the other
  const std::int64_t* at;  // in dz
  PooledGradient dz;
  std::int64_t row;  // of dw
  Columns columns;
};

[[gnu::always_inline]] inline Vec gradient_at(const PooledGradient& dz, std::int64_t at) {
  const Vec dy = simd::load(dz.dy + at);
  return dz.y != nullptr ? activation::Relu{}.gradient(simd::load(dz.y + at), dy) : dy;
}

// db += sums, NR vectors of columns.
template <int NR>
[[gnu::always_inline]] inline void add_bias(const Vec (&sums)[NR], Columns columns, float* db) {
  if (db == nullptr) return;
#pragma GCC unroll 2
  for (int v = 0; v < NR; ++v) {
    const int count = columns.in_vector(v);
    float* to = db + v * kLanes;
    store_columns(to, load_columns(to, count) + sums[v], count);
  }
}

// dw[k] += the windows' gradients times what tap k meets at the winners, db += the gradients; K
// taps, NR vectors.
template <int K, int NR>
void add_windows(const Windows& a, float* dw, float* db) {
  Sums<K, NR> sums;
  Vec bias[NR] = {};
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
      gradient[v] = gradient_at(a.dz, a.at[q] + v * kLanes);
      winner[v] = simd::load_bytes(a.dz.argmax + a.at[q] + v * kLanes);
      bias[v] += gradient[v];
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
  add_bias(bias, a.columns, db);
}

using Add = void (*)(const Windows&, float*, float*);

// add_windows<k, NR> for run-time k.
template <int NR>
Add kernel_of(std::int64_t k) {
  Add kernel = nullptr;
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (void)((k == I + 1 && (kernel = add_windows<I + 1, NR>, true)) || ...);
  }(std::make_integer_sequence<int, kMaxTaps>{});
  return kernel;
}

// The bias alone, of all columns.
void add_blank(const WeightGradient& g, std::span<const std::int32_t> windows,
               const PooledGradient& dz, float* db) {
  for (std::int64_t column = 0; column < g.n; column += kLanes) {
    Vec sum[1] = {};
    for (const std::int32_t window : windows) sum[0] += gradient_at(dz, window * g.row + column);
    add_bias(sum, {column, static_cast<int>(std::min<std::int64_t>(g.n - column, kLanes))},
             db + column);
  }
}

}  // namespace

bool has_pooled_weight_gradient(const Patches& patches) { return patches.depth() <= kMaxTaps; }

void pooled_weight_gradient(const WeightGradient& g, std::span<const std::int32_t> seen,
                            std::span<const std::int32_t> blank, const float* x,
                            const PooledGradient& dz, float* dw, float* db) {
  const Add several = kernel_of<kVectors>(g.patches.depth());
  const Add one = kernel_of<1>(g.patches.depth());
  alignas(simd::kVecBytes) float choices[kWindows * kChoices];
  std::int64_t at[kWindows];
  while (!seen.empty()) {
    const auto windows = seen.first(std::min<std::size_t>(kWindows, seen.size()));
    seen = seen.subspan(windows.size());
    for (std::size_t q = 0; q < windows.size(); ++q) {
      lay_out(g.patches, x, g.patches.pixel.data() + std::ptrdiff_t{4} * windows[q],
              choices + q * kChoices);
      at[q] = windows[q] * g.row;
    }
    const auto add = [&](Add kernel, std::int64_t column) {
      const Columns columns{column, static_cast<int>(std::min<std::int64_t>(g.n - column, kPanel))};
      const PooledGradient of_columns{dz.dy + column, dz.argmax + column,
                                      dz.y != nullptr ? dz.y + column : nullptr};
      kernel({static_cast<int>(windows.size()), choices, at, of_columns, g.row, columns},
             dw + column, db != nullptr ? db + column : nullptr);
    };
    std::int64_t column = 0;
    for (; column + kVectors * kLanes <= g.n; column += kVectors * kLanes) add(several, column);
    for (; column < g.n; column += kLanes) add(one, column);
  }
  if (db != nullptr) add_blank(g, blank, dz, db);
}

}  // namespace convlet
