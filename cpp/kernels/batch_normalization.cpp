#include "kernels/batch_normalization.hpp"

#include <algorithm>

#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::kLanes;
using simd::Vec;

// Pixels that are added up at a time: short sums lose little, and a second look at the same pixels
// finds them in the first-level cache.
std::int64_t block_of(std::int64_t c) { return std::clamp<std::int64_t>(4096 / c, 1, 256); }

// Sum of f(pixel), a vector, over `pixels` pixels; four sums hide the latency of an addition.
template <class F>
Vec sum_over(std::int64_t pixels, F&& f) {
  Vec sums[4] = {};
  std::int64_t i = 0;
  for (; i + 4 <= pixels; i += 4) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) sums[j] += f(i + j);
  }
  for (; i < pixels; ++i) sums[0] += f(i);
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

// What joining sets of `before` and `more` pixels multiplies differences of their means with.
struct Join {
  Vec mean;
  Vec m2;

  Join(std::int64_t before, std::int64_t more) {
    const auto n = static_cast<double>(more);
    const double share = n / (static_cast<double>(before) + n);
    mean = simd::broadcast(static_cast<float>(share));
    m2 = simd::broadcast(static_cast<float>(static_cast<double>(before) * share));
  }

  void operator()(Vec other_mean, Vec other_m2, float* mean_at, float* m2_at) const {
    const Vec old = simd::load(mean_at);
    const Vec delta = other_mean - old;
    simd::store(mean_at, old + delta * mean);
    simd::store(m2_at, simd::load(m2_at) + other_m2 + delta * delta * m2);
  }
};

// y[pixel][channel] = f(offset of both, channel), a vector at a time, in order: what a vector
// writes past its pixel's last channel the next pixel overwrites.
template <class F>
void map_channels(std::int64_t pixels, std::int64_t c, float* y, F&& f) {
  const std::int64_t last = c - (c - 1) % kLanes - 1;  // where the last vector of a pixel begins
  for (std::int64_t at = 0; at < pixels * c; at += c) {
    for (std::int64_t channel = 0; channel < last; channel += kLanes) {
      simd::store(y + at + channel, f(at + channel, channel));
    }
    const Vec v = f(at + last, last);
    if (pixels * c - at - last >= kLanes) {
      simd::store(y + at + last, v);
    } else {
      simd::store_partial(y + at + last, v, static_cast<int>(c - last));
    }
  }
}

}  // namespace

void join_moments(std::int64_t c, std::int64_t other_pixels, const Moments& other,
                  std::int64_t pixels, const Moments& moments) {
  if (other_pixels == 0) return;
  const Join join(pixels, other_pixels);
  for (std::int64_t i = 0; i < c; i += kLanes) {
    join(simd::load(other.mean + i), simd::load(other.m2 + i), moments.mean + i, moments.m2 + i);
  }
}

void add_moments(std::int64_t pixels, std::int64_t c, const float* x, std::int64_t before,
                 const Moments& moments) {
  const std::int64_t block = block_of(c);
  for (std::int64_t first = 0; first < pixels; first += block) {
    const std::int64_t count = std::min(block, pixels - first);
    const Join join(before + first, count);
    const Vec one_of = simd::broadcast(1.0F / static_cast<float>(count));
    for (std::int64_t i = 0; i < c; i += kLanes) {
      const float* from = x + first * c + i;
      const Vec mean =
          one_of * sum_over(count, [&](std::int64_t p) { return simd::load(from + p * c); });
      const Vec m2 = sum_over(count, [&](std::int64_t p) {
        const Vec d = simd::load(from + p * c) - mean;
        return d * d;
      });
      join(mean, m2, moments.mean + i, moments.m2 + i);
    }
  }
}

void add_gradient_sums(std::int64_t pixels, std::int64_t c, const float* x, const float* mean,
                       const float* dy, float* sum, float* product) {
  const std::int64_t block = block_of(c);
  for (std::int64_t first = 0; first < pixels; first += block) {
    const std::int64_t count = std::min(block, pixels - first);
    for (std::int64_t i = 0; i < c; i += kLanes) {
      const std::int64_t at = first * c + i;
      const Vec center = simd::load(mean + i);
      const Vec s = sum_over(count, [&](std::int64_t p) { return simd::load(dy + at + p * c); });
      const Vec q = sum_over(count, [&](std::int64_t p) {
        return simd::load(dy + at + p * c) * (simd::load(x + at + p * c) - center);
      });
      simd::store(sum + i, simd::load(sum + i) + s);
      simd::store(product + i, simd::load(product + i) + q);
    }
  }
}

void normalize(std::int64_t pixels, std::int64_t c, const float* x, const float* mean,
               const float* scale, const float* shift, bool relu, float* y) {
  const auto affine = [&](std::int64_t at, std::int64_t channel) {
    const Vec centered = simd::load(x + at) - simd::load(mean + channel);
    return simd::fma(centered, simd::load(scale + channel), simd::load(shift + channel));
  };
  if (relu) {
    map_channels(pixels, c, y, [&](std::int64_t at, std::int64_t channel) {
      return simd::max(simd::zero(), affine(at, channel));
    });
  } else {
    map_channels(pixels, c, y, affine);
  }
}

void normalize_backward(std::int64_t pixels, std::int64_t c, const float* x, const float* mean,
                        const float* scale, const float* a, const float* b, const float* dy,
                        float* dx) {
  map_channels(pixels, c, dx, [&](std::int64_t at, std::int64_t channel) {
    const Vec centered = simd::load(x + at) - simd::load(mean + channel);
    const Vec rest = simd::load(scale + channel) * simd::load(dy + at) - simd::load(a + channel);
    return rest - simd::load(b + channel) * centered;
  });
}

}  // namespace convlet
