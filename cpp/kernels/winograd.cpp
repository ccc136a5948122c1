#include "kernels/winograd.hpp"

#include <algorithm>
#include <bit>
#include <numeric>

#include "kernels/close_calls.hpp"
#include "kernels/epilogue.hpp"
#include "kernels/micro_kernel.hpp"
#include "kernels/tile.hpp"
#include "kernels/winograd_patch.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::kLanes;
using simd::Vec;
using winograd::CloseCalls;
using winograd::for_plain;
using winograd::for_pooled;
using winograd::for_side;
using winograd::Sizes;
using winograd::Tile;
using winograd::transform_both;

constexpr int kTaps = 9;
// Tiles of a register tile that are addressed from one pointer: 3 % faster than one each.
constexpr int kGroup = 3;
static_assert(kTileRows % kGroup == 0);

// How the factors of the weights lie: panel after panel, each [p][input channel][column]. One cache
// line more than needed lies between the arrays of two p: at a multiple of 4096 bytes all of them
// would fall into one set of the first-level cache.
struct PackedFactors {
  int products;
  std::int64_t ic, oc;

  // From product p to the next, in the panel that starts at column n0.
  std::int64_t stride(std::int64_t n0) const { return ic * panel_width(oc, n0) + kLanes; }
  // Where the panel starts: all before it are of full width.
  std::int64_t panel(std::int64_t n0) const { return products * (n0 / kPanel * stride(0)); }
  std::int64_t size() const {
    const std::int64_t last = (oc - 1) / kPanel * kPanel;
    return panel(last) + products * stride(last);
  }
};

// Tiles that go through the three stages together, a multiple of `least`. One register tile high,
// so that what passes between the stages stays in the first-level cache; several where the weights
// do not fit the second-level cache, so that each of their values is read for more tiles.
constexpr int kMostTogether = 4 * std::lcm(kTileRows, 4);
std::int64_t tiles_together(const PackedFactors& weights, int least) {
  constexpr std::int64_t kWeightsInCache = 1 << 18;  // floats
  return std::lcm(kTileRows, least) * (weights.size() > kWeightsInCache ? 4 : 1);
}

// How the factors [p][tile][channel] and the products [p][tile][column] of some tiles lie in
// scratch; the arrays of two p are apart as those of the weights.
struct Block {
  Block(std::int64_t tiles_, std::int64_t ic)
      : tiles(tiles_),
        factor_row(round_up(ic, kLanes)),
        factors(tiles_ * factor_row + kLanes),
        products(tiles_ * kPanel + kLanes) {}

  std::int64_t tiles;  // a multiple of kGroup
  std::int64_t factor_row;
  std::int64_t factors;  // of one p
  std::int64_t products;
};

// u[p * stride] = product p's factor from the first `count` of a vector of output channels of the
// 3x3 weights at w, `tap` floats apart. The others may be another thread's.
template <class T>
[[gnu::noinline]] void kernel_to_factors(const float* w, std::int64_t tap, int count, float* u,
                                         std::int64_t stride) {
  transform_both(
      Sizes<3, T::kPatch, true>(),
      [&](int i, int j) { return load_columns(w + (3 * i + j) * tap, count); },
      [](const auto& g, auto& t) { winograd::transform_kernel(g, t); },
      [&](int i, int j, Vec t) { store_columns(u + (T::kPatch * i + j) * stride, t, count); });
}

// to[tile][column] = sum over channels of v[tile][channel] * panel[channel][column], of MR tiles.
template <int MR, int NR>
[[gnu::always_inline]] inline void multiply_rows(std::int64_t ic, std::int64_t row, const float* v,
                                                 const float* panel, float* to) {
  Offsets<kGroup> offset;
  for (int j = 0; j < kGroup; ++j) offset[j] = j * row;
  const float* x[MR / kGroup];
#pragma GCC unroll 16
  for (int q = 0; q < MR / kGroup; ++q) x[q] = v + q * kGroup * row;
  Sums<MR, NR> sums{};
  accumulate<MR, NR, kGroup>(sums, x, offset, 0, ic, panel);
#pragma GCC unroll 16
  for (int m = 0; m < MR; ++m) {
#pragma GCC unroll 4
    for (int n = 0; n < NR; ++n) simd::store(to + m * kPanel + n * kLanes, sums[m][n]);
  }
}

// The same of fewer tiles than fill the registers: in the lowest of a few heights that holds them.
template <int MR, int NR>
void multiply_last_rows(std::int64_t tiles, std::int64_t ic, std::int64_t row, const float* v,
                        const float* panel, float* to) {
  constexpr int kLess = MR - kGroup;
  if constexpr (kLess > 0) {
    if (tiles <= kLess) return multiply_last_rows<kLess, NR>(tiles, ic, row, v, panel, to);
  }
  multiply_rows<MR, NR>(ic, row, v, panel, to);
}

// products[p][tile][column] = sum over channels of factors[p][tile][channel] *
// packed[p][channel][column], in the panel that starts at column n0.
template <int NR>
void multiply(const PackedFactors& weights, std::int64_t n0, const Block& block,
              const float* factors, const float* packed, float* products) {
  const std::int64_t ic = weights.ic;
  const float* panel = packed + weights.panel(n0);
  for (int p = 0; p < weights.products; ++p, panel += weights.stride(n0)) {
    const float* v = factors + p * block.factors;
    float* to = products + p * block.products;
    std::int64_t left = block.tiles;
    for (; left >= kTileRows; left -= kTileRows) {
      multiply_rows<kTileRows, NR>(ic, block.factor_row, v, panel, to);
      v += kTileRows * block.factor_row;
      to += kTileRows * kPanel;
    }
    if (left > 0) multiply_last_rows<kTileRows, NR>(left, ic, block.factor_row, v, panel, to);
  }
}

// A walk over the tiles of all images.
class Cursor {
 public:
  explicit Cursor(const WinogradProduct& g) : g_(g) {}

  struct Place {
    const WinogradTile& tile;
    std::int64_t x, y;  // from the first image on
  };
  Place next() {
    const WinogradTile& tile = g_.tiles[next_];
    const Place place{tile, x_ + tile.x, y_ + tile.y};
    if (++next_ == g_.tiles.size()) {
      next_ = 0;
      x_ += g_.x_image;
      y_ += g_.y_image;
    }
    return place;
  }

 private:
  const WinogradProduct& g_;
  std::int64_t x_ = 0;
  std::int64_t y_ = 0;
  std::size_t next_ = 0;
};

// out[i * across + j] = the outputs of a tile, of one vector of columns, from their products. A
// function of its own: inlined it would not have the registers that it needs.
template <class T>
[[gnu::noinline]] void products_to_outputs(const float* products, std::int64_t stride, Vec* out,
                                           int across) {
  transform_both(
      Sizes<T::kPatch, T::kSide>(),
      [&](int i, int j) { return simd::load(products + (T::kPatch * i + j) * stride); },
      [](const auto& m, auto& y) { winograd::transform_products(m, y); },
      [&](int i, int j, Vec y) { out[across * i + j] = y; });
}

// What the forward products have in common: factors come from patches of x, and the outputs of as
// many tiles as are stored together, a square of Store::kSide x Store::kSide, go to
// store(*this, place of the last tile, bias, column, count).
template <class Store>
struct Forward {
  using Tile = typename Store::Tile;
  static constexpr int kTogether = Store::kTogether;
  const WinogradProduct& g;
  const float* x;
  Store store;
  Vec* square;

  std::int64_t channels() const { return g.ic; }
  std::int64_t columns() const { return g.oc; }

  // Returns bits of the outputs that are to be zero.
  std::uint32_t to_factors(const Cursor::Place& place, float* v, std::int64_t stride) const {
    winograd::patch_to_factors<Tile>(g.ic, g.x_row, x + place.x, v, stride);
    if constexpr (Tile::kKeepsZeros) return 0;
    return winograd::blank_outputs<Tile>(g.ic, g.x_row, x + place.x);
  }

  // Of one vector of columns.
  void from_products(const float* products, std::int64_t stride, const Cursor::Place& place,
                     std::uint32_t zeros, std::int64_t column, int count) const {
    constexpr int kAcross = Store::kSide;
    const int quarter = place.tile.quarter;
    Vec* const out = square + Tile::kSide * (quarter / 2 * kAcross + quarter % 2);
    products_to_outputs<Tile>(products, stride, out, kAcross);
    for (; zeros != 0; zeros &= zeros - 1) {
      const int q = std::countr_zero(zeros);
      out[q / Tile::kSide * kAcross + q % Tile::kSide] = simd::zero();
    }
    if (quarter == kTogether - 1)
      store(*this, place, bias_of(store.to.bias, column), column, count);
  }
};

template <class T>
struct EachPixel {
  using Tile = T;
  static constexpr int kTogether = 1;
  static constexpr int kSide = T::kSide;
  StoreSum to;
  CloseCalls* calls;  // nullptr: none is of interest

  template <class Way>
  void operator()(const Way& way, const Cursor::Place& place, Vec bias, std::int64_t column,
                  int count) const {
    if (calls != nullptr) settle(way, place, bias, column, count);
    for (int i = 0; i < place.tile.rows; ++i) {
      for (int j = 0; j < place.tile.columns; ++j) {
        to(way.square[i * kSide + j], bias, place.y + column + i * way.g.y_row + j * way.g.oc,
           count);
      }
    }
  }

 private:
  template <class Way>
  [[gnu::noinline]] void settle(const Way& way, const Cursor::Place& place, Vec bias,
                                std::int64_t column, int count) const {
    const Vec close = CloseCalls::closeness<T::kOutputs>(way.square);
    for (int i = 0; i < place.tile.rows; ++i) {
      for (int j = 0; j < place.tile.columns; ++j) {
        calls->settle_pixel(way.square[i * kSide + j], bias, close,
                            way.x + place.x + i * way.g.x_row + j * way.g.ic, column, count);
      }
    }
  }
};

// 2x2 windows, those of one tile or of four.
template <class T>
struct EachWindow {
  using Tile = T;
  static constexpr int kTogether = pooled_together(T::kSide);
  static constexpr int kSide = kTogether == 1 ? T::kSide : 2 * T::kSide;
  StoreMax4 to;
  CloseCalls* calls;  // nullptr: none is of interest

  template <class Way>
  void operator()(const Way& way, const Cursor::Place& last, Vec bias, std::int64_t column,
                  int count) const {
    constexpr bool kWhole = kTogether > 1;
    const WinogradProduct& g = way.g;
    const int rows = kWhole ? kSide : last.tile.rows;
    const int columns = kWhole ? kSide : last.tile.columns;
    const float* x = way.x + last.x - (kSide - T::kSide) * (g.x_row + g.ic);
    const bool settles = T::kSide > 2 && calls != nullptr;
    const Vec close = settles ? CloseCalls::closeness<kSide * kSide>(way.square) : simd::zero();
    for (int i = 0; i < rows; i += 2) {
      for (int j = 0; j < columns; j += 2) {
        Vec* const sums = way.square + i * kSide + j;
        Vec best;
        const auto decide = [&] {
          return winner({sums[0], sums[1], sums[kSide], sums[kSide + 1]}, best);
        };
        simd::IntVec where = decide();
        if (settles && calls->is_close(sums, kSide, best, bias, close)) [[unlikely]] {
          calls->settle_window(sums, kSide, bias, close, x + i * g.x_row + j * g.ic, column, count);
          where = decide();
        }
        to.store(best, where, bias, last.y + column + i / 2 * g.y_row + j / 2 * g.oc, count);
      }
    }
  }
};

// winograd_add_data_gradient: factors come from tiles of dz, products go back to patches of dx.
template <class T>
struct Backward {
  using Tile = T;
  static constexpr int kTogether = 1;
  const WinogradProduct& g;
  const float* dz;
  float* dx;

  std::int64_t channels() const { return g.oc; }
  std::int64_t columns() const { return g.ic; }

  std::uint32_t to_factors(const Cursor::Place& place, float* v, std::int64_t stride) const {
    winograd::gradients_to_factors<T>(g, place.tile, dz + place.y, v, stride);
    return 0;
  }

  [[gnu::always_inline]] void from_products(const float* products, std::int64_t stride,
                                            const Cursor::Place& place, std::uint32_t,
                                            std::int64_t column, int count) const {
    transform_both(
        Sizes<T::kPatch, T::kPatch, true>(),
        [&](int i, int j) { return simd::load(products + (T::kPatch * i + j) * stride); },
        [](const auto& m, auto& d) { winograd::transform_back(m, d); },
        [&](int i, int j, Vec d) {
          float* to = dx + place.x + i * g.x_row + j * g.ic + column;
          store_columns(to, load_columns(to, count) + d, count);
        });
  }
};

// The second and third stage for tiles whose factors are made, and `zeros`, which of their outputs
// are to be zero. walk: at the first of them.
template <class Way>
void finish_tiles(const Way& way, const Block& block, std::span<const std::uint32_t> zeros,
                  const float* factors, const float* packed, float* products, const Cursor& walk) {
  constexpr int kProducts = Way::Tile::kProducts;
  const PackedFactors weights{kProducts, way.channels(), way.columns()};
  for (std::int64_t n0 = 0; n0 < way.columns(); n0 += kPanel) {
    const int vectors = panel_width(way.columns(), n0) / kLanes;
    if (vectors == kTileVectors) {
      multiply<kTileVectors>(weights, n0, block, factors, packed, products);
    } else {
      multiply<1>(weights, n0, block, factors, packed, products);
    }
    const Columns columns{n0, static_cast<int>(std::min<std::int64_t>(way.columns() - n0, kPanel))};
    for (int n = 0; n < vectors; ++n) {
      const int valid = columns.in_vector(n);
      if (valid <= 0) break;
      Cursor cursor = walk;
      const float* of_tile = products + n * kLanes;
      for (const std::uint32_t of_zeros : zeros) {
        way.from_products(of_tile, block.products, cursor.next(), of_zeros, n0 + n * kLanes, valid);
        of_tile += kPanel;
      }
    }
  }
}

template <class Way>
void product(const Way& way, std::int64_t images, const float* packed, float* scratch) {
  constexpr int kProducts = Way::Tile::kProducts;
  const PackedFactors weights{kProducts, way.channels(), way.columns()};
  const std::int64_t most = tiles_together(weights, Way::kTogether);
  std::uint32_t zeros[kMostTogether];
  float* products = scratch + kProducts * Block(most, way.channels()).factors;
  Cursor cursor(way.g);
  std::int64_t left = images * static_cast<std::int64_t>(way.g.tiles.size());
  while (left > 0) {
    const std::int64_t count = std::min(left, most);
    const Block block(round_up(count, kGroup), way.channels());
    const Cursor first = cursor;
    for (std::int64_t m = 0; m < count; ++m) {
      float* factors = scratch + m * block.factor_row;
      zeros[m] = way.to_factors(cursor.next(), factors, block.factors);
    }
    finish_tiles(way, block, {zeros, static_cast<std::size_t>(count)}, scratch, packed, products,
                 first);
    left -= count;
  }
}

template <class Store>
void forward(const WinogradProduct& g, std::int64_t images, const float* x, const float* packed,
             const Store& store, float* scratch) {
  Vec square[Store::kSide * Store::kSide];
  product(Forward<Store>{g, x, store, square}, images, packed, scratch);
}

template <class T>
void pack(std::int64_t begin, std::int64_t end, std::int64_t ic, std::int64_t oc, const float* w,
          float* packed) {
  const PackedFactors factors{T::kProducts, ic, oc};
  for (std::int64_t c = 0; c < oc; c += kLanes) {
    const int count = static_cast<int>(std::min<std::int64_t>(kLanes, oc - c));
    const std::int64_t n0 = c / kPanel * kPanel;
    float* to = packed + factors.panel(n0) + (c - n0);
    for (std::int64_t i = begin; i < end; ++i) {
      kernel_to_factors<T>(w + i * oc + c, ic * oc, count, to + i * panel_width(oc, n0),
                           factors.stride(n0));
    }
  }
}

template <class T>
void pack_transposed(bool turned, std::int64_t begin, std::int64_t end, std::int64_t ic,
                     std::int64_t oc, const float* w, float* packed) {
  constexpr std::int64_t kSquare = kLanes * kLanes;
  const PackedFactors factors{T::kProducts, oc, ic};
  alignas(simd::kVecBytes) float block[kTaps * kSquare];  // [tap][output channel][input channel]
  for (std::int64_t i = begin, next = begin; i < end; i = next) {
    next = std::min(end, round_up(i + 1, kLanes));
    const int rows = static_cast<int>(next - i);
    const std::int64_t n0 = i / kPanel * kPanel;
    float* to = packed + factors.panel(n0) + (i - n0);
    for (std::int64_t o = 0; o < oc; o += kLanes) {
      const int columns = static_cast<int>(std::min<std::int64_t>(kLanes, oc - o));
      for (int tap = 0; tap < kTaps; ++tap) {
        Vec square[kLanes]{};
        for (int r = 0; r < rows; ++r) {
          square[r] = simd::load_partial(w + (tap * ic + i + r) * oc + o, columns);
        }
        simd::transpose(square);
        float* to_tap = block + (turned ? kTaps - 1 - tap : tap) * kSquare;
        for (int r = 0; r < columns; ++r) simd::store(to_tap + r * kLanes, square[r]);
      }
      for (int r = 0; r < columns; ++r) {
        kernel_to_factors<T>(block + r * kLanes, kSquare, rows, to + (o + r) * panel_width(ic, n0),
                             factors.stride(n0));
      }
    }
  }
}

}  // namespace

std::int64_t winograd_packed_size(int side, std::int64_t ic, std::int64_t oc) {
  return for_side(side, [&](auto t) { return PackedFactors{t.kProducts, ic, oc}.size(); });
}

std::int64_t winograd_scratch_size(int side, std::int64_t ic, std::int64_t oc) {
  return for_side(side, [&](auto t) {
    const Block block(tiles_together({t.kProducts, ic, oc}, pooled_together(t.kSide)), ic);
    return t.kProducts * (block.factors + block.products);
  });
}

void winograd_pack(int side, std::int64_t begin, std::int64_t end, std::int64_t ic, std::int64_t oc,
                   const float* w, float* packed) {
  for_side(side, [&](auto t) { pack<decltype(t)>(begin, end, ic, oc, w, packed); });
}

void winograd_pack_transposed(int side, bool turned, std::int64_t begin, std::int64_t end,
                              std::int64_t ic, std::int64_t oc, const float* w, float* packed) {
  for_plain(side, [&]<class T>(T) { pack_transposed<T>(turned, begin, end, ic, oc, w, packed); });
}

void winograd_product(const WinogradProduct& g, std::int64_t images, const float* x, const float* w,
                      const float* packed, const float* bias, bool relu, float* scratch, float* y) {
  CloseCalls calls(g, x, w, relu);
  CloseCalls* const settled = w != nullptr && relu ? &calls : nullptr;
  for_plain(g.side, [&]<class T>(T) {
    forward(g, images, x, packed, EachPixel<T>{{bias, relu, y}, settled}, scratch);
  });
}

void winograd_product_max4(const WinogradProduct& g, std::int64_t images, const float* x,
                           const float* w, const float* packed, const float* bias, bool relu,
                           float* scratch, float* y, std::uint8_t* argmax) {
  CloseCalls calls(g, x, w, relu);
  CloseCalls* const settled = w != nullptr ? &calls : nullptr;
  for_pooled(g.side, [&]<class T>(T) {
    forward(g, images, x, packed, EachWindow<T>{{bias, relu, y, argmax}, settled}, scratch);
  });
}

void winograd_add_data_gradient(const WinogradProduct& g, std::int64_t images, const float* dz,
                                const float* packed, float* scratch, float* dx) {
  for_plain(g.side, [&]<class T>(T) { product(Backward<T>{g, dz, dx}, images, packed, scratch); });
}

}  // namespace convlet
