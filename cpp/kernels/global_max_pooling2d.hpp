// GlobalMaxPooling2D: the largest value of each channel. Single-threaded, allocation-free.
#pragma once

#include <cstdint>

namespace convlet {

// y[image][c] = max of x[image][pixel][c] over the pixels; NaN wins over any number.
void global_max_pooling2d(std::int64_t images, std::int64_t pixels, std::int64_t c, const float* x,
                          float* y);

// dx = dy, in equal parts to all pixels with the largest value, as TensorFlow's and torch's
// gradient of a maximum over axes; zero elsewhere. A NaN counts as largest. Overwrites dx.
void global_max_pooling2d_backward(std::int64_t images, std::int64_t pixels, std::int64_t c,
                                   const float* x, const float* y, const float* dy, float* dx);

}  // namespace convlet
