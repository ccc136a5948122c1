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
using winograd::for_plain;

// How the factors of some tiles lie in scratch: [products][tiles][channels] of x, then of dz. One
// cache line more than needed lies between the arrays of two products: see winograd.cpp.
struct Factors {
  Factors(int products_, std::int64_t ic, std::int64_t oc)
      : products(products_),
        x_row(round_up(ic, kLanes)),
        dz_row(round_up(oc, kLanes)),
        x(kTiles * x_row + kLanes),
        dz(kTiles * dz_row + kLanes) {}

  // At most: the sums pass by once for all of them.
  static constexpr std::int64_t kTiles = 48;
  int products;
  std::int64_t x_row, dz_row;
  std::int64_t x, dz;  // floats of one product

  std::int64_t size() const { return products * (x + dz); }
};

// sums[p] += the products of `tiles` tiles' factors.
void add_products(const WinogradProduct& g, const Factors& factors, std::int64_t tiles,
                  const float* scratch, float* sums) {
  const Patches patch = row_patch(g.ic);
  for (int p = 0; p < factors.products; ++p) {
    float* sums_of_p = sums + p * g.ic * g.oc;
    WeightGradientSum<float> sum({patch, factors.x_row, g.oc, g.oc}, sums_of_p);
    // The sums of all products together do not stay in the cache from one time to the next.
    const float* const fetched[] = {sums_of_p};
    sum.fetch(fetched);
    sum.add(tiles, scratch + p * factors.x, scratch + factors.products * factors.x + p * factors.dz,
            factors.dz_row);
    sum.finish();
  }
}

template <class T>
void add_all_products(const WinogradProduct& g, std::int64_t images, const float* x,
                      const float* dz, float* scratch, float* sums) {
  const Factors factors(T::kProducts, g.ic, g.oc);
  float* dz_factors = scratch + factors.products * factors.x;
  std::int64_t tiles = 0;
  for (std::int64_t image = 0; image < images; ++image, x += g.x_image, dz += g.y_image) {
    for (const WinogradTile& tile : g.tiles) {
      winograd::patch_to_factors<T>(g.ic, g.x_row, x + tile.x, scratch + tiles * factors.x_row,
                                    factors.x);
      winograd::gradients_to_factors<T>(g, tile, dz + tile.y, dz_factors + tiles * factors.dz_row,
                                        factors.dz);
      if (++tiles < Factors::kTiles) continue;
      add_products(g, factors, tiles, scratch, sums);
      tiles = 0;
    }
  }
  if (tiles > 0) add_products(g, factors, tiles, scratch, sums);
}

template <class T>
void finish(std::int64_t size, const float* sums, float* dw) {
  for (std::int64_t i = 0; i < size; i += kLanes) {
    const int count = static_cast<int>(std::min<std::int64_t>(kLanes, size - i));
    winograd::transform_both(
        winograd::Sizes<T::kPatch, 3, true>(),
        [&](int r, int j) { return load_columns(sums + (T::kPatch * r + j) * size + i, count); },
        [](const auto& m, auto& g) { winograd::transform_sums(m, g); },
        [&](int r, int j, Vec g) {
          float* to = dw + (3 * r + j) * size + i;
          store_columns(to, load_columns(to, count) + g, count);
        });
  }
}

}  // namespace

std::int64_t winograd_sums_size(int side, std::int64_t ic, std::int64_t oc) {
  return for_plain(side, [&](auto t) { return t.kProducts * ic * oc; });
}

std::int64_t winograd_gradient_scratch_size(int side, std::int64_t ic, std::int64_t oc) {
  return for_plain(side, [&](auto t) { return Factors(t.kProducts, ic, oc).size(); });
}

void winograd_add_products(const WinogradProduct& g, std::int64_t images, const float* x,
                           const float* dz, float* scratch, float* sums) {
  for_plain(g.side,
            [&](auto t) { add_all_products<decltype(t)>(g, images, x, dz, scratch, sums); });
}

void winograd_finish_gradient(int side, std::int64_t ic, std::int64_t oc, float* sums, float* dw) {
  for_plain(side, [&](auto t) { finish<decltype(t)>(ic * oc, sums, dw); });
  std::fill_n(sums, winograd_sums_size(side, ic, oc), 0.0F);
}

}  // namespace convlet
