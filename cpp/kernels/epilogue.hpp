// What becomes of the sums of a matrix product on their way to memory.
#pragma once

#include <algorithm>
#include <cstdint>

#include "simd/vec.hpp"

namespace convlet {

// The part of a row of results that a panel holds; columns past `count` are padding.
struct Columns {
  std::int64_t first;
  int count;

  // Valid ones in the panel's n-th vector; none if not positive.
  int in_vector(int n) const { return std::min(count - n * simd::kLanes, simd::kLanes); }
};

inline simd::Vec bias_of(const float* bias, std::int64_t column) {
  return bias != nullptr ? simd::load(bias + column) : simd::zero();
}

// count > 0.
inline simd::Vec load_columns(const float* p, int count) {
  return count == simd::kLanes ? simd::load(p) : simd::load_partial(p, count);
}

inline void store_columns(float* y, simd::Vec v, int count) {
  if (count == simd::kLanes) {
    simd::store(y, v);
  } else if (count > 0) {
    simd::store_partial(y, v, count);
  }
}

// y = v + bias, or relu of it.
struct StoreSum {
  const float* bias;
  bool relu;
  float* y;

  [[gnu::always_inline]] void operator()(simd::Vec v, simd::Vec b, std::int64_t at,
                                         int count) const {
    v += b;
    if (relu) v = simd::max(simd::zero(), v);
    store_columns(y + at, v, count);
  }
};

// Which of four values is the largest, and the value: the first of equals; NaN before any number.
[[gnu::always_inline]] inline simd::IntVec winner(const simd::Vec (&four)[4], simd::Vec& best) {
  // NaN where there is one, or infinities of both signs.
  const simd::Vec sum = (four[0] + four[1]) + (four[2] + four[3]);
  if (!simd::has_nan(sum)) [[likely]] {
    const simd::Vec upper = simd::max(four[1], four[0]);
    const simd::Vec lower = simd::max(four[3], four[2]);
    best = simd::max(lower, upper);
    // A comparison that holds is -1.
    const simd::IntVec in_upper = -(four[1] > four[0]);
    const simd::IntVec in_lower = 2 - (four[3] > four[2]);
    return lower > upper ? in_lower : in_upper;
  }
  best = four[0];
  simd::IntVec where{};
  for (int j = 1; j < 4; ++j) {
    const simd::IntVec keep = (best >= four[j]) | (best != best);
    best = keep ? best : four[j];
    where = keep ? where : simd::broadcast(static_cast<std::int32_t>(j));
  }
  return where;
}

// y = relu(max of four values + bias), and which of the four it was: the first of equals; NaN
// before any number.
struct StoreMax4 {
  const float* bias;
  bool relu;
  float* y;
  std::uint8_t* argmax;  // nullptr: not wanted

  [[gnu::always_inline]] void operator()(const simd::Vec (&four)[4], simd::Vec b, std::int64_t at,
                                         int count) const {
    if (count <= 0) return;
    simd::Vec best;
    const simd::IntVec where = winner(four, best);
    store(best, where, b, at, count);
  }

  // The same from the maximum and its place.
  [[gnu::always_inline]] void store(simd::Vec best, simd::IntVec where, simd::Vec b,
                                    std::int64_t at, int count) const {
    best += b;
    if (relu) best = simd::max(simd::zero(), best);
    store_columns(y + at, best, count);
    if (argmax == nullptr) return;
    if (count == simd::kLanes) {
      simd::store_bytes(argmax + at, where);
    } else {
      simd::store_bytes_partial(argmax + at, where, count);
    }
  }
};

}  // namespace convlet
