// Parametric ReLU (He et al., 2015): y = x above 0 and alpha x below, with a trained alpha.
#include "ops/factories.hpp"

namespace convlet {
namespace {

// alpha has the shape of a row, with 1 for every axis along which it is shared.
class PRelu final : public Op {
 public:
  PRelu(const Shape& shape, const Shape& alpha)
      : Op(shape, {{"alpha", alpha}}), source_(sources(shape, alpha)) {}

  // alpha spread over a whole row, and so its gradient.
  Storage storage(bool) const override { return {.packed = size(), .workspace = size()}; }

  void forward(const ForwardArgs& a) const override {
    for (std::int64_t r = 0; r < a.rows; ++r) {
      const float* x = a.x + r * size();
      float* y = a.y + r * size();
      for (std::int64_t i = 0; i < size(); ++i) y[i] = x[i] > 0.0F ? x[i] : a.packed[i] * x[i];
    }
  }

  // No gradient at 0, as in Keras, which writes y = relu(x) - alpha relu(-x).
  void backward(const BackwardArgs& a) const override {
    for (std::int64_t r = 0; r < a.rows; ++r) {
      const float* x = a.x + r * size();
      const float* dy = a.dy + r * size();
      for (std::int64_t i = 0; i < size(); ++i) {
        a.workspace[i] += x[i] > 0.0F ? 0.0F : x[i] * dy[i];
      }
      if (a.dx == nullptr) continue;
      float* dx = a.dx + r * size();
      for (std::int64_t i = 0; i < size(); ++i) {
        const float below = x[i] < 0.0F ? a.packed[i] * dy[i] : 0.0F;
        dx[i] = x[i] > 0.0F ? dy[i] : below;
      }
    }
  }

  void finish_gradient(float* workspace, float* gradient) const override {
    for (std::int64_t i = 0; i < size(); ++i) {
      gradient[source_[static_cast<std::size_t>(i)]] += workspace[i];
      workspace[i] = 0.0F;
    }
  }

  std::int64_t units() const override { return 1; }
  std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end) const override {
    if (begin == end) return {};
    return {{0, elements(parameters().front().shape)}};
  }
  void pack(std::int64_t begin, std::int64_t end, const float* parameters, bool,
            float* packed) const override {
    if (begin == end) return;
    for (std::int64_t i = 0; i < size(); ++i) {
      packed[i] = parameters[source_[static_cast<std::size_t>(i)]];
    }
  }

 private:
  std::int64_t size() const { return static_cast<std::int64_t>(source_.size()); }

  // Which alpha belongs to each element of a row.
  static std::vector<std::int64_t> sources(const Shape& shape, const Shape& alpha) {
    std::vector<std::int64_t> source(static_cast<std::size_t>(elements(shape)));
    for (std::size_t i = 0; i < source.size(); ++i) {
      auto rest = static_cast<std::int64_t>(i);
      std::int64_t stride = 1;
      for (std::size_t axis = shape.size(); axis-- > 0;) {
        if (alpha[axis] > 1) source[i] += rest % shape[axis] * stride;
        stride *= alpha[axis];
        rest /= shape[axis];
      }
    }
    return source;
  }

  std::vector<std::int64_t> source_;
};

}  // namespace

std::unique_ptr<Op> make_prelu(const Attributes& attributes, const Shape& input) {
  if (input.empty() || elements(input) == 0) {
    throw ValueError(
        "PReLU needs inputs of at least two dimensions, none of them zero. Received: inputs "
        "shape=" +
        batch_string(input));
  }
  Shape alpha = input;
  for (const std::int64_t axis : attributes.integers("shared_axes")) {
    if (axis < 1 || axis > static_cast<std::int64_t>(input.size())) {
      throw ValueError(
          "`shared_axes` must be axes of the inputs, and not that of the batch. "
          "Received: shared_axes=" +
          tuple_string(attributes.integers("shared_axes")) +
          ", inputs shape=" + batch_string(input));
    }
    alpha[static_cast<std::size_t>(axis - 1)] = 1;
  }
  return std::make_unique<PRelu>(input, alpha);
}

}  // namespace convlet
