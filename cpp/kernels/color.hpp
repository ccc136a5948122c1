// Contrast and brightness of an image [pixels][c], clipped to two bounds; NaN stays NaN.
// Single-threaded, allocation-free.
#pragma once

#include <cstdint>

namespace convlet {

struct ValueRange {
  float low;
  float high;
};

// y = clip((x - mean) factor + mean), mean being that of the channel, summed up in float64. y may
// be x.
void adjust_contrast(std::int64_t pixels, std::int64_t c, float factor, const ValueRange& range,
                     const float* x, float* y);
// dx = factor g + (1 - factor) mean(g) with g = dy where nothing was clipped, else 0. dx must not
// be x or dy.
void adjust_contrast_backward(std::int64_t pixels, std::int64_t c, float factor,
                              const ValueRange& range, const float* x, const float* dy, float* dx);

// y = clip(x + delta) over n floats. y may be x.
void adjust_brightness(std::int64_t n, float delta, const ValueRange& range, const float* x,
                       float* y);
// dx = dy where nothing was clipped, else 0.
void adjust_brightness_backward(std::int64_t n, float delta, const ValueRange& range,
                                const float* x, const float* dy, float* dx);

}  // namespace convlet
