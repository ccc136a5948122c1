// Activation functions on rows of floats, and their gradients from the output y alone.
// Single-threaded.
#pragma once

#include <cstdint>

namespace convlet {

enum class Activation { kLinear, kRelu, kSigmoid, kTanh, kSoftmax };

// y = f(x) over rows x n floats; softmax over each row. y may be x.
void activate(Activation f, std::int64_t rows, std::int64_t n, const float* x, float* y);

// dx = dy * f'(x), written with y = f(x); for softmax y * (dy - sum(dy * y)). dx may be dy.
void activate_backward(Activation f, std::int64_t rows, std::int64_t n, const float* y,
                       const float* dy, float* dx);

}  // namespace convlet
