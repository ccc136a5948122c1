// Elementary functions of vectors, from arithmetic alone: the same source for every width.
//
// NaN stays NaN and infinities give the limits. Errors are in units of 2^-23 of the exact value, as
// long as that is a normal number; tests/test_activation_kernels.py holds them to it.
#pragma once

#include <limits>

#include "simd/vec.hpp"

namespace convlet::simd {

// 0, 1, 2, ...
inline IntVec lane_numbers() {
  static constexpr std::int32_t kNumbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  static_assert(kLanes <= 16);
  IntVec numbers;
  std::memcpy(&numbers, kNumbers, sizeof(numbers));
  return numbers;
}

// -1 in the first `count` lanes, 0 in the others.
inline IntVec first_lanes(int count) {
  return lane_numbers() < broadcast(static_cast<std::int32_t>(count));
}

// a < b ? a : b in every lane: of two unordered values the second.
inline Vec min(Vec a, Vec b) { return a < b ? a : b; }

// v within [low, high]; NaN stays NaN.
inline Vec clamp(Vec v, float low, float high) {
  return min(broadcast(high), max(broadcast(low), v));
}

inline Vec abs(Vec v) {
  return reinterpret_cast<Vec>(reinterpret_cast<IntVec>(v) & broadcast(0x7FFFFFFF));
}

// `magnitude`, which is not negative, with the sign of `sign`.
inline Vec with_sign_of(Vec sign, Vec magnitude) {
  const IntVec bit = reinterpret_cast<IntVec>(sign) & broadcast(INT32_MIN);
  return reinterpret_cast<Vec>(reinterpret_cast<IntVec>(magnitude) | bit);
}

namespace detail {

// x = n ln 2 + r with |r| <= ln 2 / 2; exp(x) = 2^n (1 + p) with p = exp(r) - 1.
struct Exponential {
  IntVec n;
  Vec p;
};

// 2^n for n in [-126, 127].
inline Vec power_of_two(IntVec n) { return reinterpret_cast<Vec>((n + 127) << 23); }

// x in [-104, 89]. Cody and Waite's reduction: n times the first part of ln 2 is exact. The Taylor
// series of degree 7 is off by 1.3e-8 p at most.
inline Exponential exponential(Vec x) {
  const Vec round = broadcast(12582912.0F);  // 1.5 * 2^23: what is added to it loses its fraction
  const Vec shifted = fma(x, broadcast(1.44269504F), round);
  const Vec n = shifted - round;
  const Vec r = fma(n, broadcast(2.12194440e-4F), fma(n, broadcast(-0.693359375F), x));
  Vec series = fma(r, broadcast(1.0F / 5040), broadcast(1.0F / 720));
  series = fma(series, r, broadcast(1.0F / 120));
  series = fma(series, r, broadcast(1.0F / 24));
  series = fma(series, r, broadcast(1.0F / 6));
  series = fma(series, r, broadcast(0.5F));
  const IntVec whole = reinterpret_cast<IntVec>(shifted) - reinterpret_cast<IntVec>(round);
  return {whole, fma(series, r * r, r)};
}

}  // namespace detail

// e^x, within 1 unit. Two factors make the power of two, so that large x overflow to infinity and
// small ones pass through the denormal numbers to zero.
inline Vec exp(Vec x) {
  const detail::Exponential e = detail::exponential(clamp(x, -104.0F, 89.0F));
  const IntVec half = e.n >> 1;
  return (1.0F + e.p) * detail::power_of_two(half) * detail::power_of_two(e.n - half);
}

// e^x - 1, within 1 unit, also where x is near zero.
inline Vec expm1(Vec x) {
  const detail::Exponential e = detail::exponential(clamp(x, -40.0F, 89.0F));
  const Vec half = detail::power_of_two(e.n - 1);  // half of 2^n, which could overflow
  return 2.0F * fma(half, e.p, half - 0.5F);
}

// 1 / sqrt(x), within 2 units: a guess from the exponent, within 3.5 %, and three of Newton's
// steps. Denormal numbers count as zero. The instructions for root and quotient take some 26 cycles
// for 16 lanes on Sapphire Rapids, this 10.
inline Vec reciprocal_sqrt(Vec x) {
  const UintVec guess = broadcast(0x5F375A86U) - (reinterpret_cast<UintVec>(x) >> 1);
  Vec y = reinterpret_cast<Vec>(guess);
  const Vec half = -0.5F * x;
  y *= fma(half * y, y, broadcast(1.5F));
  y *= fma(half * y, y, broadcast(1.5F));
  y = fma(0.5F * y, fma(-x * y, y, broadcast(1.0F)), y);
  constexpr float kLeast = std::numeric_limits<float>::min();
  constexpr float kMost = std::numeric_limits<float>::max();
  y = x < kLeast ? broadcast(std::numeric_limits<float>::infinity()) : y;
  y = x <= -kLeast ? broadcast(std::numeric_limits<float>::quiet_NaN()) : y;
  return x > kMost ? zero() : y;
}

// sqrt(x), within 2 units, as reciprocal_sqrt.
inline Vec fast_sqrt(Vec x) {
  constexpr float kLeast = std::numeric_limits<float>::min();
  constexpr float kMost = std::numeric_limits<float>::max();
  const Vec y = x * reciprocal_sqrt(x);
  const Vec or_zero = abs(x) < kLeast ? zero() : y;
  return x > kMost ? x : or_zero;
}

// log(1 + t) for t in [0, 1], within 2 units: 2 artanh(t / (2 + t)) by its Taylor series.
inline Vec log1p_of_fraction(Vec t) {
  const Vec s = t / (2.0F + t);
  const Vec z = s * s;
  Vec series = fma(z, broadcast(1.0F / 15), broadcast(1.0F / 13));
  series = fma(series, z, broadcast(1.0F / 11));
  series = fma(series, z, broadcast(1.0F / 9));
  series = fma(series, z, broadcast(1.0F / 7));
  series = fma(series, z, broadcast(1.0F / 5));
  series = fma(series, z, broadcast(1.0F / 3));
  const Vec twice = s + s;
  return fma(series, z * twice, twice);
}

// 1 / (1 + e^-x), within 2 units. The exponent is never positive, so nothing overflows.
inline Vec sigmoid(Vec x) {
  const Vec e = exp(-abs(x));
  return (x >= 0.0F ? 1.0F + zero() : e) / (1.0F + e);
}

// Hyperbolic tangent, within 2 units: -m / (2 + m) with m = e^(-2 |x|) - 1, and x's sign.
inline Vec tanh(Vec x) {
  const Vec m = expm1(-2.0F * abs(x));
  return with_sign_of(x, abs(m) / (2.0F + m));
}

// log(1 + e^x), within 2 units.
inline Vec softplus(Vec x) { return max(zero(), x) + log1p_of_fraction(exp(-abs(x))); }

// The normal distribution: its probability below x and its density at x.
struct Normal {
  Vec below;
  Vec density;
};

// The probability of what lies beyond |x| is d erfcx(|x| / sqrt 2) / 2 with d = e^(-x^2 / 2), and
// erfcx(a) / 2 is a polynomial in u = 1 / (1 + 0.3 a) times u: a minimax fit over a in [0, 10], off
// by 2e-8 of its value. Within 6 units, and x^2 / 2 units more, which rounding x^2 makes of d.
inline Vec normal_tail_over_density(Vec magnitude) {
  const Vec u = 1.0F / fma(magnitude, broadcast(0.3F * 0.70710678F), broadcast(1.0F));
  Vec p = fma(u, broadcast(-0.0647615692F), broadcast(0.242782207F));
  p = fma(p, u, broadcast(-0.256140368F));
  p = fma(p, u, broadcast(0.273861634F));
  p = fma(p, u, broadcast(-0.0473265669F));
  p = fma(p, u, broadcast(0.107463585F));
  p = fma(p, u, broadcast(0.0741694302F));
  p = fma(p, u, broadcast(0.0853576873F));
  p = fma(p, u, broadcast(0.0845940010F));
  return p * u;
}

inline Normal normal(Vec x) {
  const Vec d = exp(-0.5F * x * x);
  const Vec tail = d * normal_tail_over_density(abs(x));
  return {x < 0.0F ? tail : 1.0F - tail, d * 0.398942280F};
}

}  // namespace convlet::simd
