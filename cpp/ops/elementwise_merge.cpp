// Add, Average, Maximum, Minimum, Multiply and Subtract: element by element, of inputs of one
// shape.
#include "kernels/merge.hpp"
#include "ops/factories.hpp"

namespace convlet {
namespace {

class ElementwiseMerge final : public Op {
 public:
  ElementwiseMerge(const Shape& shape, Merge merge)
      : Op(shape, {}), merge_(merge), size_(elements(shape)) {}

  void forward(const ForwardArgs& a) const override { merge(merge_, a.rows * size_, a.xs, a.y); }

  void backward(const BackwardArgs& a) const override {
    for (std::size_t i = 0; i < a.dxs.size(); ++i) {
      if (a.dxs[i] != nullptr) merge_backward(merge_, a.rows * size_, a.xs, a.y, i, a.dy, a.dxs[i]);
    }
  }

 private:
  Merge merge_;
  std::int64_t size_;
};

std::unique_ptr<Op> make_merge(const std::vector<Shape>& inputs, Merge merge) {
  if (inputs.empty()) throw ValueError("A merge layer needs at least one input.");
  for (const Shape& shape : inputs) {
    if (shape == inputs.front()) continue;
    throw ValueError("Inputs have incompatible shapes. Received shapes " +
                     tuple_string(inputs.front()) + " and " + tuple_string(shape) +
                     "; sizes of an axis must be the same, or 1.");
  }
  return std::make_unique<ElementwiseMerge>(inputs.front(), merge);
}

}  // namespace

std::unique_ptr<Op> make_add(const Attributes&, const std::vector<Shape>& inputs) {
  return make_merge(inputs, Merge::kAdd);
}

std::unique_ptr<Op> make_average(const Attributes&, const std::vector<Shape>& inputs) {
  return make_merge(inputs, Merge::kAverage);
}

std::unique_ptr<Op> make_maximum(const Attributes&, const std::vector<Shape>& inputs) {
  return make_merge(inputs, Merge::kMaximum);
}

std::unique_ptr<Op> make_minimum(const Attributes&, const std::vector<Shape>& inputs) {
  return make_merge(inputs, Merge::kMinimum);
}

std::unique_ptr<Op> make_multiply(const Attributes&, const std::vector<Shape>& inputs) {
  return make_merge(inputs, Merge::kMultiply);
}

std::unique_ptr<Op> make_subtract(const Attributes&, const std::vector<Shape>& inputs) {
  if (inputs.size() != 2) {
    throw ValueError("A `Subtract` layer should be called on exactly 2 inputs. Received: " +
                     std::to_string(inputs.size()));
  }
  return make_merge(inputs, Merge::kSubtract);
}

}  // namespace convlet
