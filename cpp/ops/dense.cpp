// Dense (+ bias, + ReLU) on the last axis.
#include <algorithm>

#include "kernels/activations.hpp"
#include "kernels/pack.hpp"
#include "kernels/patch_product.hpp"
#include "kernels/row_product.hpp"
#include "kernels/tile.hpp"
#include "kernels/weight_gradient.hpp"
#include "ops/factories.hpp"
#include "ops/pair_products.hpp"

namespace convlet {
namespace {

// Weights, in floats, that take up much of a core's second-level cache.
constexpr std::int64_t kManyWeights = std::int64_t{1} << 17;

// Rows whose operands are paired at once.
constexpr std::int64_t kRowsTogether = 16 * kTileRows;

class Dense final : public Op {
 public:
  Dense(Shape output, std::int64_t rows, std::int64_t in, std::int64_t units, bool bias, bool relu,
        bool pairs)
      : Op(std::move(output), specs(in, units, bias)),
        rows_(rows),
        in_(in),
        units_(units),
        bias_(bias),
        relu_(relu),
        pairs_(pairs) {}

  Storage storage(bool training) const override {
    Storage storage{.packed = forward_packed() + (training ? packed_size(items(units_), in_) : 0),
                    .kept_per_row = training ? kept_per_row() : 0};
    const std::int64_t deepest = training ? std::max(in_, units_) : in_;
    storage.scratch = pairs_ ? kRowsTogether * pairs_of(deepest) : marks_size(deepest);
    if (pairs_ && training) {
      storage.scratch =
          std::max(storage.scratch, paired_weight_gradient_scratch(weights(), kRowsTogether));
    }
    return storage;
  }

  void forward(const ForwardArgs& a) const override { forward_part(a, {}); }

  // A part is some of the units.
  void forward_part(const ForwardArgs& a, Part part) const override {
    const Span columns = whole_panels(units_, part);
    const float* bias = bias_ ? a.parameters + bias_offset() + columns.begin : nullptr;
    multiply(in_, units_, columns, a.rows * rows_, a.x, a.packed, bias, relu_, a.scratch, a.y);
  }

  void backward(const BackwardArgs& a) const override {
    const std::int64_t rows = a.rows * rows_;
    if (relu_) activate_backward(Activation::kRelu, rows, units_, a.y, a.dy, a.dy);
    if (a.gradient != nullptr) {
      if (bias_) bias_gradient(rows, units_, a.dy, a.gradient + bias_offset());
      if (is_late()) {
        keep(a);
      } else if (pairs_) {
        paired_weight_gradient(weights(), rows, kRowsTogether, a.x, a.dy, a.scratch, a.gradient);
      } else {
        weight_gradient(weights(), rows, a.x, a.dy, a.gradient);
      }
    }
    if (a.dx != nullptr) backward_part(a, {});
  }

  bool works_in_parts() const override { return in_ * units_ >= kManyWeights; }

  // A part is some of the inputs.
  void backward_part(const BackwardArgs& a, Part part) const override {
    multiply(units_, in_, whole_panels(in_, part), a.rows * rows_, a.dy,
             a.packed + forward_packed(), nullptr, false, a.scratch, a.dx);
  }

  std::int64_t late_unit() const override { return is_late() ? units_ : 0; }

  void late_gradient(std::int64_t begin, std::int64_t end, std::span<const Kept> kept,
                     std::span<const float* const> next, float* gradient) const override {
    WeightGradientSum<float> sum({row_patch(end - begin), kept_per_row(), units_, units_},
                                 gradient);
    sum.overwrite();
    sum.fetch(next);
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
    if (pairs_) {
      pack_as(tap, begin, end, data_gradient, reinterpret_cast<simd::Pair*>(packed));
    } else {
      pack_as(tap, begin, end, data_gradient, packed);
    }
  }

 private:
  static std::vector<ParameterSpec> specs(std::int64_t in, std::int64_t units, bool bias) {
    std::vector<ParameterSpec> specs{{"kernel", {in, units}}};
    if (bias) specs.push_back({"bias", {units}});
    return specs;
  }

  WeightGradient weights() const { return {row_patch(in_), in_, units_, units_}; }

  // A part of n columns, in whole panels.
  static Span whole_panels(std::int64_t n, Part part) {
    const std::int64_t panels = (n + kPanel - 1) / kPanel;
    const std::int64_t first = part.begin(panels) * kPanel;
    return {first, std::min(part.end(panels) * kPanel, n) - first};
  }

  // Some columns of y = x [rows][depth] * packed weights [depth][n].
  void multiply(std::int64_t depth, std::int64_t n, Span columns, std::int64_t rows, const float* x,
                const float* packed, const float* bias, bool relu, float* scratch, float* y) const {
    if (columns.size <= 0) return;
    packed += columns.begin * items(depth);
    y += columns.begin;
    if (!pairs_) {
      const RowProduct g{depth, columns.size, n};
      return row_product(g, rows, x, packed, bias, relu, reinterpret_cast<Marks*>(scratch), y);
    }
    const PatchProduct g{row_patch(items(depth)), kOnePixel, items(depth), n, columns.size};
    for_paired_images(rows, kRowsTogether, 1, depth, x, scratch,
                      [&](std::int64_t first, std::int64_t count, const simd::Pair* pairs) {
                        patch_product(g, count, pairs, reinterpret_cast<const simd::Pair*>(packed),
                                      bias, relu, y + first * g.y_image);
                      });
  }

  // Where a row of the batch takes part in one product only, and of floats.
  bool is_late() const { return rows_ == 1 && !pairs_; }
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

  template <class Item>
  void pack_as(const Tap& tap, std::int64_t begin, std::int64_t end, bool data_gradient,
               Item* packed) const {
    pack_tap(tap, begin, end, items(in_), 0, packed);
    if (data_gradient) {
      pack_tap_transposed(tap, begin, end, items(units_), 0, packed + forward_packed());
    }
  }

  // Floats that hold the marks of a product.
  static std::int64_t marks_size(std::int64_t depth) {
    constexpr auto kWord = static_cast<std::int64_t>(sizeof(Marks) / sizeof(float));
    return round_up(row_product_marks(depth) * kWord, simd::kLanes);
  }
  // Items of a product that so many channels are.
  std::int64_t items(std::int64_t channels) const { return pairs_ ? pairs_of(channels) : channels; }
  std::int64_t forward_packed() const { return packed_size(items(in_), units_); }
  std::int64_t bias_offset() const { return parameter_stride(in_ * units_); }

  std::int64_t rows_;  // of one row of the batch: the product of the leading axes
  std::int64_t in_;
  std::int64_t units_;
  bool bias_;
  bool relu_;
  bool pairs_;  // products are of pairs of bfloat16
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
  return std::make_unique<Dense>(output, rows, in, units, attributes.boolean("use_bias"), relu,
                                 multiplies_pairs(attributes));
}

}  // namespace convlet
