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

}  // namespace

std::unique_ptr<Op> make_reshape(const Attributes& attributes, const Shape& input) {
  const Shape target = attributes.integers("target_shape");
  if (elements(target) != elements(input)) {
    throw ValueError("The total size of the tensor must be unchanged. Received: inputs shape=" +
                     batch_string(input) + ", target_shape=" + tuple_string(target));
  }
  return std::make_unique<Reshape>(target);
}

}  // namespace convlet
