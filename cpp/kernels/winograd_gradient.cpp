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
using winograd::for_side;
using winograd::kPatch;
using winograd::kProducts;

// How the factors of some tiles lie in scratch: [products][tiles][channels] of x, then of dz. One
// cache line more than needed lies between the arrays of two products: see winograd.cpp.
struct Factors {
  Factors(int products_, std::int64_t ic, std::int64_t oc)
      : products(products_), x_row(round_up(ic, kLanes)), dz_row(round_up(oc, kLanes)) {
    // As many tiles as fill half of a second-level cache, for the sums pass by once for all of
    // them.
    constexpr std::int64_t kFloats = std::int64_t{1} << 18;
    const std::int64_t fit = kFloats / (products * (x_row + dz_row));
    tiles = std::clamp<std::int64_t>(fit, 48, 128);
    x = tiles * x_row + kLanes;
    dz = tiles * dz_row + kLanes;
  }

  int products;
  std::int64_t x_row, dz_row;
  std::int64_t tiles;  // at most
  std::int64_t x, dz;  // floats of one product

  std::int64_t size() const { return products * (x + dz); }
};

// sums[p] += the products of `tiles` tiles' factors.
void add_products(const WinogradProduct& g, const Factors& factors, std::int64_t tiles,
                  const float* scratch, float* sums) {
  const Patches patch = row_patch(g.ic);
  for (int p = 0; p < factors.products; ++p) {
    WeightGradientSum<float> sum({patch, factors.x_row, g.oc, g.oc}, sums + p * g.ic * g.oc);
    sum.add(tiles, scratch + p * factors.x, scratch + factors.products * factors.x + p * factors.dz,
            factors.dz_row);
    sum.finish();
  }
}

template <int Side>
void add_all_products(const WinogradProduct& g, std::int64_t images, const float* x,
                      const float* dz, float* scratch, float* sums) {
  const Factors factors(kProducts<Side>, g.ic, g.oc);
  float* dz_factors = scratch + factors.products * factors.x;
  std::int64_t tiles = 0;
  for (std::int64_t image = 0; image < images; ++image, x += g.x_image, dz += g.y_image) {
    for (const WinogradTile& tile : g.tiles) {
      winograd::patch_to_factors<Side>(g.ic, g.x_row, x + tile.x, scratch + tiles * factors.x_row,
                                       factors.x);
      winograd::gradients_to_factors<Side>(g, tile, dz + tile.y,
                                           dz_factors + tiles * factors.dz_row, factors.dz);
      if (++tiles < factors.tiles) continue;
      add_products(g, factors, tiles, scratch, sums);
      tiles = 0;
    }
  }
  if (tiles > 0) add_products(g, factors, tiles, scratch, sums);
}

template <int Side>
void finish(std::int64_t size, const float* sums, float* dw) {
  constexpr int kSide = kPatch<Side>;
  for (std::int64_t i = 0; i < size; i += kLanes) {
    const int count = static_cast<int>(std::min<std::int64_t>(kLanes, size - i));
    winograd::transform_square<kSide, 3>(
        [&](int r, int j) { return load_columns(sums + (kSide * r + j) * size + i, count); },
        [](const Vec(&m)[kSide], Vec(&g)[3]) { winograd::transform_sums(m, g); },
        [&](int r, int j, Vec g) {
          float* to = dw + (3 * r + j) * size + i;
          store_columns(to, load_columns(to, count) + g, count);
        });
  }
}

}  // namespace

std::int64_t winograd_sums_size(int side, std::int64_t ic, std::int64_t oc) {
  return for_side(side, [&](auto s) { return kProducts<s> * ic * oc; });
}

std::int64_t winograd_gradient_scratch_size(int side, std::int64_t ic, std::int64_t oc) {
  return for_side(side, [&](auto s) { return Factors(kProducts<s>, ic, oc).size(); });
}

void winograd_add_products(const WinogradProduct& g, std::int64_t images, const float* x,
                           const float* dz, float* scratch, float* sums) {
  for_side(g.side, [&](auto s) { add_all_products<s>(g, images, x, dz, scratch, sums); });
}

void winograd_finish_gradient(int side, std::int64_t ic, std::int64_t oc, float* sums, float* dw) {
  for_side(side, [&](auto s) { finish<s>(ic * oc, sums, dw); });
  std::fill_n(sums, winograd_sums_size(side, ic, oc), 0.0F);
}

}  // namespace convlet
