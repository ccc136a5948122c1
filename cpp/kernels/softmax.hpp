// Softmax along one axis; its logarithm, and sparsemax, along the last one. Single-threaded.
#pragma once

#include <cstdint>

namespace convlet {

// An array seen as [outer][n][inner], to be normalised along n.
struct AxisView {
  std::int64_t outer;
  std::int64_t n;
  std::int64_t inner;
};

// y = exp(x) / sum exp(x) along the axis, with the largest x taken off first. y may be x. NaN
// anywhere along an axis makes all of it NaN.
void softmax(const AxisView& view, const float* x, float* y);

// dx = y (dy - sum(dy y)). dx may be dy.
void softmax_backward(const AxisView& view, const float* y, const float* dy, float* dx);

// y = x - log(sum exp(x)) over each of `rows` rows of n floats. y may be x.
void log_softmax(std::int64_t rows, std::int64_t n, const float* x, float* y);

// dx = dy - exp(y) sum(dy). dx may be dy.
void log_softmax_backward(std::int64_t rows, std::int64_t n, const float* y, const float* dy,
                          float* dx);

// The point of the simplex that is nearest to x (Martins and Astudillo, 2016), over each of `rows`
// rows of n floats: y = max(x - t, 0), with the t for which y sums to 1. y may be x. NaN or +inf
// anywhere in a row makes all of it NaN.
void sparsemax(std::int64_t rows, std::int64_t n, const float* x, float* y);

// dx = dy where x >= t, less sum(dy where x >= t) / k where x > t, k being the number of these;
// else 0. Like TensorFlow, which counts x = t when it takes the maximum with 0, but not in t. dx
// may be dy.
void sparsemax_backward(std::int64_t rows, std::int64_t n, const float* x, const float* dy,
                        float* dx);

}  // namespace convlet
