#include "kernels/winograd.hpp"

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

constexpr int kProducts = 16;  // of a transformed patch with transformed weights
// Tiles that go through the three stages together: one register tile high, so that what passes
// between the stages stays in the first-level cache.
constexpr int kTiles = kTileRows;
constexpr int kGroup = 3;  // of them are addressed from one pointer: 3 % faster than one each
static_assert(kTiles % kGroup == 0);

// Bt d: one column of a patch. The same function over rows gives Bt d B.
[[gnu::always_inline]] inline void transform_patch(const Vec (&d)[4], Vec (&t)[4]) {
  t[0] = d[0] - d[2];
  t[1] = d[1] + d[2];
  t[2] = d[2] - d[1];
  t[3] = d[1] - d[3];
}

// G g: one column of a kernel.
[[gnu::always_inline]] inline void transform_kernel(const Vec (&g)[3], Vec (&t)[4]) {
  const Vec outer = g[0] + g[2];
  t[0] = g[0];
  t[1] = 0.5F * (outer + g[1]);
  t[2] = 0.5F * (outer - g[1]);
  t[3] = g[2];
}

// At m: one column of products.
[[gnu::always_inline]] inline void transform_products(const Vec (&m)[4], Vec (&y)[2]) {
  y[0] = m[0] + m[1] + m[2];
  y[1] = m[1] - m[2] - m[3];
}

// v[p * stride] = product p's factor from one vector of channels of the patch at x.
template <class Load>
[[gnu::always_inline]] inline void patch_to_factors(const float* x, std::int64_t row,
                                                    std::int64_t pixel, float* v,
                                                    std::int64_t stride, Load&& load) {
  Vec columns[4][4];  // [column][row]
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const Vec d[4] = {load(x + j * pixel), load(x + row + j * pixel), load(x + 2 * row + j * pixel),
                      load(x + 3 * row + j * pixel)};
    transform_patch(d, columns[j]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Vec d[4] = {columns[0][i], columns[1][i], columns[2][i], columns[3][i]};
    Vec t[4];
    transform_patch(d, t);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) simd::store(v + (4 * i + j) * stride, t[j]);
  }
}

// u[p * stride] = product p's factor from one vector of output channels of the 3x3 weights at w,
// `tap` floats apart.
template <class Load>
[[gnu::always_inline]] inline void kernel_to_factors(const float* w, std::int64_t tap, float* u,
                                                     std::int64_t stride, Load&& load) {
  Vec columns[3][4];
#pragma GCC unroll 3
  for (int v = 0; v < 3; ++v) {
    const Vec g[3] = {load(w + v * tap), load(w + (3 + v) * tap), load(w + (6 + v) * tap)};
    transform_kernel(g, columns[v]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const Vec g[3] = {columns[0][i], columns[1][i], columns[2][i]};
    Vec t[4];
    transform_kernel(g, t);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) simd::store(u + (4 * i + j) * stride, t[j]);
  }
}

// The factors of one patch, all channels: v[p][tile][channel], product p at distance `stride`.
void transform_tile(const WinogradProduct& g, const float* x, float* v, std::int64_t stride) {
  std::int64_t c = 0;
  for (; c + kLanes <= g.ic; c += kLanes) {
    patch_to_factors(x + c, g.row, g.ic, v + c, stride,
                     [](const float* p) { return simd::load(p); });
  }
  const int rest = static_cast<int>(g.ic - c);
  if (rest == 0) return;
  patch_to_factors(x + c, g.row, g.ic, v + c, stride,
                   [rest](const float* p) { return simd::load_partial(p, rest); });
}

// products[p][tile][column] = sum over channels of v[p][tile][channel] * panel[p][channel][column].
template <int NR>
void multiply(std::int64_t ic, const float* v, std::int64_t v_row, const float* panel,
              float* products) {
  Offsets<kGroup> offset;
  for (int j = 0; j < kGroup; ++j) offset[j] = j * v_row;
  for (int p = 0; p < kProducts; ++p) {
    const float* x[kTiles / kGroup];
#pragma GCC unroll 16
    for (int q = 0; q < kTiles / kGroup; ++q) x[q] = v + (p * kTiles + q * kGroup) * v_row;
    Sums<kTiles, NR> sums{};
    panel = accumulate<kTiles, NR, kGroup>(sums, x, offset, 0, ic, panel);
    float* to = products + p * kTiles * kPanel;
#pragma GCC unroll 16
    for (int m = 0; m < kTiles; ++m) {
#pragma GCC unroll 4
      for (int n = 0; n < NR; ++n) simd::store(to + m * kPanel + n * kLanes, sums[m][n]);
    }
  }
}

// One tile's four outputs from its products of one vector of columns.
[[gnu::always_inline]] inline void outputs_of(const float* products, Vec (&y)[4]) {
  Vec columns[4][2];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    Vec m[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) m[i] = simd::load(products + (4 * i + j) * kTiles * kPanel);
    transform_products(m, columns[j]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const Vec m[4] = {columns[0][i], columns[1][i], columns[2][i], columns[3][i]};
    Vec out[2];
    transform_products(m, out);
    y[2 * i] = out[0];
    y[2 * i + 1] = out[1];
  }
}

// A walk over the tiles of all images.
struct Cursor {
  const WinogradProduct& g;
  const float* x;
  std::int64_t y = 0;
  std::size_t next = 0;

  // Where the next tile's patch starts, and its output.
  std::pair<const float*, std::int64_t> take() {
    const std::pair<const float*, std::int64_t> place{x + g.tile[next], y + g.out[next]};
    if (++next == g.tile.size()) {
      next = 0;
      x += g.x_image;
      y += g.y_image;
    }
    return place;
  }
};

}  // namespace

std::int64_t winograd_packed_size(std::int64_t ic, std::int64_t oc) {
  return kProducts * packed_size(ic, oc);
}

std::int64_t winograd_scratch_size(std::int64_t ic) {
  return kProducts * kTiles * (round_up(ic, kLanes) + kPanel);
}

void winograd_pack(std::int64_t begin, std::int64_t end, std::int64_t ic, std::int64_t oc,
                   const float* w, float* packed) {
  for (std::int64_t c = 0; c < oc; c += kLanes) {
    const int valid = static_cast<int>(std::min<std::int64_t>(kLanes, oc - c));
    const std::int64_t n0 = c / kPanel * kPanel;
    const std::int64_t width = panel_width(oc, n0);
    for (std::int64_t i = begin; i < end; ++i) {
      const float* from = w + i * oc + c;
      float* to = packed + kProducts * n0 * ic + i * width + (c - n0);
      if (valid == kLanes) {
        kernel_to_factors(from, ic * oc, to, ic * width,
                          [](const float* p) { return simd::load(p); });
      } else {
        kernel_to_factors(from, ic * oc, to, ic * width,
                          [valid](const float* p) { return simd::load_partial(p, valid); });
      }
    }
  }
}

void winograd_product_max4(const WinogradProduct& g, std::int64_t images, const float* x,
                           const float* packed, const float* bias, bool relu, float* scratch,
                           float* y, std::uint8_t* argmax) {
  const std::int64_t v_row = round_up(g.ic, kLanes);
  float* products = scratch + kProducts * kTiles * v_row;
  const StoreMax4 store{bias, relu, y, argmax};
  Cursor cursor{g, x};
  std::int64_t left = images * static_cast<std::int64_t>(g.tile.size());
  for (; left > 0; left -= kTiles) {
    const int tiles = static_cast<int>(std::min<std::int64_t>(left, kTiles));
    std::int64_t out[kTiles];
    for (int m = 0; m < tiles; ++m) {
      const auto [patch, to] = cursor.take();
      out[m] = to;
      transform_tile(g, patch, scratch + m * v_row, kTiles * v_row);
    }
    for (std::int64_t n0 = 0; n0 < g.oc; n0 += kPanel) {
      const int vectors = panel_width(g.oc, n0) / kLanes;
      const float* panel = packed + kProducts * n0 * g.ic;
      if (vectors == kTileVectors) {
        multiply<kTileVectors>(g.ic, scratch, v_row, panel, products);
      } else {
        multiply<1>(g.ic, scratch, v_row, panel, products);
      }
      const Columns columns{n0, static_cast<int>(std::min<std::int64_t>(g.oc - n0, kPanel))};
      for (int n = 0; n < vectors; ++n) {
        const Vec b = bias_of(bias, n0 + n * kLanes);
        for (int m = 0; m < tiles; ++m) {
          Vec four[4];
          outputs_of(products + m * kPanel + n * kLanes, four);
          store(four, b, out[m] + n0 + n * kLanes, columns.in_vector(n));
        }
      }
    }
  }
}

}  // namespace convlet
