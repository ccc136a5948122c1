// dw[k][n] += sum over images and pixels p of patch(p)[k] * dz[p][n]: the gradient of Conv2D and
// Dense with respect to their weights, from a dense gradient. Single-threaded, allocation-free.
#pragma once

#include <cstdint>

#include "kernels/patches.hpp"

namespace convlet {

struct WeightGradient {
  Patches patches;       // of one image of x
  std::int64_t x_image;  // floats from one image of x to the next
  std::int64_t n;        // channels of dz and dw
};

// x: images; dz: [images][pixels][n], readable one vector past its end; dw: [depth][n],
// accumulated.
void weight_gradient(const WeightGradient& g, std::int64_t images, const float* x, const float* dz,
                     float* dw);

// db[n] += sum over rows of dz[row][n], readable one vector past its end.
void bias_gradient(std::int64_t rows, std::int64_t n, const float* dz, float* db);

}  // namespace convlet
