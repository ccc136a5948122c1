// Concatenate: inputs one behind the other along one axis of a row.
#include <algorithm>

#include "ops/factories.hpp"

namespace convlet {
namespace {

class Concatenate final : public Op {
 public:
  // A row is `outer` times a stretch of each input, of stretches[i] floats.
  Concatenate(const Shape& output, std::int64_t outer, std::vector<std::int64_t> stretches)
      : Op(output, {}), outer_(outer), stretches_(std::move(stretches)) {}

  void forward(const ForwardArgs& a) const override {
    for_stretches(a.rows, [&](std::size_t input, std::int64_t from, std::int64_t to) {
      std::copy_n(a.xs[input] + from, stretches_[input], a.y + to);
    });
  }

  void backward(const BackwardArgs& a) const override {
    for_stretches(a.rows, [&](std::size_t input, std::int64_t from, std::int64_t to) {
      if (a.dxs[input] != nullptr) std::copy_n(a.dy + to, stretches_[input], a.dxs[input] + from);
    });
  }

 private:
  // f(input, where in it, where in the output) for each stretch.
  template <class F>
  void for_stretches(std::int64_t rows, F&& f) const {
    std::int64_t to = 0;
    for (std::int64_t i = 0; i < rows * outer_; ++i) {
      for (std::size_t input = 0; input < stretches_.size(); ++input) {
        f(input, i * stretches_[input], to);
        to += stretches_[input];
      }
    }
  }

  std::int64_t outer_;
  std::vector<std::int64_t> stretches_;
};

}  // namespace

// axis: of a row, counted from 0 without the batch axis.
std::unique_ptr<Op> make_concatenate(const Attributes& attributes,
                                     const std::vector<Shape>& inputs) {
  if (inputs.empty()) throw ValueError("Concatenate needs at least one input.");
  const std::int64_t axis = attributes.integer("axis");
  Shape output = inputs.front();
  if (axis < 0 || axis >= static_cast<std::int64_t>(output.size())) {
    throw ValueError(
        "`axis` must be an axis of the inputs other than the first. Received: inputs shape=" +
        batch_string(output));
  }
  const auto at = static_cast<std::size_t>(axis);
  output[at] = 0;
  std::vector<std::int64_t> stretches;
  for (const Shape& shape : inputs) {
    Shape like = shape;
    if (like.size() == output.size()) like[at] = output[at];
    if (like != output) {
      throw ValueError(
          "A `Concatenate` layer requires inputs with matching shapes except for the "
          "concatenation axis. Received: inputs shapes " +
          batch_string(inputs.front()) + " and " + batch_string(shape));
    }
    output[at] += shape[at];
    stretches.push_back(elements({shape.begin() + axis, shape.end()}));
  }
  elements(output);
  const std::int64_t outer = elements({output.begin(), output.begin() + axis});
  return std::make_unique<Concatenate>(output, outer, std::move(stretches));
}

}  // namespace convlet
