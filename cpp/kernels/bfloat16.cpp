#include "kernels/bfloat16.hpp"

#include <algorithm>

namespace convlet {
namespace {

using simd::kLanes;
using simd::Vec;

// f(first, count) for each vector of `size` elements.
template <class F>
void for_vectors(std::int64_t size, F&& f) {
  for (std::int64_t i = 0; i < size; i += kLanes) {
    f(i, static_cast<int>(std::min<std::int64_t>(kLanes, size - i)));
  }
}

// The first `count` lanes, none if not positive.
Vec load_columns(const float* x, std::int64_t count) {
  if (count >= kLanes) return simd::load(x);
  return count > 0 ? simd::load_partial(x, static_cast<int>(count)) : simd::zero();
}

}  // namespace

void round_bfloat16(std::int64_t size, const float* x, float* y) {
  for_vectors(size, [&](std::int64_t i, int count) {
    if (count == kLanes) {
      simd::store(y + i, simd::round_bfloat16(simd::load(x + i)));
    } else {
      simd::store_partial(y + i, simd::round_bfloat16(simd::load_partial(x + i, count)), count);
    }
  });
}

void pair_channels(std::int64_t pixels, std::int64_t channels, const float* x, simd::Pair* y) {
  if (channels % 2 == 0) {  // nothing lies between two pixels
    channels *= pixels;
    pixels = 1;
  }
  for (std::int64_t p = 0; p < pixels; ++p, x += channels, y += pairs_of(channels)) {
    for_vectors(pairs_of(channels), [&](std::int64_t i, int count) {
      const std::int64_t left = channels - 2 * i;
      const Vec low = load_columns(x + 2 * i, left);
      const Vec high = load_columns(x + 2 * i + kLanes, left - kLanes);
      simd::store_partial(y + i, simd::pair_neighbours(low, high), count);
    });
  }
}

void pair_rows(std::int64_t size, const float* a, const float* b, simd::Pair* y) {
  for_vectors(size, [&](std::int64_t i, int count) {
    const Vec second = b != nullptr ? load_columns(b + i, count) : simd::zero();
    simd::store_partial(y + i, simd::pair_lanes(load_columns(a + i, count), second), count);
  });
}

}  // namespace convlet
