// An activation function as a step of its own.
#include "kernels/activations.hpp"

#include <utility>

#include "ops/factories.hpp"

namespace convlet {
namespace {

constexpr std::pair<const char*, Activation> kActivations[] = {
    {"linear", Activation::kLinear},   {"relu", Activation::kRelu},
    {"sigmoid", Activation::kSigmoid}, {"tanh", Activation::kTanh},
    {"softmax", Activation::kSoftmax},
};

Activation activation_named(const std::string& name) {
  for (const auto& [known, activation] : kActivations) {
    if (name == known) return activation;
  }
  throw ValueError("Could not interpret activation function identifier: " + name);
}

class ActivationOp final : public Op {
 public:
  ActivationOp(const Shape& shape, Activation activation)
      : Op(shape, {}), activation_(activation), n_(shape.back()), rows_(elements(shape) / n_) {}

  void forward(const ForwardArgs& a) const override {
    activate(activation_, a.rows * rows_, n_, a.x, a.y);
  }

  void backward(const BackwardArgs& a) const override {
    if (a.dx != nullptr) activate_backward(activation_, a.rows * rows_, n_, a.y, a.dy, a.dx);
  }

 private:
  Activation activation_;
  std::int64_t n_;     // the last axis
  std::int64_t rows_;  // of one row of the batch: the product of the others
};

}  // namespace

std::unique_ptr<Op> make_activation(const Attributes& attributes, const Shape& input) {
  const Activation activation = activation_named(attributes.text("activation"));
  if (input.empty() || elements(input) == 0) {
    throw ValueError(
        "An activation needs inputs of at least two dimensions, none of them zero. Received: "
        "inputs shape=" +
        batch_string(input));
  }
  return std::make_unique<ActivationOp>(input, activation);
}

}  // namespace convlet
