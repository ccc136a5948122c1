// The transforms of Winograd's products in one dimension, for tiles of two and of three outputs,
// the two dimensions made of them, and the transforms of an input patch and of a tile of gradients,
// which the products and the gradient with respect to the weights share (winograd.hpp).
//
// Two outputs: the points 0, 1, -1 and infinity. Three: 1/2 besides, with which the error is two
// thirds of that with 2.
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/epilogue.hpp"
#include "kernels/winograd.hpp"
#include "simd/vec.hpp"

namespace convlet::winograd {

// Inputs that a tile of Side outputs sees, on a side, and its products.
template <int Side>
inline constexpr int kPatch = Side + 2;
template <int Side>
inline constexpr int kProducts = kPatch<Side> * kPatch<Side>;

// f(std::integral_constant<int, side>()) for a side known at run time.
template <class F>
decltype(auto) for_side(int side, F&& f) {
  return side == 3 ? f(std::integral_constant<int, 3>{}) : f(std::integral_constant<int, 2>{});
}

using simd::Vec;

// Bt d: one column of a patch.
[[gnu::always_inline]] inline void transform_patch(const Vec (&d)[4], Vec (&t)[4]) {
  t[0] = d[0] - d[2];
  t[1] = d[1] + d[2];
  t[2] = d[2] - d[1];
  t[3] = d[1] - d[3];
}

[[gnu::always_inline]] inline void transform_patch(const Vec (&d)[5], Vec (&t)[5]) {
  const Vec outer = d[3] - d[1];
  t[0] = (d[0] - d[2]) + 2.0F * outer;
  t[1] = d[3] + 0.5F * (d[2] - d[1]);
  t[2] = (d[3] - d[2]) + 0.5F * (d[1] - d[2]);
  t[3] = outer;
  t[4] = (d[4] - d[2]) - 0.5F * outer;
}

// G g: one column of a kernel.
[[gnu::always_inline]] inline void transform_kernel(const Vec (&g)[3], Vec (&t)[4]) {
  const Vec outer = g[0] + g[2];
  t[0] = g[0];
  t[1] = 0.5F * (outer + g[1]);
  t[2] = 0.5F * (outer - g[1]);
  t[3] = g[2];
}

[[gnu::always_inline]] inline void transform_kernel(const Vec (&g)[3], Vec (&t)[5]) {
  constexpr float kThird = 1.0F / 3;
  const Vec outer = g[0] + g[2];
  t[0] = g[0];
  t[1] = outer + g[1];
  t[2] = kThird * (g[1] - outer);
  t[3] = (-2 * kThird) * ((4.0F * g[0] + 2.0F * g[1]) + g[2]);
  t[4] = g[2];
}

// At m: one column of products.
[[gnu::always_inline]] inline void transform_products(const Vec (&m)[4], Vec (&y)[2]) {
  y[0] = m[0] + m[1] + m[2];
  y[1] = m[1] - m[2] - m[3];
}

[[gnu::always_inline]] inline void transform_products(const Vec (&m)[5], Vec (&y)[3]) {
  const Vec inner = m[1] + m[2];
  y[0] = (m[0] + m[3]) + inner;
  y[1] = (m[1] - m[2]) + 0.5F * m[3];
  y[2] = (inner + m[4]) + 0.25F * m[3];
}

// A e: one column of a tile of gradients.
[[gnu::always_inline]] inline void transform_gradient(const Vec (&e)[2], Vec (&t)[4]) {
  t[0] = e[0];
  t[1] = e[0] + e[1];
  t[2] = e[0] - e[1];
  t[3] = -e[1];
}

[[gnu::always_inline]] inline void transform_gradient(const Vec (&e)[3], Vec (&t)[5]) {
  const Vec outer = e[0] + e[2];
  t[0] = e[0];
  t[1] = outer + e[1];
  t[2] = outer - e[1];
  t[3] = e[0] + 0.5F * (e[1] + 0.5F * e[2]);
  t[4] = e[2];
}

// B m: one column of products, on its way back to a patch.
[[gnu::always_inline]] inline void transform_back(const Vec (&m)[4], Vec (&d)[4]) {
  d[0] = m[0];
  d[1] = (m[1] - m[2]) + m[3];
  d[2] = (m[1] + m[2]) - m[0];
  d[3] = -m[3];
}

[[gnu::always_inline]] inline void transform_back(const Vec (&m)[5], Vec (&d)[5]) {
  const Vec inner = 0.5F * (m[2] - m[1]);
  const Vec outer = (2.0F * m[0] - 0.5F * m[4]) + m[3];
  d[0] = m[0];
  d[1] = inner - outer;
  d[2] = 0.5F * m[1] - (1.5F * m[2] + (m[0] + m[4]));
  d[3] = outer + (m[1] + m[2]);
  d[4] = m[4];
}

// Gt m: one column of sums.
[[gnu::always_inline]] inline void transform_sums(const Vec (&m)[4], Vec (&g)[3]) {
  const Vec inner = 0.5F * (m[1] + m[2]);
  g[0] = m[0] + inner;
  g[1] = 0.5F * (m[1] - m[2]);
  g[2] = inner + m[3];
}

[[gnu::always_inline]] inline void transform_sums(const Vec (&m)[5], Vec (&g)[3]) {
  constexpr float kThird = 1.0F / 3;
  const Vec third = kThird * m[2];
  const Vec fourth = (2 * kThird) * m[3];
  const Vec inner = m[1] - third;
  g[0] = (m[0] + inner) - 4.0F * fourth;
  g[1] = (m[1] + third) - 2.0F * fourth;
  g[2] = (inner + m[4]) - fourth;
}

// store(i, j, element) of M X Mt, R x R, where transform(column, out) multiplies a column of N by M
// and load(i, j) is an element of X.
template <int N, int R, class Load, class Transform, class Store>
[[gnu::always_inline]] inline void transform_square(Load&& load, Transform&& transform,
                                                    Store&& store) {
  Vec columns[N][R];
#pragma GCC unroll 5
  for (int j = 0; j < N; ++j) {
    Vec column[N];
#pragma GCC unroll 5
    for (int i = 0; i < N; ++i) column[i] = load(i, j);
    transform(column, columns[j]);
  }
#pragma GCC unroll 5
  for (int i = 0; i < R; ++i) {
    Vec row[N];
    Vec out[R];
#pragma GCC unroll 5
    for (int j = 0; j < N; ++j) row[j] = columns[j][i];
    transform(row, out);
#pragma GCC unroll 5
    for (int j = 0; j < R; ++j) store(i, j, out[j]);
  }
}

// The factors of one patch, all channels: v[p * stride + channel] is that of product p.
template <int Side>
void patch_to_factors(std::int64_t ic, std::int64_t x_row, const float* x, float* v,
                      std::int64_t stride) {
  constexpr int kSide = kPatch<Side>;
  const auto transform = [&](std::int64_t c, auto count) {
    transform_square<kSide, kSide>(
        [&](int i, int j) { return simd::load_partial(x + i * x_row + j * ic + c, count); },
        [](const Vec(&d)[kSide], Vec(&t)[kSide]) { transform_patch(d, t); },
        [&](int i, int j, Vec t) { simd::store(v + (kSide * i + j) * stride + c, t); });
  };
  std::int64_t c = 0;
  for (; c + simd::kLanes <= ic; c += simd::kLanes) transform(c, simd::Whole{});
  if (c < ic) transform(c, static_cast<int>(ic - c));
}

// The factors of one tile of gradients, all channels; those of pixels that do not exist are zero.
template <int Side>
void gradients_to_factors(const WinogradProduct& g, const WinogradTile& tile, const float* dz,
                          float* to, std::int64_t stride) {
  constexpr int kSide = kPatch<Side>;
  for (std::int64_t c = 0; c < g.oc; c += simd::kLanes) {
    const int count = static_cast<int>(std::min<std::int64_t>(simd::kLanes, g.oc - c));
    transform_square<Side, kSide>(
        [&](int i, int j) {
          const bool exists = i < tile.rows && j < tile.columns;
          return exists ? load_columns(dz + i * g.y_row + j * g.oc + c, count) : simd::zero();
        },
        [](const Vec(&e)[Side], Vec(&t)[kSide]) { transform_gradient(e, t); },
        [&](int i, int j, Vec t) { simd::store(to + (kSide * i + j) * stride + c, t); });
  }
}

}  // namespace convlet::winograd
