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
// non-zeros take 4 times as long as a dense product of 9 weights with AVX-512, twice with AVX2; to
// spread dz over its pixels for a dense product first took 2.3 microseconds an image more.
constexpr int kMaxTaps = 12;
constexpr int kMaxRuns = 4;

// Vectors of filters side by side, next to a window's gradients and winners.
constexpr int kVectors = simd::kRegisters >= 32 ? kTileVectors : 1;
static_assert((kMaxTaps + 2) * kVectors + 2 <= simd::kRegisters);

struct Operands {
  const WeightGradient& g;
  std::int64_t images;
  const float* x;
  const float* dy;
  const std::uint8_t* argmax;
};

// dw for NR vectors of filters from `column` on; patches of R runs of L floats.
template <int R, int L, int NR>
void accumulate_windows(const Operands& a, std::int64_t column, float* dw) {
  const auto& pixel = a.g.patches.pixel;
  const std::size_t windows = pixel.size() / 4;
  const float* x = a.x;
  const float* dy = a.dy + column;
  const std::uint8_t* argmax = a.argmax + column;
  Sums<R * L, NR> sums{};
  for (std::int64_t image = 0; image < a.images; ++image, x += a.g.x_image) {
    for (std::size_t q = 0; q < windows; ++q, dy += a.g.row, argmax += a.g.row) {
      Vec gradient[NR];
      IntVec winner[NR];
#pragma GCC unroll 4
      for (int v = 0; v < NR; ++v) {
        gradient[v] = simd::load(dy + v * kLanes);
        winner[v] = simd::load_bytes(argmax + v * kLanes);
      }
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) {
        const float* patch = x + pixel[4 * q + static_cast<std::size_t>(j)];
        Vec dz[NR];
#pragma GCC unroll 4
        for (int v = 0; v < NR; ++v) dz[v] = winner[v] == j ? gradient[v] : simd::zero();
#pragma GCC unroll 4
        for (int r = 0; r < R; ++r) {
          const float* run = patch + a.g.patches.run[static_cast<std::size_t>(r)];
#pragma GCC unroll 12
          for (int i = 0; i < L; ++i) {
            const Vec value = simd::broadcast(run[i]);
#pragma GCC unroll 4
            for (int v = 0; v < NR; ++v) {
              sums[r * L + i][v] = simd::fma(value, dz[v], sums[r * L + i][v]);
            }
          }
        }
      }
    }
  }
  const Columns columns{column, static_cast<int>(std::min<std::int64_t>(a.g.n - column, kPanel))};
  for (int k = 0; k < R * L; ++k) {
    for (int v = 0; v < NR; ++v) {
      float* to = dw + k * a.g.row + column + v * kLanes;
      const int count = columns.in_vector(v);
      store_columns(to, sums[k][v] + simd::load_partial(to, std::max(count, 0)), count);
    }
  }
}

using Accumulate = void (*)(const Operands&, std::int64_t, float*);

// accumulate_windows<R, l, NR> for run-time l with R * l <= kMaxTaps.
template <int R, int NR>
Accumulate kernel_of(int l) {
  Accumulate kernel = nullptr;
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (void)((l == I + 1 && (kernel = accumulate_windows<R, I + 1, NR>, true)) || ...);
  }(std::make_integer_sequence<int, kMaxTaps / R>{});
  return kernel;
}

template <int NR>
Accumulate kernel_of(std::size_t r, int l) {
  Accumulate kernel = nullptr;
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (void)((static_cast<int>(r) == I + 1 && (kernel = kernel_of<I + 1, NR>(l), true)) || ...);
  }(std::make_integer_sequence<int, kMaxRuns>{});
  return kernel;
}

}  // namespace

bool has_pooled_weight_gradient(const Patches& patches) {
  return patches.run.size() <= kMaxRuns && patches.depth() <= kMaxTaps;
}

void pooled_weight_gradient(const WeightGradient& g, std::int64_t images, const float* x,
                            const float* dy, const std::uint8_t* argmax, float* dw) {
  const Operands operands{g, images, x, dy, argmax};
  const std::size_t runs = g.patches.run.size();
  std::int64_t column = 0;
  for (; column + kVectors * kLanes <= g.n; column += kVectors * kLanes) {
    kernel_of<kVectors>(runs, g.patches.run_length)(operands, column, dw);
  }
  for (; column < g.n; column += kLanes) {
    kernel_of<1>(runs, g.patches.run_length)(operands, column, dw);
  }
}

}  // namespace convlet
