// Ops on sequences (steps, channels): those on images of height 1.
#include <utility>

#include "ops/factories.hpp"

namespace convlet {
namespace {

Shape without_height(const Shape& shape) { return {shape.begin() + 1, shape.end()}; }

// A kernel's first axis is the window's height; other parameters have one axis.
std::vector<ParameterSpec> without_height(std::vector<ParameterSpec> parameters) {
  for (ParameterSpec& p : parameters) {
    if (p.shape.size() > 1) p.shape = without_height(p.shape);
  }
  return parameters;
}

// An op on images of height 1 under other shapes: their numbers lie in memory alike.
class View1D final : public Op {
 public:
  explicit View1D(std::unique_ptr<Op> op)
      : Op(without_height(op->output_shape()), without_height(op->parameters())),
        op_(std::move(op)) {}

  Storage storage(bool training) const override { return op_->storage(training); }
  void forward(const ForwardArgs& a) const override { op_->forward(a); }
  void forward_part(const ForwardArgs& a, Part part) const override { op_->forward_part(a, part); }
  void backward(const BackwardArgs& a) const override { op_->backward(a); }
  void finish_gradient(float* workspace, float* gradient) const override {
    op_->finish_gradient(workspace, gradient);
  }
  std::int64_t units() const override { return op_->units(); }
  std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end) const override {
    return op_->unit_spans(begin, end);
  }
  void pack(std::int64_t begin, std::int64_t end, const float* parameters, bool data_gradient,
            float* packed) const override {
    op_->pack(begin, end, parameters, data_gradient, packed);
  }

 private:
  std::unique_ptr<Op> op_;
};

Shape as_image(const Shape& input) {
  if (input.size() != 2) {
    throw ValueError(
        "Expected sequences of shape (None, steps, channels). Received: inputs shape=" +
        batch_string(input));
  }
  return {1, input[0], input[1]};
}

// The op whose window, attribute `window_name`, and strides have one axis.
std::unique_ptr<Op> with_window(OpFactory make_2d, const std::string& window_name,
                                Attributes attributes, const Shape& input) {
  const Shape image = as_image(input);
  const std::int64_t window = attributes.positive_single(window_name);
  const std::int64_t stride = attributes.positive_single("strides");
  const bool dilates = attributes.has("dilation_rate");
  const std::int64_t dilation = dilates ? attributes.positive_single("dilation_rate") : 1;
  const std::string padding = attributes.text("padding");
  if (padding == "valid" && (window - 1) * dilation >= input[0]) {
    throw ValueError("Computed output size would be zero or negative. Received `inputs shape=" +
                     batch_string(input) + "`, `" + window_name + "=" + tuple_string({window}) +
                     (dilation == 1 ? "" : "`, `dilation_rate=" + tuple_string({dilation})) +
                     "`, `strides=" + tuple_string({stride}) + "`, `padding='" + padding + "'`");
  }
  if (dilates) attributes.set("dilation_rate", Shape{1, dilation});
  attributes.set(window_name, Shape{1, window});
  attributes.set("strides", Shape{1, stride});
  return std::make_unique<View1D>(make_2d(attributes, image));
}

}  // namespace

std::unique_ptr<Op> make_average_pooling1d(const Attributes& attributes, const Shape& input) {
  return with_window(make_average_pooling2d, "pool_size", attributes, input);
}

std::unique_ptr<Op> make_conv1d(const Attributes& attributes, const Shape& input) {
  return with_window(make_conv2d, "kernel_size", attributes, input);
}

std::unique_ptr<Op> make_max_pooling1d(const Attributes& attributes, const Shape& input) {
  return with_window(make_max_pooling2d, "pool_size", attributes, input);
}

std::unique_ptr<Op> make_global_max_pooling1d(const Attributes& attributes, const Shape& input) {
  return std::make_unique<View1D>(make_global_max_pooling2d(attributes, as_image(input)));
}

// Attribute "padding": before, after.
std::unique_ptr<Op> make_zero_padding1d(const Attributes& attributes, const Shape& input) {
  Shape sides = attributes.integers("padding");
  sides.insert(sides.begin(), {0, 0});
  Attributes of_image = attributes;
  of_image.set("padding", sides);
  return std::make_unique<View1D>(make_zero_padding2d(of_image, as_image(input)));
}

}  // namespace convlet
