// Reshape and Flatten: the same numbers under another shape.
#include <algorithm>

#include "ops/factories.hpp"

namespace convlet {
namespace {

class Reshape final : public Op {
 public:
  explicit Reshape(const Shape& shape) : Op(shape, {}), size_(elements(shape)) {}

  void forward(const ForwardArgs& a) const override { std::copy_n(a.x, a.rows * size_, a.y); }

  void backward(const BackwardArgs& a) const override {
    if (a.dx != nullptr) std::copy_n(a.dy, a.rows * size_, a.dx);
  }

 private:
  std::int64_t size_;
};

// The target shape, an axis of -1 replaced by what the others leave of the input. Keras's errors.
Shape resolve(const Shape& target, const Shape& input) {
  const std::string received =
      ". Received: input_shape=" + tuple_string(input) + ", target_shape=" + tuple_string(target);
  Shape shape = target;
  const auto open = std::find(shape.begin(), shape.end(), -1);
  if (open != shape.end()) {
    *open = 1;
    const std::int64_t known = elements(shape);
    if (known == 0 || elements(input) % known != 0) {
      throw ValueError(
          "The total size of the tensor must be unchanged, however, the input size cannot by "
          "divided by the specified dimensions in target_shape" +
          received);
    }
    *open = elements(input) / known;
  }
  if (elements(shape) != elements(input))
    throw ValueError("The total size of the tensor must be unchanged" + received);
  return shape;
}

}  // namespace

std::unique_ptr<Op> make_reshape(const Attributes& attributes, const Shape& input) {
  return std::make_unique<Reshape>(resolve(attributes.integers("target_shape"), input));
}

}  // namespace convlet
