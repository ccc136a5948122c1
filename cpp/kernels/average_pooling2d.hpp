// AveragePooling2D over NHWC images, any window, strides and padding. Single-threaded,
// allocation-free.
#pragma once

#include <cstdint>

#include "kernels/pool2d.hpp"

namespace convlet {

// y[oy][ox][c] = mean of the window's x that lie inside the image.
void average_pooling2d(const Pool2D& g, std::int64_t images, const float* x, float* y);

// dx = the sum of dy / cells of all windows the pixel lies in. Overwrites dx.
void average_pooling2d_backward(const Pool2D& g, std::int64_t images, const float* dy, float* dx);

}  // namespace convlet
