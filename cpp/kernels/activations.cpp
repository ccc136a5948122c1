#include "kernels/activations.hpp"

#include <algorithm>
#include <cmath>

namespace convlet {
namespace {

template <class F>
void map(std::int64_t size, const float* x, float* y, F&& f) {
  for (std::int64_t i = 0; i < size; ++i) y[i] = f(x[i]);
}

template <class F>
void map(std::int64_t size, const float* y, const float* dy, float* dx, F&& f) {
  for (std::int64_t i = 0; i < size; ++i) dx[i] = f(y[i], dy[i]);
}

void softmax(std::int64_t n, const float* x, float* y) {
  const float largest = *std::max_element(x, x + n);
  float total = 0.0F;
  for (std::int64_t i = 0; i < n; ++i) {
    y[i] = std::exp(x[i] - largest);
    total += y[i];
  }
  for (std::int64_t i = 0; i < n; ++i) y[i] /= total;
}

void softmax_backward(std::int64_t n, const float* y, const float* dy, float* dx) {
  float dot = 0.0F;
  for (std::int64_t i = 0; i < n; ++i) dot += dy[i] * y[i];
  for (std::int64_t i = 0; i < n; ++i) dx[i] = y[i] * (dy[i] - dot);
}

}  // namespace

void activate(Activation f, std::int64_t rows, std::int64_t n, const float* x, float* y) {
  const std::int64_t size = rows * n;
  switch (f) {
    case Activation::kLinear:
      if (y != x) std::copy_n(x, size, y);
      break;
    case Activation::kRelu:  // keeps NaN
      map(size, x, y, [](float v) { return v <= 0.0F ? 0.0F : v; });
      break;
    case Activation::kSigmoid:
      map(size, x, y, [](float v) { return 1.0F / (1.0F + std::exp(-v)); });
      break;
    case Activation::kTanh:
      map(size, x, y, [](float v) { return std::tanh(v); });
      break;
    case Activation::kSoftmax:
      for (std::int64_t row = 0; row < rows; ++row) softmax(n, x + row * n, y + row * n);
      break;
  }
}

void activate_backward(Activation f, std::int64_t rows, std::int64_t n, const float* y,
                       const float* dy, float* dx) {
  const std::int64_t size = rows * n;
  switch (f) {
    case Activation::kLinear:
      if (dx != dy) std::copy_n(dy, size, dx);
      break;
    case Activation::kRelu:
      map(size, y, dy, dx, [](float v, float d) { return v > 0.0F ? d : 0.0F; });
      break;
    case Activation::kSigmoid:
      map(size, y, dy, dx, [](float v, float d) { return d * v * (1.0F - v); });
      break;
    case Activation::kTanh:
      map(size, y, dy, dx, [](float v, float d) { return d * (1.0F - v * v); });
      break;
    case Activation::kSoftmax:
      for (std::int64_t row = 0; row < rows; ++row)
        softmax_backward(n, y + row * n, dy + row * n, dx + row * n);
      break;
  }
}

}  // namespace convlet
