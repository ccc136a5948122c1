#include "kernels/convert.hpp"

#include <algorithm>

namespace convlet {
namespace {

template <class T>
void scale_and_shift(std::int64_t size, const T* x, float scale, float offset, float* y) {
  for (std::int64_t i = 0; i < size; ++i) y[i] = scale * static_cast<float>(x[i]) + offset;
}

}  // namespace

void convert(std::int64_t size, const float* x, float scale, float offset, float* y) {
  if (scale == 1.0F && offset == 0.0F) {
    std::copy_n(x, size, y);
  } else {
    scale_and_shift(size, x, scale, offset, y);
  }
}

void convert(std::int64_t size, const std::uint8_t* x, float scale, float offset, float* y) {
  scale_and_shift(size, x, scale, offset, y);
}

}  // namespace convlet
