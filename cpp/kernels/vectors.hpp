// Stretches of floats of any length, a vector at a time, the last one maybe in part.
#pragma once

#include <algorithm>
#include <cstdint>

#include "simd/math.hpp"
#include "simd/vec.hpp"

namespace convlet {

// f(at, count) for each vector of n floats.
template <class F>
void for_vectors(std::int64_t n, F&& f) {
  for (std::int64_t at = 0; at < n; at += simd::kLanes) {
    f(at, static_cast<int>(std::min<std::int64_t>(simd::kLanes, n - at)));
  }
}

// The same where of whole vectors the count is known to the compiler, so that they are loaded and
// stored without a mask.
template <class F>
void for_each_vector(std::int64_t n, F&& f) {
  const std::int64_t whole = n / simd::kLanes * simd::kLanes;
  for (std::int64_t at = 0; at < whole; at += simd::kLanes) f(at, simd::Whole{});
  if (whole < n) f(whole, static_cast<int>(n - whole));
}

// The first `count` floats; reads nothing behind them.
inline simd::Vec load_first(const float* p, int count) {
  return count == simd::kLanes ? simd::load(p) : simd::load_partial(p, count);
}

inline void store_first(float* p, simd::Vec v, int count) {
  if (count == simd::kLanes) {
    simd::store(p, v);
  } else {
    simd::store_partial(p, v, count);
  }
}

// The first `count` lanes of v, and `filler` behind them.
inline simd::Vec filled(simd::Vec v, int count, float filler) {
  return simd::first_lanes(count) ? v : simd::broadcast(filler);
}

inline float sum_of(simd::Vec v) {
  float total = 0.0F;
  for (int i = 0; i < simd::kLanes; ++i) total += v[i];
  return total;
}

// Sum of f(at, count), a vector, over the vectors of n floats, in which lanes from `count` on do
// not count; four sums hide the latency of an addition.
template <class F>
float sum_over_vectors(std::int64_t n, F&& f) {
  simd::Vec sums[4] = {};
  std::int64_t begin = 0;
  for (; begin + 4 * simd::kLanes <= n; begin += 4 * simd::kLanes) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) sums[j] += f(begin + j * simd::kLanes, simd::kLanes);
  }
  for_vectors(n - begin, [&](std::int64_t at, int count) {
    sums[0] += filled(f(begin + at, count), count, 0.0F);
  });
  return sum_of((sums[0] + sums[1]) + (sums[2] + sums[3]));
}

}  // namespace convlet
