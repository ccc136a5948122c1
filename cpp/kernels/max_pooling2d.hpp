// MaxPooling2D over NHWC images, any window, strides and padding. Single-threaded, allocation-free.
#pragma once

#include <cstdint>

#include "kernels/pool2d.hpp"

namespace convlet {

// y[oy][ox][c] = max of the window's x; NaN wins over any number.
void max_pooling2d(const Pool2D& g, std::int64_t images, const float* x, float* y);

// dx = the sum of the dy of all windows whose maximum lies there; the first maximum in row-major
// order wins a tie. Overwrites dx.
void max_pooling2d_backward(const Pool2D& g, std::int64_t images, const float* x, const float* y,
                            const float* dy, float* dx);

}  // namespace convlet
