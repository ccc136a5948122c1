#include "kernels/weight_gradient.hpp"

#include <algorithm>
#include <utility>

#include "kernels/epilogue.hpp"
#include "kernels/micro_kernel.hpp"
#include "kernels/tile.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::kLanes;
using simd::Vec;

// Pixels whose patches are found and whose gradients are packed together. Packed they lie side by
// side: in place, the rows of a wide Dense layer are a power of two apart and fall into a few sets
// of the first-level cache.
constexpr int kPixels = 128;

struct Block {
  int pixels;
  const float* patch[kPixels];
  alignas(simd::kVecBytes) float dz[kPixels * kPanel];  // [pixels][NR vectors]
};

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

// dw[k0 .. k0 + MR)[n0 ..] += the products of one block.
template <int MR, int NR>
void tile(const WeightGradient& g, const Block& block, const float* packed_dz, std::int64_t k0,
          std::int64_t n0, float* dw) {
  std::int64_t at[MR];
  locate<MR>(g.patches, k0, at);
  Sums<MR, NR> sums{};
  for (int p = 0; p < block.pixels; ++p) {
    Vec dz[NR];
#pragma GCC unroll 4
    for (int v = 0; v < NR; ++v) dz[v] = simd::load(packed_dz + (p * NR + v) * kLanes);
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m) {
      const Vec value = simd::broadcast(block.patch[p][at[m]]);
#pragma GCC unroll 4
      for (int v = 0; v < NR; ++v) sums[m][v] = simd::fma(value, dz[v], sums[m][v]);
    }
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
        const int valid = static_cast<int>(count);
        simd::store_partial(out, simd::load_partial(out, valid) + sums[m][v], valid);
      }
    }
  }
}

// tile<rows, NR> for the run-time number of rows, 1 <= rows <= kTileRows.
template <int NR, class... Args>
void tile_of(int rows, Args&&... args) {
  [&]<int... I>(std::integer_sequence<int, I...>) {
    (void)((rows == I + 1 && (tile<I + 1, NR>(args...), true)) || ...);
  }(std::make_integer_sequence<int, kTileRows>{});
}

// All tiles of NR vectors of columns from n0 on. dz: the block's rows.
template <int NR>
void columns(const WeightGradient& g, Block& block, const float* dz, std::int64_t n0, float* dw) {
  const bool packed = g.n == NR * kLanes;  // as they are
  for (int p = 0; !packed && p < block.pixels; ++p) {
    for (int v = 0; v < NR; ++v) {
      simd::store(block.dz + (p * NR + v) * kLanes, simd::load(dz + p * g.n + n0 + v * kLanes));
    }
  }
  const std::int64_t depth = g.patches.depth();
  for (std::int64_t k0 = 0; k0 < depth; k0 += kTileRows) {
    const int rows = static_cast<int>(std::min<std::int64_t>(kTileRows, depth - k0));
    tile_of<NR>(rows, g, block, packed ? dz : block.dz, k0, n0, dw);
  }
}

}  // namespace

void weight_gradient(const WeightGradient& g, std::int64_t images, const float* x, const float* dz,
                     float* dw) {
  Block block;
  std::size_t pixel = 0;
  for (std::int64_t left = images * g.patches.pixels(); left > 0; left -= block.pixels) {
    block.pixels = static_cast<int>(std::min<std::int64_t>(kPixels, left));
    for (int p = 0; p < block.pixels; ++p) {
      block.patch[p] = x + g.patches.pixel[pixel];
      if (++pixel == g.patches.pixel.size()) {
        pixel = 0;
        x += g.x_image;
      }
    }
    for (std::int64_t n0 = 0; n0 < g.n; n0 += kPanel) {
      if (panel_width(g.n, n0) == kPanel) {
        columns<kTileVectors>(g, block, dz, n0, dw);
      } else {
        columns<1>(g, block, dz, n0, dw);
      }
    }
    dz += block.pixels * g.n;
  }
}

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
