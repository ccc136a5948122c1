// Several arrays into one, element by element, and back. Single-threaded, allocation-free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace convlet {

enum class Merge { kAdd, kAverage, kMaximum, kMinimum, kMultiply, kSubtract };

// y = the sum, mean, largest, smallest, product or difference of the inputs, in their order; NaN
// before any number.
void merge(Merge f, std::int64_t size, std::span<const float* const> xs, float* y);

// dx = the gradient with respect to input `index`; the first of equal inputs is the largest or
// smallest, as in TensorFlow. Overwrites dx.
void merge_backward(Merge f, std::int64_t size, std::span<const float* const> xs, const float* y,
                    std::size_t index, const float* dy, float* dx);

}  // namespace convlet
