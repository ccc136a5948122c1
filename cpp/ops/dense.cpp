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
    if (!training) return {.packed = forward_packed()};
    return {.packed = forward_packed() + packed_size(units_, in_), .kept_per_row = kept_per_row()};
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
      if (is_late()) {
        keep(a);
      } else {
        weight_gradient({patches(in_), in_, units_, units_}, rows, a.x, a.dy, a.gradient);
      }
    }
    if (a.dx != nullptr) {
      patch_product(product(units_, in_), rows, a.dy, a.packed + forward_packed(), nullptr, false,
                    a.dx);
    }
  }

  std::int64_t late_unit() const override { return is_late() ? units_ : 0; }

  void late_gradient(std::int64_t begin, std::int64_t end, std::span<const Kept> kept,
                     float* gradient) const override {
    std::fill_n(gradient, (end - begin) * units_, 0.0F);
    WeightGradientSum sum({patches(end - begin), kept_per_row(), units_, units_}, gradient);
    for (const Kept& share : kept) {
      sum.add(share.rows, share.data + begin, share.data + kept_dz(), kept_per_row());
    }
    sum.finish();
  }

  // A unit is one input; the bias goes with the last one.
  std::int64_t units() const override { return in_; }
  std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end) const override {
    std::vector<Span> spans{{begin * units_, (end - begin) * units_}};
    if (bias_ && end == in_) spans.push_back({bias_offset(), units_});
    return spans;
  }
  void pack(std::int64_t begin, std::int64_t end, const float* parameters, bool data_gradient,
            float* packed) const override {
    const Tap tap{parameters, in_, units_, units_};
    pack_tap(tap, begin, end, in_, 0, packed);
    if (data_gradient) pack_tap_transposed(tap, begin, end, units_, 0, packed + forward_packed());
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

  // Where a row of the batch takes part in one product only.
  bool is_late() const { return rows_ == 1; }
  // A row of x, then its dz, both rounded up to whole vectors.
  std::int64_t kept_dz() const { return round_up(in_, simd::kLanes); }
  std::int64_t kept_per_row() const {
    return is_late() ? kept_dz() + round_up(units_, simd::kLanes) : 0;
  }
  void keep(const BackwardArgs& a) const {
    for (std::int64_t row = 0; row < a.rows; ++row) {
      float* kept = a.kept + row * kept_per_row();
      std::copy_n(a.x + row * in_, in_, kept);
      std::copy_n(a.dy + row * units_, units_, kept + kept_dz());
    }
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
