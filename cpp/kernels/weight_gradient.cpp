#include "kernels/weight_gradient.hpp"

#include <algorithm>
#include <utility>

#include "kernels/tile.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::kLanes;
using simd::Vec;

template <int MR, int NR>
using Sums = Vec[MR][NR];

// sums[m][:] += x[at[m]] * dz[:]
template <int MR, int NR>
[[gnu::always_inline]] inline void outer_product(Sums<MR, NR>& sums, const float* x,
                                                 const std::int64_t (&at)[MR],
                                                 const Vec (&dz)[NR]) {
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m) {
    const Vec value = simd::broadcast(x[at[m]]);
#pragma GCC unroll 4
    for (int n = 0; n < NR; ++n) sums[m][n] = simd::fma(value, dz[n], sums[m][n]);
  }
}

// The sums of one image. dz: its rows from column n0 on.
template <int MR, int NR>
[[gnu::always_inline]] inline void accumulate(Sums<MR, NR>& sums, const WeightGradient& g,
                                              const float* x, const std::int64_t (&at)[MR],
                                              const float* dz) {
  for (const std::int32_t pixel : g.patches.pixel) {
    Vec value[NR];
#pragma GCC unroll 4
    for (int v = 0; v < NR; ++v) value[v] = simd::load(dz + v * kLanes);
    outer_product<MR, NR>(sums, x + pixel, at, value);
    dz += g.n;
  }
}

// dw[k0 .. k0 + MR)[n0 ..] += the product over `images` images.
template <int MR, int NR>
void tile(const WeightGradient& g, std::int64_t first, std::int64_t images, const float* x,
          const float* dz, std::int64_t k0, std::int64_t n0, float* dw) {
  std::int64_t at[MR];
  for (int m = 0; m < MR; ++m) {
    const auto run = static_cast<std::size_t>((k0 + m) / g.patches.run_length);
    at[m] = g.patches.run[run] + (k0 + m) % g.patches.run_length;
  }
  Sums<MR, NR> sums{};
  for (std::int64_t image = first; image < first + images; ++image) {
    const float* rows = dz + image * g.patches.pixels() * g.n + n0;
    accumulate<MR, NR>(sums, g, x + image * g.x_image, at, rows);
  }
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m) {
#pragma GCC unroll 4
    for (int v = 0; v < NR; ++v) {
      float* out = dw + (k0 + m) * g.n + n0 + v * kLanes;
      const std::int64_t count = g.n - n0 - v * kLanes;
      if (count >= kLanes) {
        simd::store(out, simd::load(out) + sums[m][v]);
      } else if (count > 0) {
        simd::store_partial(out, simd::load_partial(out, static_cast<int>(count)) + sums[m][v],
                            static_cast<int>(count));
      }
    }
  }
}

// tile<rows, NR> for the run-time number of rows, 1 <= rows <= kTileRows.
template <int NR, class... Args>
void tile_of(int rows, const Args&... args) {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (void)((rows == I + 1 && (tile<I + 1, NR>(args...), true)) || ...);
  }(std::make_integer_sequence<int, kTileRows>{});
}

// Images whose x and dz one pass over all tiles reads: few enough to stay in the first-level cache,
// enough pixels to pay for loading and storing the tile.
std::int64_t images_per_pass(const Patches& patches) {
  constexpr std::int64_t kPixels = 128;
  return std::max<std::int64_t>(1, kPixels / patches.pixels());
}

}  // namespace

void weight_gradient(const WeightGradient& g, std::int64_t images, const float* x, const float* dz,
                     float* dw) {
  const std::int64_t depth = g.patches.depth();
  const std::int64_t step = images_per_pass(g.patches);
  for (std::int64_t first = 0; first < images; first += step) {
    const std::int64_t count = std::min(step, images - first);
    for (std::int64_t k0 = 0; k0 < depth; k0 += kTileRows) {
      const int rows = static_cast<int>(std::min<std::int64_t>(kTileRows, depth - k0));
      for (std::int64_t n0 = 0; n0 < g.n; n0 += kPanel) {
        if (panel_width(g.n, n0) == kPanel) {
          tile_of<kTileVectors>(rows, g, first, count, x, dz, k0, n0, dw);
        } else {
          tile_of<1>(rows, g, first, count, x, dz, k0, n0, dw);
        }
      }
    }
  }
}

void spread_max4(std::int64_t windows, std::int64_t n, const float* dy, const std::uint8_t* argmax,
                 float* dz) {
  // Row by row: where n is no multiple of the vector, each row's end is written over by the next
  // row's start.
  for (std::int64_t q = 0; q < windows; ++q, dy += n, argmax += n, dz += 4 * n) {
    for (int j = 0; j < 4; ++j) {
      for (std::int64_t c = 0; c < n; c += kLanes) {
        const simd::IntVec winner = simd::load_bytes(argmax + c);
        simd::store(dz + j * n + c, winner == j ? simd::load(dy + c) : simd::zero());
      }
    }
  }
}

void bias_gradient(std::int64_t rows, std::int64_t n, const float* dz, float* db) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    Vec sum = simd::load(db + i);
    for (std::int64_t row = 0; row < rows; ++row) sum += simd::load(dz + row * n + i);
    simd::store(db + i, sum);
  }
  for (; i < n; ++i) {
    for (std::int64_t row = 0; row < rows; ++row) db[i] += dz[row * n + i];
  }
}

}  // namespace convlet
