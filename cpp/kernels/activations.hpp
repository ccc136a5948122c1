// Activations that other steps do along with their own. Single-threaded.
#pragma once

#include <cstdint>

namespace convlet {

enum class Activation { kRelu, kSigmoid, kSoftmax };

// y = f(x) over rows x n floats; softmax over each row. y may be x.
void activate(Activation f, std::int64_t rows, std::int64_t n, const float* x, float* y);

// dx = dy * f'(x) over rows x n floats, written with y = f(x); for softmax, over each row,
// y * (dy - sum(dy * y)). dx may be dy.
void activate_backward(Activation f, std::int64_t rows, std::int64_t n, const float* y,
                       const float* dy, float* dx);

}  // namespace convlet
