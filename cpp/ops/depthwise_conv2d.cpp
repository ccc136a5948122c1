// DepthwiseConv2D (+ bias, + ReLU). Several outputs a channel are one output of each of its copies:
// the input's channels are repeated first, and the copies' gradients added up at last.
#include <algorithm>
#include <numeric>

#include "kernels/activations.hpp"
#include "kernels/depthwise_conv2d.hpp"
#include "kernels/weight_gradient.hpp"
#include "ops/convolution.hpp"
#include "ops/factories.hpp"
#include "ops/gradient_phases.hpp"

namespace convlet {
namespace {

// The convolution of the input with each channel `multiplier` times, in as many groups as channels.
Convolution repeated(const Attributes& attributes, Window2D window, std::int64_t multiplier) {
  window.ic = elements({window.ic, multiplier});
  elements({window.ph, window.pw, window.ic});
  return {attributes, window, window.ic, window.ic};
}

// Where the n channels of each of these taps or pixels start.
std::vector<std::int32_t> offsets(const std::vector<std::int64_t>& places, std::int64_t n) {
  std::vector<std::int32_t> offsets;
  for (const std::int64_t place : places) offsets.push_back(static_cast<std::int32_t>(place * n));
  return offsets;
}

std::vector<std::int64_t> all(std::int64_t count) {
  std::vector<std::int64_t> numbers(static_cast<std::size_t>(count));
  std::iota(numbers.begin(), numbers.end(), 0);
  return numbers;
}

class DepthwiseConv2D final : public Op {
 public:
  // The kernel is [kh][kw][ic * multiplier] in memory, whichever shape it has for the user.
  DepthwiseConv2D(const Convolution& convolution, std::int64_t multiplier, Shape kernel)
      : Op({convolution.window.oh, convolution.window.ow, convolution.oc},
           specs(convolution, std::move(kernel))),
        c_(convolution),
        multiplier_(multiplier),
        pad_(c_.window.pad()),
        dz_pad_(pad_of_gradient(c_.window, c_.oc)),
        table_(c_.window, PatchTable::Order::kRows, c_.groups, true),
        phases_(gradient_phases(c_.window, dz_pad_, c_.groups, true)),
        out_(offsets(all(c_.window.oh * c_.window.ow), c_.oc)),
        tap_(offsets(all(c_.taps()), c_.oc)),
        together_(images_together(c_.window.ih * c_.window.iw)) {
    elements({dz_pad_.ph, dz_pad_.pw, dz_pad_.c});
    for (const GradientPhase& phase : phases_) phase_tap_.push_back(offsets(phase.tap, c_.oc));
  }

  Storage storage(bool training) const override {
    const std::int64_t copies = multiplier_ > 1 ? pad_.size() : 0;
    const std::int64_t forward = copies + (c_.window.padded() ? pad_.padded_size() : 0);
    const std::int64_t backward = copies + dz_pad_.padded_size();
    return {.scratch = together_ * (training ? std::max(forward, backward) : forward)};
  }

  double flops() const override {
    return 2.0 * static_cast<double>(elements(output_shape())) * static_cast<double>(c_.taps());
  }

  void forward(const ForwardArgs& a) const override { forward_part(a, {}); }

  // Every part prepares all of x for itself.
  void forward_part(const ForwardArgs& a, Part part) const override {
    const auto out = part.of(out_);
    Patches patches = table_.patches();
    patches.pixel =
        patches.pixel.subspan(static_cast<std::size_t>(part.begin(patches.pixels())), out.size());
    const DepthwiseProduct g{patches, tap_, out, pad_.padded_size(), y_size(), c_.oc};
    for_images(a.rows, [&](std::int64_t row, std::int64_t rows) {
      depthwise_product(g, rows, prepared(rows, a.x + row * x_size(), a.scratch), a.parameters,
                        c_.bias_of(a.parameters), c_.relu, a.y + row * y_size());
    });
  }

  void backward(const BackwardArgs& a) const override {
    if (c_.relu) activate_backward(Activation::kRelu, a.rows, y_size(), a.y, a.dy, a.dy);
    if (a.gradient != nullptr) {
      if (c_.bias) {
        bias_gradient(a.rows * table_.patches().pixels(), c_.oc, a.dy,
                      c_.bias_gradient_of(a.gradient));
      }
      for_images(a.rows, [&](std::int64_t row, std::int64_t rows) {
        const float* x = prepared(rows, a.x + row * x_size(), a.scratch);
        depthwise_weight_gradient(table_.patches(), pad_.padded_size(), c_.oc, rows, x,
                                  a.dy + row * y_size(), a.gradient);
      });
    }
    if (a.dx == nullptr) return;
    for_images(a.rows, [&](std::int64_t row, std::int64_t rows) {
      data_gradient(rows, a.dy + row * y_size(), a.parameters, a.scratch, a.dx + row * x_size());
    });
  }

  // One unit: the kernel is small.
  std::int64_t units() const override { return c_.group_ic(); }
  std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end) const override {
    return c_.unit_spans(begin, end);
  }

 private:
  static std::vector<ParameterSpec> specs(const Convolution& c, Shape kernel) {
    std::vector<ParameterSpec> specs = c.parameters();
    specs.front().shape = std::move(kernel);
    return specs;
  }

  std::int64_t x_size() const { return pad_.size() / multiplier_; }
  std::int64_t y_size() const { return c_.window.oh * c_.window.ow * c_.oc; }

  // f(first image, number of images) for images to work on at once.
  template <class F>
  void for_images(std::int64_t images, F&& f) const {
    for (std::int64_t first = 0; first < images; first += together_) {
      f(first, std::min(together_, images - first));
    }
  }

  // x with its channels repeated and its padding.
  const float* prepared(std::int64_t images, const float* x, float* scratch) const {
    if (multiplier_ > 1) {
      repeat(images * x_size(), multiplier_, x, scratch);
      x = scratch;
      scratch += images * pad_.size();
    }
    if (!c_.window.padded()) return x;
    pad2d(pad_, images, x, scratch);
    return scratch;
  }

  void data_gradient(std::int64_t images, const float* dz, const float* w, float* scratch,
                     float* dx) const {
    float* copies = multiplier_ > 1 ? scratch + images * dz_pad_.padded_size() : dx;
    pad2d(dz_pad_, images, dz, scratch);
    for (std::size_t i = 0; i < phases_.size(); ++i) {
      const GradientPhase& phase = phases_[i];
      const DepthwiseProduct g{{phase.pixel, phase.run, phase.run_length},
                               phase_tap_[i],
                               phase.out,
                               dz_pad_.padded_size(),
                               pad_.size(),
                               c_.oc};
      depthwise_product(g, images, scratch, w, nullptr, false, copies);
    }
    if (multiplier_ > 1) sum_repeated(images * x_size(), multiplier_, copies, dx);
  }

  Convolution c_;  // of the repeated input
  std::int64_t multiplier_;
  Pad2D pad_;
  Pad2D dz_pad_;
  PatchTable table_;
  std::vector<GradientPhase> phases_;
  std::vector<std::int32_t> out_;
  std::vector<std::int32_t> tap_;
  std::vector<std::vector<std::int32_t>> phase_tap_;
  std::int64_t together_;  // images to work on at once
};

}  // namespace

std::unique_ptr<Op> make_depthwise_conv2d(const Attributes& attributes, const Shape& input) {
  const Window2D w = make_window2d(attributes, "kernel_size", input);
  const std::int64_t multiplier = attributes.positive("depth_multiplier");
  return std::make_unique<DepthwiseConv2D>(repeated(attributes, w, multiplier), multiplier,
                                           Shape{w.kh, w.kw, w.ic, multiplier});
}

std::unique_ptr<Op> make_depthwise_conv2d(const Attributes& attributes, const Convolution& c) {
  const std::int64_t multiplier = c.oc / c.window.ic;
  return std::make_unique<DepthwiseConv2D>(repeated(attributes, c.window, multiplier), multiplier,
                                           c.parameters().front().shape);
}

}  // namespace convlet
