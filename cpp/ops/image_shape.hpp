// What ops on images of a fixed size have in common.
#pragma once

#include <string>

#include "kernels/affine_sampling.hpp"
#include "ops/shape.hpp"

namespace convlet {

struct Image {
  ImageSize size;
  std::int64_t c;

  std::int64_t elements() const { return size.h * size.w * c; }
};

// ValueError if the rows are not images (h, w, c) with a pixel at least.
Image image_of(const std::string& layer, const Shape& input);

}  // namespace convlet
