#include "kernels/activations.hpp"

#include "kernels/activation_functions.hpp"
#include "kernels/softmax.hpp"

namespace convlet {

void activate(Activation f, std::int64_t rows, std::int64_t n, const float* x, float* y) {
  switch (f) {
    case Activation::kRelu:
      return map(activation::Relu{}, rows * n, x, y);
    case Activation::kSigmoid:
      return map(activation::Sigmoid{}, rows * n, x, y);
    case Activation::kSoftmax:
      return softmax({rows, n, 1}, x, y);
  }
}

void activate_backward(Activation f, std::int64_t rows, std::int64_t n, const float* y,
                       const float* dy, float* dx) {
  switch (f) {
    case Activation::kRelu:
      return map_gradient(activation::Relu{}, rows * n, nullptr, y, dy, dx);
    case Activation::kSigmoid:
      return map_gradient(activation::Sigmoid{}, rows * n, nullptr, y, dy, dx);
    case Activation::kSoftmax:
      return softmax_backward({rows, n, 1}, y, dy, dx);
  }
}

}  // namespace convlet
