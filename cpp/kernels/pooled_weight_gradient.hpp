// The gradients with respect to the weights and the bias of a convolution with few weights a
// filter, behind 2x2 max pooling and maybe a ReLU: all of them stay in registers while the windows
// pass by. Single-threaded, allocation-free.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/weight_gradient.hpp"

namespace convlet {

// Whether the weights of a filter fit: where they do, the multiplications by the zeros of dy that
// this product does not leave out cost less than making lists of the non-zeros.
bool has_pooled_weight_gradient(const Patches& patches);

// One image's operands, [windows][n], each readable one vector past its end.
struct PooledGradient {
  const float* dy;
  const std::uint8_t* argmax;
  const float* y;  // dy counts where y > 0; nullptr: everywhere
};

// dw[k][n] += sum over windows q of patch(4*q + argmax[q][n])[k] * dz[q][n], and db[n] (nullptr:
// not wanted) += sum of dz[q][n], dz being the dy that counts; pixels window by window. Patches of
// the blank windows are zeros; `seen` and `blank` are all. x is readable one vector past its end;
// dw: [depth][n].
void pooled_weight_gradient(const WeightGradient& g, std::span<const std::int32_t> seen,
                            std::span<const std::int32_t> blank, const float* x,
                            const PooledGradient& dz, float* dw, float* db);

}  // namespace convlet
