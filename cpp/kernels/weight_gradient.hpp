// dw[k][n] += sum over images and pixels p of patch(p)[k] * dz[p][n]: the gradient of Conv2D and
// Dense with respect to their weights, from a dense gradient or from one that max pooling left
// three quarters zero. Single-threaded, allocation-free.
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

// dz behind 2x2 max pooling (pixels window by window): dz[4*q + j][n] = argmax[q][n] == j ?
// dy[q][n] : 0. dy and argmax: [windows][n], readable one vector past their end; dz likewise
// writable.
void spread_max4(std::int64_t windows, std::int64_t n, const float* dy, const std::uint8_t* argmax,
                 float* dz);

// db[n] += sum over rows of dz[row][n].
void bias_gradient(std::int64_t rows, std::int64_t n, const float* dz, float* db);

}  // namespace convlet
