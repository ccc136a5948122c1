// Images seen through an affine map of the plane: translated, turned, zoomed, cut out and resized.
// An image is [h][w][c], channels fastest. Single-threaded, allocation-free.
#pragma once

#include <cstdint>

namespace convlet {

struct ImageSize {
  std::int64_t h;
  std::int64_t w;
};

// Where the output's pixel (column i, row j) comes from: column a0 i + a1 j + a2, row b0 i + b1 j +
// b2 of the input. (Keras's projective transform, of which the last two numbers are always 0.)
struct AffineMap {
  float a0, a1, a2;
  float b0, b1, b2;
};

// Moves the content right by dx and down by dy pixels.
AffineMap translation(float dx, float dy);
// Turns the content about the image's middle, counter-clockwise as it is seen.
AffineMap rotation(float radians, const ImageSize& size);
// About the middle; factors above 1 make the content smaller.
AffineMap zoom(float horizontal, float vertical, const ImageSize& size);
// Resizes `size` to `output`, the outer corners of the corner pixels being those of both.
AffineMap resize(const ImageSize& size, const ImageSize& output);

// What lies beyond the edges: one value, the nearest pixel, the image's mirror image (d c b a | a b
// c d | d c b a), the image again.
enum class FillMode { kConstant, kNearest, kReflect, kWrap };

// How pixels are read between pixels; `fill_value` for kConstant.
struct Sampling {
  bool bilinear;  // else the nearest pixel, the upper one of two; .5 goes away from zero
  FillMode fill_mode;
  float fill_value;
};

struct Resampling {
  ImageSize input;
  std::int64_t stride;  // pixels from one row of the input to the next: more for a part of an image
  ImageSize output;
  std::int64_t c;
  Sampling sampling;
};

// y = the image x through the map. Coordinates are of float32 and computed as in TensorFlow's
// ImageProjectiveTransformV3.
void sample(const Resampling& images, const AffineMap& map, const float* x, float* y);

// dx += the gradient of sum(dy y) with respect to x: each dy goes, in parts, to where y came from.
// (TensorFlow instead samples dy through the inverse map, which for maps that stretch is not the
// gradient.)
void sample_backward(const Resampling& images, const AffineMap& map, const float* dy, float* dx);

}  // namespace convlet
