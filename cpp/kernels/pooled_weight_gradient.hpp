// The gradient with respect to the weights of a convolution with few weights a filter, behind 2x2
// max pooling: all of them stay in registers while the windows pass by. Single-threaded,
// allocation-free.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/weight_gradient.hpp"

namespace convlet {

// Whether the weights of a filter fit: where they do, the multiplications by the zeros of dy that
// this product does not leave out cost less than making lists of the non-zeros.
bool has_pooled_weight_gradient(const Patches& patches);

// dw[k][n] += sum over images and windows q of patch(4*q + argmax[q][n])[k] * dy[q][n]; pixels
// window by window. Of the windows q only the chosen ones; empty: all. x, dy and argmax
// ([images][windows][n]) are readable one vector past their end; dw: [depth][n].
void pooled_weight_gradient(const WeightGradient& g, std::int64_t images,
                            std::span<const std::int32_t> chosen, const float* x, const float* dy,
                            const std::uint8_t* argmax, float* dw);

}  // namespace convlet
