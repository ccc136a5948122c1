// Zero padding of NHWC images and its inverse. Single-threaded, allocation-free.
#pragma once

#include <cstdint>

namespace convlet {

struct Pad2D {
  std::int64_t h, w, c;    // the image
  std::int64_t ph, pw;     // the padded image
  std::int64_t top, left;  // where the image lies in it

  std::int64_t size() const { return h * w * c; }
  std::int64_t padded_size() const { return ph * pw * c; }
};

// y = x with zeros around it.
void pad2d(const Pad2D& g, std::int64_t images, const float* x, float* y);

// x = the part of y that is not padding.
void crop2d(const Pad2D& g, std::int64_t images, const float* y, float* x);

}  // namespace convlet
