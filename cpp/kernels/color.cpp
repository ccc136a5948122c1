#include "kernels/color.hpp"

#include "kernels/elementwise.hpp"
#include "simd/math.hpp"

namespace convlet {
namespace {

using simd::Vec;

// Mean of f(offset) over the pixels of a channel.
template <class F>
float mean_of(std::int64_t pixels, std::int64_t c, std::int64_t channel, F&& f) {
  double sum = 0.0;
  for (std::int64_t at = channel; at < pixels * c; at += c) sum += static_cast<double>(f(at));
  return static_cast<float>(sum / static_cast<double>(pixels));
}

float clip(float v, const ValueRange& range) {
  const float above = v < range.low ? range.low : v;
  return above > range.high ? range.high : above;
}

// Whether clipping left v alone; the bounds themselves count, as in TensorFlow.
bool is_inside(float v, const ValueRange& range) { return !(v < range.low || v > range.high); }

}  // namespace

void adjust_contrast(std::int64_t pixels, std::int64_t c, float factor, const ValueRange& range,
                     const float* x, float* y) {
  for (std::int64_t channel = 0; channel < c; ++channel) {
    const float mean = mean_of(pixels, c, channel, [&](std::int64_t at) { return x[at]; });
    for (std::int64_t at = channel; at < pixels * c; at += c) {
      y[at] = clip((x[at] - mean) * factor + mean, range);
    }
  }
}

void adjust_contrast_backward(std::int64_t pixels, std::int64_t c, float factor,
                              const ValueRange& range, const float* x, const float* dy, float* dx) {
  for (std::int64_t channel = 0; channel < c; ++channel) {
    const float mean = mean_of(pixels, c, channel, [&](std::int64_t at) { return x[at]; });
    for (std::int64_t at = channel; at < pixels * c; at += c) {
      dx[at] = is_inside((x[at] - mean) * factor + mean, range) ? dy[at] : 0.0F;
    }
    const float mean_g = mean_of(pixels, c, channel, [&](std::int64_t at) { return dx[at]; });
    for (std::int64_t at = channel; at < pixels * c; at += c) {
      dx[at] = factor * dx[at] + (1.0F - factor) * mean_g;
    }
  }
}

void adjust_brightness(std::int64_t n, float delta, const ValueRange& range, const float* x,
                       float* y) {
  elementwise(
      n, [&](Vec v, Vec& result) { result = simd::clamp(v + delta, range.low, range.high); }, x, y);
}

void adjust_brightness_backward(std::int64_t n, float delta, const ValueRange& range,
                                const float* x, const float* dy, float* dx) {
  for (std::int64_t i = 0; i < n; ++i) dx[i] = is_inside(x[i] + delta, range) ? dy[i] : 0.0F;
}

}  // namespace convlet
