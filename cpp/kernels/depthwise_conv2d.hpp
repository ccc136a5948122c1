// The convolution in which each channel sees itself alone, forward and its gradients, vectorised
// across the channels. Single-threaded, allocation-free.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/patches.hpp"

namespace convlet {

// y[out[p] + c] = epilogue( sum over r of x[pixel[p] + run[r] + c] * w[tap[r] + c] + b[c] ) for
// channels 0 <= c < n: each run of a patch is one tap.
struct DepthwiseProduct {
  Patches patches;                    // of one image of x, of channel 0
  std::span<const std::int32_t> tap;  // where in w the weights of each run start
  std::span<const std::int32_t> out;  // where in an image of y the results of each pixel start
  std::int64_t x_image;               // floats from one image of x to the next
  std::int64_t y_image;               // the same for y
  std::int64_t n;
};

// Of all images, overwriting y. w and bias (or nullptr) are readable one vector past their end.
void depthwise_product(const DepthwiseProduct& g, std::int64_t images, const float* x,
                       const float* w, const float* bias, bool relu, float* y);

// dw[r * n + c] += sum over images and pixels p of x[pixel[p] + run[r] + c] * dz[p * n + c].
// dz: [images][pixels][n].
void depthwise_weight_gradient(const Patches& patches, std::int64_t x_image, std::int64_t n,
                               std::int64_t images, const float* x, const float* dz, float* dw);

// y[i * times + j] = x[i], j < times: several outputs a channel are one of each of its copies.
void repeat(std::int64_t size, std::int64_t times, const float* x, float* y);

// x[i] = sum over j < times of y[i * times + j].
void sum_repeated(std::int64_t size, std::int64_t times, const float* y, float* x);

}  // namespace convlet
