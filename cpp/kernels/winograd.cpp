#include "kernels/winograd.hpp"

#include <algorithm>
#include <utility>

#include "kernels/epilogue.hpp"
#include "kernels/micro_kernel.hpp"
#include "kernels/tile.hpp"
#include "kernels/winograd_patch.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::kLanes;
using simd::Vec;

constexpr int kTaps = 9;
// Tiles of a register tile that are addressed from one pointer: 3 % faster than one each.
constexpr int kGroup = 3;
static_assert(kTileRows % kGroup == 0);

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

// Tiles that go through the three stages together. One register tile high, so that what passes
// between the stages stays in the first-level cache; several where the weights do not fit the
// second-level cache, so that each of their values is read for more tiles.
std::int64_t tiles_together(std::int64_t ic, std::int64_t oc) {
  constexpr std::int64_t kWeightsInCache = 1 << 18;  // floats
  return kTileRows * (winograd_packed_size(ic, oc) > kWeightsInCache ? 4 : 1);
}

// How the factors [p][tile][channel] and the products [p][tile][column] of some tiles lie in
// scratch. One cache line more than needed lies between the arrays of two p: at a multiple of 4096
// bytes all sixteen would fall into one set of the first-level cache.
struct Block {
  Block(std::int64_t tiles_, std::int64_t ic)
      : tiles(tiles_),
        factor_row(round_up(ic, kLanes)),
        factors(tiles_ * factor_row + kLanes),
        products(tiles_ * kPanel + kLanes) {}

  std::int64_t tiles;  // a multiple of the register tile's height
  std::int64_t factor_row;
  std::int64_t factors;  // of one p
  std::int64_t products;

  std::int64_t size() const { return kProducts * (factors + products); }
};

// u[p * stride] = product p's factor from the first `count` of a vector of output channels of the
// 3x3 weights at w, `tap` floats apart.
[[gnu::always_inline]] inline void kernel_to_factors(const float* w, std::int64_t tap, int count,
                                                     float* u, std::int64_t stride) {
  const auto load = [count](const float* p) {
    return count == kLanes ? simd::load(p) : simd::load_partial(p, count);
  };
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
    for (int j = 0; j < 4; ++j) store_columns(u + (4 * i + j) * stride, t[j], count);
  }
}

// Where the factors of input channel i and output channel `column` start.
float* packed_at(float* packed, std::int64_t ic, std::int64_t oc, std::int64_t i,
                 std::int64_t column) {
  const std::int64_t n0 = column / kPanel * kPanel;
  return packed + kProducts * n0 * ic + i * panel_width(oc, n0) + (column - n0);
}

// products[p][tile][column] = sum over channels of factors[p][tile][channel] *
// panel[p][channel][column].
template <int NR>
void multiply(std::int64_t ic, const Block& block, const float* factors, const float* panel,
              float* products) {
  Offsets<kGroup> offset;
  for (int j = 0; j < kGroup; ++j) offset[j] = j * block.factor_row;
  for (int p = 0; p < kProducts; ++p, panel += ic * NR * kLanes) {
    const float* v = factors + p * block.factors;
    float* to = products + p * block.products;
    for (std::int64_t first = 0; first < block.tiles; first += kTileRows) {
      const float* x[kTileRows / kGroup];
#pragma GCC unroll 16
      for (int q = 0; q < kTileRows / kGroup; ++q) x[q] = v + q * kGroup * block.factor_row;
      Sums<kTileRows, NR> sums{};
      accumulate<kTileRows, NR, kGroup>(sums, x, offset, 0, ic, panel);
#pragma GCC unroll 16
      for (int m = 0; m < kTileRows; ++m) {
#pragma GCC unroll 4
        for (int n = 0; n < NR; ++n) {
          simd::store(to + m * kPanel + n * kLanes, sums[m][n]);
        }
      }
      v += kTileRows * block.factor_row;
      to += kTileRows * kPanel;
    }
  }
}

// One tile's four outputs from its products of one vector of columns, `stride` floats apart.
[[gnu::always_inline]] inline void outputs_of(const float* products, std::int64_t stride,
                                              Vec (&y)[4]) {
  Vec columns[4][2];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    Vec m[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) m[i] = simd::load(products + (4 * i + j) * stride);
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

// How a tile's outputs reach y: as four pixels, or as one.
struct EachPixel {
  StoreSum store;
  std::int64_t row, pixel;  // of y, in floats

  [[gnu::always_inline]] void operator()(const Vec (&four)[4], Vec bias, const WinogradTile& tile,
                                         std::int64_t at, int count) const {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      if (j / 2 < tile.rows && j % 2 < tile.columns) {
        store(four[j], bias, at + j / 2 * row + j % 2 * pixel, count);
      }
    }
  }
};

struct Maximum {
  StoreMax4 store;

  [[gnu::always_inline]] void operator()(const Vec (&four)[4], Vec bias, const WinogradTile&,
                                         std::int64_t at, int count) const {
    store(four, bias, at, count);
  }
};

// A walk over the tiles of all images.
class Cursor {
 public:
  Cursor(const WinogradProduct& g, const float* x) : g_(g), x_(x) {}

  struct Place {
    const WinogradTile* tile;
    const float* x;
    std::int64_t y;
  };
  Place next() {
    const WinogradTile& tile = g_.tiles[next_];
    const Place place{&tile, x_ + tile.x, y_ + tile.y};
    if (++next_ == g_.tiles.size()) {
      next_ = 0;
      x_ += g_.x_image;
      y_ += g_.y_image;
    }
    return place;
  }

 private:
  const WinogradProduct& g_;
  const float* x_;
  std::int64_t y_ = 0;
  std::size_t next_ = 0;
};

// The second and third stage for `count` tiles whose factors are made. walk: at the first of them.
template <class Epilogue>
void finish_tiles(const WinogradProduct& g, const Block& block, std::int64_t count,
                  const float* factors, const float* packed, const float* bias, float* products,
                  const Cursor& walk, const Epilogue& epilogue) {
  for (std::int64_t n0 = 0; n0 < g.oc; n0 += kPanel) {
    const int vectors = panel_width(g.oc, n0) / kLanes;
    const float* panel = packed + kProducts * n0 * g.ic;
    if (vectors == kTileVectors) {
      multiply<kTileVectors>(g.ic, block, factors, panel, products);
    } else {
      multiply<1>(g.ic, block, factors, panel, products);
    }
    const Columns columns{n0, static_cast<int>(std::min<std::int64_t>(g.oc - n0, kPanel))};
    for (int n = 0; n < vectors; ++n) {
      const Vec b = bias_of(bias, n0 + n * kLanes);
      Cursor cursor = walk;
      for (std::int64_t m = 0; m < count; ++m) {
        Vec four[4];
        outputs_of(products + m * kPanel + n * kLanes, block.products, four);
        const Cursor::Place place = cursor.next();
        epilogue(four, b, *place.tile, place.y + n0 + n * kLanes, columns.in_vector(n));
      }
    }
  }
}

template <class Epilogue>
void product(const WinogradProduct& g, std::int64_t images, const float* x, const float* packed,
             const float* bias, float* scratch, const Epilogue& epilogue) {
  const std::int64_t most = tiles_together(g.ic, g.oc);
  float* products = scratch + kProducts * Block(most, g.ic).factors;
  Cursor cursor(g, x);
  std::int64_t left = images * static_cast<std::int64_t>(g.tiles.size());
  while (left > 0) {
    const std::int64_t count = std::min(left, most);
    const Block block(round_up(count, kTileRows), g.ic);
    const Cursor first = cursor;
    for (std::int64_t m = 0; m < count; ++m) {
      transform_tile(g.ic, g.x_row, cursor.next().x, scratch + m * block.factor_row, block.factors);
    }
    finish_tiles(g, block, count, scratch, packed, bias, products, first, epilogue);
    left -= count;
  }
}

}  // namespace

std::int64_t winograd_packed_size(std::int64_t ic, std::int64_t oc) {
  return kProducts * packed_size(ic, oc);
}

std::int64_t winograd_scratch_size(std::int64_t ic, std::int64_t oc) {
  return Block(tiles_together(ic, oc), ic).size();
}

void winograd_pack(std::int64_t begin, std::int64_t end, std::int64_t ic, std::int64_t oc,
                   const float* w, float* packed) {
  for (std::int64_t c = 0; c < oc; c += kLanes) {
    const int count = static_cast<int>(std::min<std::int64_t>(kLanes, oc - c));
    const std::int64_t stride = ic * panel_width(oc, c / kPanel * kPanel);
    for (std::int64_t i = begin; i < end; ++i) {
      kernel_to_factors(w + i * oc + c, ic * oc, count, packed_at(packed, ic, oc, i, c), stride);
    }
  }
}

void winograd_pack_transposed(std::int64_t begin, std::int64_t end, std::int64_t ic,
                              std::int64_t oc, const float* w, float* packed) {
  constexpr std::int64_t kSquare = kLanes * kLanes;
  alignas(simd::kVecBytes) float block[kTaps * kSquare];  // [tap][output channel][input channel]
  for (std::int64_t i = begin, next = begin; i < end; i = next) {
    next = std::min(end, round_up(i + 1, kLanes));
    const int rows = static_cast<int>(next - i);
    const std::int64_t stride = oc * panel_width(ic, i / kPanel * kPanel);
    for (std::int64_t o = 0; o < oc; o += kLanes) {
      const int columns = static_cast<int>(std::min<std::int64_t>(kLanes, oc - o));
      for (int tap = 0; tap < kTaps; ++tap) {
        Vec square[kLanes]{};
        for (int r = 0; r < rows; ++r) {
          square[r] = simd::load_partial(w + (tap * ic + i + r) * oc + o, columns);
        }
        simd::transpose(square);
        float* turned = block + (kTaps - 1 - tap) * kSquare;
        for (int r = 0; r < columns; ++r) simd::store(turned + r * kLanes, square[r]);
      }
      for (int r = 0; r < columns; ++r) {
        kernel_to_factors(block + r * kLanes, kSquare, rows, packed_at(packed, oc, ic, o + r, i),
                          stride);
      }
    }
  }
}

void winograd_product(const WinogradProduct& g, std::int64_t images, const float* x,
                      const float* packed, const float* bias, bool relu, float* scratch, float* y) {
  product(g, images, x, packed, bias, scratch, EachPixel{{bias, relu, y}, g.y_row, g.oc});
}

void winograd_product_max4(const WinogradProduct& g, std::int64_t images, const float* x,
                           const float* packed, const float* bias, bool relu, float* scratch,
                           float* y, std::uint8_t* argmax) {
  product(g, images, x, packed, bias, scratch, Maximum{{bias, relu, y, argmax}});
}

}  // namespace convlet
