// Larger NHWC images: repeated pixels, or pixels in between. Single-threaded, allocation-free.
#pragma once

#include <cstdint>

namespace convlet {

// A place between two neighbours of the input: (1 - weight) x[lower] + weight x[upper].
struct Between {
  std::int64_t lower, upper;
  float weight;
};

struct UpSampling2D {
  std::int64_t h, w, c;    // the image
  std::int64_t sh, sw;     // times in which each row and column is there afterwards
  const Between* rows;     // [oh()], for bilinear
  const Between* columns;  // [ow()]

  std::int64_t oh() const { return h * sh; }
  std::int64_t ow() const { return w * sw; }
  std::int64_t size() const { return h * w * c; }
  std::int64_t out_size() const { return oh() * ow() * c; }
};

// Where output `out` of an axis of `size` lies, `factor` outputs to an input: at
// (out + 1/2) / factor - 1/2, and never outside (TensorFlow's half_pixel_centers). What lies on an
// input has that one twice.
Between place_between(std::int64_t out, std::int64_t factor, std::int64_t size);

// y[i][j] = x[i / sh][j / sw].
void nearest_up_sampling2d(const UpSampling2D& g, std::int64_t images, const float* x, float* y);
// dx, overwritten: the sum of dy over what each pixel has become.
void nearest_up_sampling2d_backward(const UpSampling2D& g, std::int64_t images, const float* dy,
                                    float* dx);

// Between the four neighbours: along the rows, then along the columns.
void bilinear_up_sampling2d(const UpSampling2D& g, std::int64_t images, const float* x, float* y);
// dx, overwritten: each pixel's shares of dy.
void bilinear_up_sampling2d_backward(const UpSampling2D& g, std::int64_t images, const float* dy,
                                     float* dx);

}  // namespace convlet
