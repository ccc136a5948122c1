// Winograd's transforms in one dimension, for two to five outputs (winograd.hpp): the products are
// values of polynomials at points, of which the last is infinity.
//
// Two outputs: the points 0, 1, -1. Three: 1/2 besides, with which the error is two thirds of that
// with 2. Four: 0, 2/3, -2/3, 3/2, -3/2; the error is that of three, half of that with 1 and 2.
// Five, only forward: 2/7, 6/7, 7/4 and their negatives, with which the error is two thirds of the
// least with 0.
#pragma once

#include "simd/vec.hpp"

namespace convlet::winograd {

using simd::Vec;

// Bt d: one column, or row, of a patch.
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
[[gnu::always_inline]] inline void transform_gradient(const Vec (&e)[3], Vec (&t)[5]) {
  const Vec outer = e[0] + e[2];
  t[0] = e[0];
  t[1] = outer + e[1];
  t[2] = outer - e[1];
  t[3] = e[0] + 0.5F * (e[1] + 0.5F * e[2]);
  t[4] = e[2];
}

// B m: one column of products, on its way back to a patch.
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
[[gnu::always_inline]] inline void transform_sums(const Vec (&m)[5], Vec (&g)[3]) {
  constexpr float kThird = 1.0F / 3;
  const Vec third = kThird * m[2];
  const Vec fourth = (2 * kThird) * m[3];
  const Vec inner = m[1] - third;
  g[0] = (m[0] + inner) - 4.0F * fourth;
  g[1] = (m[1] + third) - 2.0F * fourth;
  g[2] = (inner + m[4]) - fourth;
}

// Four and five outputs: pairs of points p, -p, whose even and odd powers are shared.
template <int Outputs>
struct Points;

template <>
struct Points<4> {
  static constexpr double a = 2.0 / 3;
  static constexpr double b = 3.0 / 2;
  static constexpr double all[] = {0, a, -a, b, -b};
};

template <>
struct Points<5> {
  static constexpr double a = 2.0 / 7;
  static constexpr double b = 6.0 / 7;
  static constexpr double c = 7.0 / 4;
  static constexpr double all[] = {a, -a, b, -b, c, -c};
};

constexpr float power(double p, int n) {
  double product = 1;
  for (int i = 0; i < n; ++i) product *= p;
  return static_cast<float>(product);
}

// G: row i is 1, p and p^2 for the point p, divided by its distances from all others.
template <int Outputs>
struct KernelMatrix {
  static constexpr int kFinite = Outputs + 1;
  float rows[kFinite][3];

  constexpr KernelMatrix() : rows() {
    for (int i = 0; i < kFinite; ++i) {
      const double p = Points<Outputs>::all[i];
      double scale = 1;
      for (int j = 0; j < kFinite; ++j) scale *= j == i ? 1 : p - Points<Outputs>::all[j];
      rows[i][0] = static_cast<float>(1 / scale);
      rows[i][1] = static_cast<float>(p / scale);
      rows[i][2] = static_cast<float>(p * p / scale);
    }
  }
};
template <int Outputs>
inline constexpr KernelMatrix<Outputs> kKernel;

// (x^2 - p^2) (x^2 - q^2) = x^4 - (p^2 + q^2) x^2 + p^2 q^2, times d.
[[gnu::always_inline]] inline Vec two_pairs(double p, double q, const Vec* d) {
  const auto middle = static_cast<float>(p * p + q * q);
  return (d[4] - middle * d[2]) + power(p * q, 2) * d[0];
}

// The rows of Bt of a pair of points: (x + p) and (x - p) times what the other points make, which
// is `even` times d, and `odd` times d one place on.
[[gnu::always_inline]] inline void patch_at_pair(double p, Vec even, Vec odd, Vec* two) {
  two[0] = odd + power(p, 1) * even;
  two[1] = odd - power(p, 1) * even;
}

[[gnu::always_inline]] inline void transform_patch(const Vec (&d)[6], Vec (&t)[6]) {
  using P = Points<4>;
  const auto one_pair = [](double p, const Vec* from) { return from[2] - power(p, 2) * from[0]; };
  t[0] = two_pairs(P::a, P::b, d);
  patch_at_pair(P::a, one_pair(P::b, d + 1), one_pair(P::b, d + 2), t + 1);
  patch_at_pair(P::b, one_pair(P::a, d + 1), one_pair(P::a, d + 2), t + 3);
  t[5] = two_pairs(P::a, P::b, d + 1);
}

[[gnu::always_inline]] inline void transform_patch(const Vec (&d)[7], Vec (&t)[7]) {
  using P = Points<5>;
  patch_at_pair(P::a, two_pairs(P::b, P::c, d), two_pairs(P::b, P::c, d + 1), t);
  patch_at_pair(P::b, two_pairs(P::a, P::c, d), two_pairs(P::a, P::c, d + 1), t + 2);
  patch_at_pair(P::c, two_pairs(P::a, P::b, d), two_pairs(P::a, P::b, d + 1), t + 4);
  // All three pairs: x^2 times two of them, less c^2 times those.
  t[6] = two_pairs(P::a, P::b, d + 2) - power(P::c, 2) * two_pairs(P::a, P::b, d);
}

template <int N>
[[gnu::always_inline]] inline void transform_kernel(const Vec (&g)[3], Vec (&t)[N]) {
  const auto& rows = kKernel<N - 2>.rows;
#pragma GCC unroll 6
  for (int i = 0; i < N - 1; ++i) {
    t[i] = rows[i][0] * g[0] + rows[i][1] * g[1] + rows[i][2] * g[2];
  }
  t[N - 1] = g[2];
}

// The sum and the difference of a pair's products.
struct EvenOdd {
  Vec even, odd;

  [[gnu::always_inline]] explicit EvenOdd(const Vec* m) : even(m[0] + m[1]), odd(m[0] - m[1]) {}
};

// The sum of p^I m over the points that come in pairs.
template <class P, int I>
[[gnu::always_inline]] inline Vec pairs_to_output(const EvenOdd& a, const EvenOdd& b) {
  constexpr float of_a = power(P::a, I);
  constexpr float of_b = power(P::b, I);
  return I % 2 == 0 ? of_a * a.even + of_b * b.even : of_a * a.odd + of_b * b.odd;
}

template <class P, int I>
[[gnu::always_inline]] inline Vec pairs_to_output(const EvenOdd& a, const EvenOdd& b,
                                                  const EvenOdd& c) {
  constexpr float of_c = power(P::c, I);
  return pairs_to_output<P, I>(a, b) + of_c * (I % 2 == 0 ? c.even : c.odd);
}

[[gnu::always_inline]] inline void transform_products(const Vec (&m)[6], Vec (&y)[4]) {
  using P = Points<4>;
  const EvenOdd a(m + 1);
  const EvenOdd b(m + 3);
  y[0] = (a.even + b.even) + m[0];
  y[1] = pairs_to_output<P, 1>(a, b);
  y[2] = pairs_to_output<P, 2>(a, b);
  y[3] = pairs_to_output<P, 3>(a, b) + m[5];
}

[[gnu::always_inline]] inline void transform_products(const Vec (&m)[7], Vec (&y)[5]) {
  using P = Points<5>;
  const EvenOdd a(m);
  const EvenOdd b(m + 2);
  const EvenOdd c(m + 4);
  y[0] = (a.even + b.even) + c.even;
  y[1] = pairs_to_output<P, 1>(a, b, c);
  y[2] = pairs_to_output<P, 2>(a, b, c);
  y[3] = pairs_to_output<P, 3>(a, b, c);
  y[4] = pairs_to_output<P, 4>(a, b, c) + m[6];
}

// The values at a pair of points of the polynomial with the coefficients e.
[[gnu::always_inline]] inline void gradient_at_pair(double point, const Vec (&e)[4], Vec* two) {
  const Vec even = e[0] + power(point, 2) * e[2];
  const Vec odd = power(point, 1) * e[1] + power(point, 3) * e[3];
  two[0] = even + odd;
  two[1] = even - odd;
}

[[gnu::always_inline]] inline void transform_gradient(const Vec (&e)[4], Vec (&t)[6]) {
  t[0] = e[0];
  gradient_at_pair(Points<4>::a, e, t + 1);
  gradient_at_pair(Points<4>::b, e, t + 3);
  t[5] = e[3];
}

[[gnu::always_inline]] inline void transform_back(const Vec (&m)[6], Vec (&d)[6]) {
  using P = Points<4>;
  static_assert(power(P::a * P::b, 2) == 1);
  constexpr auto kCubic = static_cast<float>(P::a * P::a + P::b * P::b);
  constexpr float a = power(P::a, 1);
  constexpr float b = power(P::b, 1);
  const EvenOdd of_a(m + 1);
  const EvenOdd of_b(m + 3);
  d[0] = m[0];
  d[1] = m[5] - (b * of_a.odd + a * of_b.odd);
  d[2] = -(kCubic * m[0] + (power(P::b, 2) * of_a.even + power(P::a, 2) * of_b.even));
  d[3] = (a * of_a.odd + b * of_b.odd) - kCubic * m[5];
  d[4] = (of_a.even + of_b.even) + m[0];
  d[5] = m[5];
}

[[gnu::always_inline]] inline void transform_sums(const Vec (&m)[6], Vec (&g)[3]) {
  const auto& rows = kKernel<4>.rows;
#pragma GCC unroll 3
  for (int r = 0; r < 3; ++r) {
    g[r] = rows[0][r] * m[0];
#pragma GCC unroll 4
    for (int i = 1; i < 5; ++i) g[r] += rows[i][r] * m[i];
  }
  g[2] += m[5];
}

}  // namespace convlet::winograd
