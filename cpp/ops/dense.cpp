// Dense (+ bias, + ReLU) on the last axis.
#include <algorithm>

#include "kernels/activations.hpp"
#include "kernels/pack.hpp"
#include "kernels/patch_product.hpp"
#include "kernels/tile.hpp"
#include "kernels/weight_gradient.hpp"
#include "ops/factories.hpp"

namespace convlet {
namespace {

// A matrix product as a patch product: each row is an image of one pixel, its patch one run.
constexpr std::int32_t kOnePixel[] = {0};

class Dense final : public Op {
 public:
  Dense(Shape output, std::int64_t rows, std::int64_t in, std::int64_t units, bool bias, bool relu)
      : Op(std::move(output), specs(in, units, bias)),
        rows_(rows),
        in_(in),
        units_(units),
        bias_(bias),
        relu_(relu) {}

  Storage storage(bool training) const override {
    return {.packed = forward_packed() + (training ? packed_size(units_, in_) : 0)};
  }

  void forward(const ForwardArgs& a) const override { forward_part(a, {}); }

  // A part is some of the units, in whole panels.
  void forward_part(const ForwardArgs& a, Part part) const override {
    const std::int64_t panels = (units_ + kPanel - 1) / kPanel;
    const std::int64_t first = part.begin(panels) * kPanel;
    const std::int64_t last = std::min(part.end(panels) * kPanel, units_);
    if (first >= last) return;
    PatchProduct g = product(in_, units_);
    g.n = last - first;
    const float* bias = bias_ ? a.parameters + bias_offset() + first : nullptr;
    patch_product(g, a.rows * rows_, a.x, a.packed + first * in_, bias, relu_, a.y + first);
  }

  void backward(const BackwardArgs& a) const override {
    const std::int64_t rows = a.rows * rows_;
    if (relu_) activate_backward(Activation::kRelu, rows, units_, a.y, a.dy, a.dy);
    if (a.gradient != nullptr) {
      if (bias_) bias_gradient(rows, units_, a.dy, a.gradient + bias_offset());
      weight_gradient({patches(in_), in_, units_}, rows, a.x, a.dy, a.gradient);
    }
    if (a.dx != nullptr) {
      patch_product(product(units_, in_), rows, a.dy, a.packed + forward_packed(), nullptr, false,
                    a.dx);
    }
  }

  // A unit is one input; the bias goes with the last one.
  std::int64_t units() const override { return in_; }
  std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end) const override {
    std::vector<Span> spans{{begin * units_, (end - begin) * units_}};
    if (bias_ && end == in_) spans.push_back({bias_offset(), units_});
    return spans;
  }
  void pack(std::int64_t begin, std::int64_t end, const float* parameters, bool training,
            float* packed) const override {
    const Tap tap{parameters, in_, units_};
    pack_tap(tap, begin, end, in_, 0, packed);
    if (training) pack_tap_transposed(tap, begin, end, units_, 0, packed + forward_packed());
  }

 private:
  static std::vector<ParameterSpec> specs(std::int64_t in, std::int64_t units, bool bias) {
    std::vector<ParameterSpec> specs{{"kernel", {in, units}}};
    if (bias) specs.push_back({"bias", {units}});
    return specs;
  }

  static Patches patches(std::int64_t depth) {
    return {kOnePixel, kOnePixel, static_cast<std::int32_t>(depth)};
  }
  static PatchProduct product(std::int64_t depth, std::int64_t n) {
    return {patches(depth), kOnePixel, depth, n, n};
  }

  std::int64_t forward_packed() const { return packed_size(in_, units_); }
  std::int64_t bias_offset() const { return parameter_stride(in_ * units_); }

  std::int64_t rows_;  // of one row of the batch: the product of the leading axes
  std::int64_t in_;
  std::int64_t units_;
  bool bias_;
  bool relu_;
};

}  // namespace

std::unique_ptr<Op> make_dense(const Attributes& attributes, const Shape& input) {
  if (input.empty()) {
    throw ValueError("Dense needs inputs of at least two dimensions. Received: inputs shape=" +
                     batch_string(input));
  }
  const std::int64_t units = attributes.positive("units");
  const std::int64_t in = input.back();
  if (in < 1)
    throw ValueError("Dense needs at least one input feature. Received: inputs shape=" +
                     batch_string(input));
  Shape output = input;
  output.back() = units;
  elements(output);
  elements({in, units});
  const bool relu = attributes.text_or("activation", "linear") == "relu";
  const std::int64_t rows = elements(input) / in;
  return std::make_unique<Dense>(output, rows, in, units, attributes.boolean("use_bias"), relu);
}

}  // namespace convlet
