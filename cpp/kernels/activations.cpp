#include "kernels/activations.hpp"

#include "kernels/activation_functions.hpp"
#include "kernels/softmax.hpp"

namespace convlet {

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
