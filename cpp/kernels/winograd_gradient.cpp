#include "kernels/winograd_gradient.hpp"

#include <algorithm>

#include "kernels/epilogue.hpp"
#include "kernels/tile.hpp"
#include "kernels/weight_gradient.hpp"
#include "kernels/winograd_patch.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::kLanes;
using simd::Vec;

// How the factors of some tiles lie in scratch: [16][tiles][channels] of x, then of dz. One cache
// line more than needed lies between the arrays of two products: see winograd.cpp.
struct Factors {
  Factors(std::int64_t ic, std::int64_t oc)
      : x_row(round_up(ic, kLanes)), dz_row(round_up(oc, kLanes)) {
    // As many tiles as fill half of a second-level cache, for the sums pass by once for all of
    // them.
    constexpr std::int64_t kFloats = std::int64_t{1} << 18;
    const std::int64_t fit = kFloats / (kProducts * (x_row + dz_row));
    tiles = std::clamp<std::int64_t>(fit, 48, 128);
    x = tiles * x_row + kLanes;
    dz = tiles * dz_row + kLanes;
  }

  std::int64_t x_row, dz_row;
  std::int64_t tiles;  // at most
  std::int64_t x, dz;  // floats of one product

  std::int64_t size() const { return kProducts * (x + dz); }
};

// A e: one column of a tile of gradients. The same function over rows gives A e At.
[[gnu::always_inline]] inline void transform_gradient(Vec e0, Vec e1, Vec (&t)[4]) {
  t[0] = e0;
  t[1] = e0 + e1;
  t[2] = e0 - e1;
  t[3] = -e1;
}

// Gt m: one column of sums. The same function over rows gives Gt m G.
[[gnu::always_inline]] inline void transform_sums(const Vec (&m)[4], Vec (&g)[3]) {
  const Vec inner = 0.5F * (m[1] + m[2]);
  g[0] = m[0] + inner;
  g[1] = 0.5F * (m[1] - m[2]);
  g[2] = inner + m[3];
}

// The factors of one tile of gradients, all channels; those of pixels that do not exist are zero.
void transform_gradients(const WinogradProduct& g, const WinogradTile& tile, const float* dz,
                         float* to, std::int64_t stride) {
  for (std::int64_t c = 0; c < g.oc; c += kLanes) {
    const int count = static_cast<int>(std::min<std::int64_t>(kLanes, g.oc - c));
    const auto pixel = [&](int row, int column) {
      const bool exists = row < tile.rows && column < tile.columns;
      return exists ? load_columns(dz + row * g.y_row + column * g.oc + c, count) : simd::zero();
    };
    Vec columns[2][4];
#pragma GCC unroll 2
    for (int j = 0; j < 2; ++j) transform_gradient(pixel(0, j), pixel(1, j), columns[j]);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      Vec t[4];
      transform_gradient(columns[0][i], columns[1][i], t);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) simd::store(to + (4 * i + j) * stride + c, t[j]);
    }
  }
}

// sums[p] += the products of `tiles` tiles' factors.
void add_products(const WinogradProduct& g, const Factors& factors, std::int64_t tiles,
                  const float* scratch, float* sums) {
  const Patches patch = row_patch(g.ic);
  for (int p = 0; p < kProducts; ++p) {
    WeightGradientSum<float> sum({patch, factors.x_row, g.oc, g.oc}, sums + p * g.ic * g.oc);
    sum.add(tiles, scratch + p * factors.x, scratch + kProducts * factors.x + p * factors.dz,
            factors.dz_row);
    sum.finish();
  }
}

}  // namespace

std::int64_t winograd_sums_size(std::int64_t ic, std::int64_t oc) { return kProducts * ic * oc; }

std::int64_t winograd_gradient_scratch_size(std::int64_t ic, std::int64_t oc) {
  return Factors(ic, oc).size();
}

void winograd_add_products(const WinogradProduct& g, std::int64_t images, const float* x,
                           const float* dz, float* scratch, float* sums) {
  const Factors factors(g.ic, g.oc);
  float* dz_factors = scratch + kProducts * factors.x;
  std::int64_t tiles = 0;
  for (std::int64_t image = 0; image < images; ++image, x += g.x_image, dz += g.y_image) {
    for (const WinogradTile& tile : g.tiles) {
      transform_tile(g.ic, g.x_row, x + tile.x, scratch + tiles * factors.x_row, factors.x);
      transform_gradients(g, tile, dz + tile.y, dz_factors + tiles * factors.dz_row, factors.dz);
      if (++tiles < factors.tiles) continue;
      add_products(g, factors, tiles, scratch, sums);
      tiles = 0;
    }
  }
  if (tiles > 0) add_products(g, factors, tiles, scratch, sums);
}

void winograd_finish_gradient(std::int64_t ic, std::int64_t oc, float* sums, float* dw) {
  const std::int64_t size = ic * oc;
  for (std::int64_t i = 0; i < size; i += kLanes) {
    const int count = static_cast<int>(std::min<std::int64_t>(kLanes, size - i));
    Vec columns[4][3];
    for (int j = 0; j < 4; ++j) {
      Vec m[4];
      for (int r = 0; r < 4; ++r) m[r] = load_columns(sums + (4 * r + j) * size + i, count);
      transform_sums(m, columns[j]);
    }
    for (int r = 0; r < 3; ++r) {
      const Vec m[4] = {columns[0][r], columns[1][r], columns[2][r], columns[3][r]};
      Vec g[3];
      transform_sums(m, g);
      for (int j = 0; j < 3; ++j) {
        float* to = dw + (3 * r + j) * size + i;
        store_columns(to, load_columns(to, count) + g[j], count);
      }
    }
  }
  std::fill_n(sums, winograd_sums_size(ic, oc), 0.0F);
}

}  // namespace convlet
