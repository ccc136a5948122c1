// Conv2DTranspose (+ bias, + ReLU): the gradient of a convolution with respect to its data. What is
// an input here is the output of that convolution, and its data gradient is the convolution itself.
#include <algorithm>

#include "kernels/activations.hpp"
#include "kernels/weight_gradient.hpp"
#include "ops/convolution.hpp"
#include "ops/factories.hpp"

namespace convlet {
namespace {

struct Axis {
  std::int64_t out;
  std::int64_t before;
  std::int64_t padded;
};

// k: the extent of the window. Without an output padding (-1) "valid" keeps whatever the windows
// and the strides cover, and "same" makes `in` times the stride.
Axis make_axis(std::int64_t in, std::int64_t k, std::int64_t s, bool same,
               std::int64_t output_padding) {
  const std::int64_t begin = (in - 1) * s;  // of the last window
  if (!same) {
    const std::int64_t out = begin + (output_padding < 0 ? std::max(k, s) : k + output_padding);
    return {out, 0, out};
  }
  const std::int64_t out = output_padding < 0 ? in * s : begin + k % 2 + output_padding;
  const std::int64_t total = std::max<std::int64_t>(begin + k - out, 0);
  return {out, total / 2, out + total};
}

Shape output_padding_of(const Attributes& attributes) {
  if (!attributes.has("output_padding")) return {-1, -1};
  const Shape padding = attributes.integers("output_padding");
  const Shape strides = attributes.positive_pair("strides");
  if (padding.size() != 2 || std::min(padding[0], padding[1]) < 0 || padding[0] >= strides[0] ||
      padding[1] >= strides[1]) {
    throw ValueError(
        "`output_padding` must be two integers from 0 to below the strides. Received: "
        "output_padding=" +
        tuple_string(padding) + ", strides=" + tuple_string(strides));
  }
  return padding;
}

// The convolution's window: its input is this op's output of `filters` channels. The checks of the
// attributes are those of any window; one cell fits into every image.
Window2D window_of(const Attributes& attributes, const Shape& input) {
  Attributes one_cell = attributes;
  one_cell.set("kernel_size", Shape{1, 1});
  Window2D w = make_window2d(one_cell, "kernel_size", input);
  const Shape k = attributes.positive_pair("kernel_size");
  const Shape p = output_padding_of(attributes);
  const bool same = attributes.text("padding") == "same";
  const Axis y = make_axis(input[0], extent(k[0], w.dh), w.sh, same, p[0]);
  const Axis x = make_axis(input[1], extent(k[1], w.dw), w.sw, same, p[1]);
  if (y.out <= 0 || x.out <= 0) {
    throw ValueError("Computed output size would be zero or negative. Received `inputs shape=" +
                     batch_string(input) + "`, `kernel_size=" + tuple_string(k) +
                     "`, `output_padding=" + tuple_string(p) + "`");
  }
  const std::int64_t filters = attributes.positive("filters");
  elements({y.padded, x.padded, filters});  // offsets into the padded image fit
  return {y.out,    x.out,    filters,  k[0],     k[1],     w.sh, w.sw, input[0],
          input[1], y.before, x.before, y.padded, x.padded, w.dh, w.dw};
}

class Conv2DTranspose final : public Op {
 public:
  explicit Conv2DTranspose(const Convolution& convolution)
      : Op({convolution.window.ih, convolution.window.iw, convolution.window.ic},
           specs(convolution)),
        c_(convolution),
        pad_(c_.window.pad()),
        table_(c_.window, PatchTable::Order::kRows, 1),
        product_(c_),
        together_(images_together(c_.window.oh * c_.window.ow)) {
    for (std::int64_t i = 0; i < c_.window.oh * c_.window.ow; ++i) {
      out_.push_back(static_cast<std::int32_t>(i * c_.oc));
    }
  }

  Storage storage(bool training) const override {
    Storage storage{.packed = product_.packed_size(), .scratch = product_.scratch_size()};
    if (!training) return storage;
    storage.packed += c_.packed_size();
    if (c_.window.padded()) {
      storage.scratch = std::max(storage.scratch, together_ * pad_.padded_size());
    }
    return storage;
  }

  double flops() const override {
    return 2.0 * static_cast<double>(c_.window.oh * c_.window.ow) *
           static_cast<double>(c_.kernel_size());
  }

  void forward(const ForwardArgs& a) const override { forward_part(a, {}); }

  void forward_part(const ForwardArgs& a, Part part) const override {
    const float* bias = c_.bias_of(a.parameters);
    product_(a.rows, a.packed, a.x, bias, c_.relu, part, a.scratch, a.y);
  }

  void backward(const BackwardArgs& a) const override {
    if (c_.relu) activate_backward(Activation::kRelu, a.rows, pad_.size(), a.y, a.dy, a.dy);
    if (a.gradient != nullptr && c_.bias) {
      bias_gradient(a.rows * pad_.h * pad_.w, pad_.c, a.dy, c_.bias_gradient_of(a.gradient));
    }
    if (a.gradient == nullptr && a.dx == nullptr) return;
    for (std::int64_t row = 0; row < a.rows; row += together_) {
      gradients(a, row, std::min(together_, a.rows - row));
    }
  }

  // Units of the parameters are filters; the bias goes with the last one.
  std::int64_t units() const override { return c_.group_ic(); }
  std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end) const override {
    return c_.unit_spans(begin, end, c_.window.ic);
  }

  void pack(std::int64_t begin, std::int64_t end, const float* parameters, bool data_gradient,
            float* packed) const override {
    product_.pack(begin, end, parameters, packed);
    if (data_gradient) c_.pack_forward(begin, end, parameters, packed + product_.packed_size());
  }

 private:
  static std::vector<ParameterSpec> specs(const Convolution& c) {
    std::vector<ParameterSpec> specs = c.parameters();
    if (c.bias) specs.back().shape = {c.window.ic};
    return specs;
  }

  // Of some images: those of the kernel and the data, both from the padded dy.
  void gradients(const BackwardArgs& a, std::int64_t row, std::int64_t rows) const {
    const std::int64_t x_size = c_.window.oh * c_.window.ow * c_.oc;
    const float* dy = a.dy + row * pad_.size();
    if (c_.window.padded()) {
      pad2d(pad_, rows, dy, a.scratch);
      dy = a.scratch;
    }
    if (a.gradient != nullptr) {
      const WeightGradient g{table_.patches(), pad_.padded_size(), c_.oc, c_.oc};
      weight_gradient(g, rows, dy, a.x + row * x_size, a.gradient);
    }
    if (a.dx != nullptr) {
      const PatchProduct g{table_.patches(), out_, pad_.padded_size(), x_size, c_.oc};
      patch_product(g, rows, dy, a.packed + product_.packed_size(), nullptr, false,
                    a.dx + row * x_size);
    }
  }

  Convolution c_;  // from this op's output to its input; but bias and ReLU are this op's
  Pad2D pad_;
  PatchTable table_;
  DataGradient product_;
  std::vector<std::int32_t> out_;
  std::int64_t together_;  // images to work on at once
};

}  // namespace

std::unique_ptr<Op> make_conv2d_transpose(const Attributes& attributes, const Shape& input) {
  const Window2D window = window_of(attributes, input);
  return std::make_unique<Conv2DTranspose>(Convolution(attributes, window, input.back(), 1));
}

}  // namespace convlet
