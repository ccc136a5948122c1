// Sums over pixels and affine maps, channel by channel, on [pixels][c] floats with channels
// fastest. Arrays of one value a channel are padded to whole vectors: parameter_stride(c) floats.
// Reads up to a vector past the end of x and dy, and writes nothing past the end of y and dx.
// Single-threaded, allocation-free.
#pragma once

#include <cstdint>

namespace convlet {

// Of each channel: mean, and m2 = sum (x - mean)^2.
struct Moments {
  float* mean;
  float* m2;
};

// Joins the moments `other` of other_pixels pixels to those of `pixels` (Chan, Golub and LeVeque,
// "Algorithms for computing the sample variance", 1983, eq. 2.1). Of no pixels: zeros.
void join_moments(std::int64_t c, std::int64_t other_pixels, const Moments& other,
                  std::int64_t pixels, const Moments& moments);

// Joins the moments of x, `pixels` of them, to those of `before` pixels.
void add_moments(std::int64_t pixels, std::int64_t c, const float* x, std::int64_t before,
                 const Moments& moments);

// sum += sum dy; product += sum dy (x - mean).
void add_gradient_sums(std::int64_t pixels, std::int64_t c, const float* x, const float* mean,
                       const float* dy, float* sum, float* product);

// y = (x - mean) scale + shift, or relu of it. y must not be x.
void normalize(std::int64_t pixels, std::int64_t c, const float* x, const float* mean,
               const float* scale, const float* shift, bool relu, float* y);

// dx = scale dy - a - b (x - mean). dx must not be x or dy.
void normalize_backward(std::int64_t pixels, std::int64_t c, const float* x, const float* mean,
                        const float* scale, const float* a, const float* b, const float* dy,
                        float* dx);

}  // namespace convlet
