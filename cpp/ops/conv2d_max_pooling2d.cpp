// Conv2D (+ bias, + ReLU) and the 2x2 max pooling behind it as one step. Forward keeps a window's
// four sums in registers and computes no pixel that pooling drops; backward visits only the pixel
// that won each window.
#include <algorithm>

#include "kernels/activations.hpp"
#include "kernels/pack.hpp"
#include "kernels/tile.hpp"
#include "kernels/weight_gradient.hpp"
#include "ops/convolution.hpp"
#include "ops/factories.hpp"

namespace convlet {
namespace {

class Conv2DMaxPooling2D final : public Op {
 public:
  explicit Conv2DMaxPooling2D(const Convolution& convolution)
      : Op({convolution.window.oh / 2, convolution.window.ow / 2, convolution.oc},
           convolution.parameters()),
        c_(convolution),
        pad_(c_.window.pad()),
        windows_((c_.window.oh / 2) * (c_.window.ow / 2)),
        table_(c_.window, PatchTable::Order::kWindows),
        forward_packed_(packed_size(c_.depth(), c_.oc)),
        row_(sparse_row(table_.patches())),
        few_taps_(c_.depth() <= kTileRows) {
    for (std::int64_t q = 0; q < windows_; ++q)
      out_.push_back(static_cast<std::int32_t>(q * c_.oc));
  }

  Storage storage(bool training) const override {
    const std::int64_t padded = c_.window.padded() ? pad_.padded_size() : 0;
    if (!training) return {.packed = forward_packed_, .scratch = padded};
    return {
        .packed = forward_packed_ + c_.oc * row_,
        .saved_per_row = argmax_size() + padded,
        .scratch = padded + std::max(list_size(c_.oc, windows_), list_size(4 * windows_, c_.oc)),
        .workspace = few_taps_ ? 0 : c_.oc * row_};
  }

  void forward(const ForwardArgs& a) const override {
    const float* bias = c_.bias_of(a.parameters);
    const PatchProduct product{table_.patches(), out_, pad_.padded_size(), y_size(), c_.oc};
    auto* argmax = reinterpret_cast<std::uint8_t*>(a.saved);
    if (!c_.window.padded()) {
      patch_product_max4(product, a.rows, a.x, a.packed, bias, c_.relu, a.y, argmax);
    } else if (a.saved != nullptr) {
      float* padded = a.saved + a.rows * argmax_size();
      pad2d(pad_, a.rows, a.x, padded);
      patch_product_max4(product, a.rows, padded, a.packed, bias, c_.relu, a.y, argmax);
    } else {
      for (std::int64_t row = 0; row < a.rows; ++row) {
        pad2d(pad_, 1, a.x + row * pad_.size(), a.scratch);
        patch_product_max4(product, 1, a.scratch, a.packed, bias, c_.relu, a.y + row * y_size(),
                           nullptr);
      }
    }
  }

  void backward(const BackwardArgs& a) const override {
    if (c_.relu) activate_backward(Activation::kRelu, a.rows, y_size(), a.y, a.dy, a.dy);
    if (c_.bias) bias_gradient(a.rows * windows_, c_.oc, a.dy, c_.bias_gradient_of(a.gradient));
    const float* x = c_.window.padded() ? a.saved + a.rows * argmax_size() : a.x;
    const auto* argmax = reinterpret_cast<const std::uint8_t*>(a.saved);
    if (few_taps_) {
      weight_gradient_max4({table_.patches(), pad_.padded_size(), c_.oc}, a.rows, x, a.dy, argmax,
                           a.gradient);
    }
    for (std::int64_t row = 0; row < a.rows; ++row) {
      const Max4Gradient dz{windows_, c_.oc, a.dy + row * y_size(), argmax + row * y_size()};
      if (!few_taps_) sparse_weights(dz, x + row * pad_.padded_size(), a.scratch, a.workspace);
      if (a.dx != nullptr)
        sparse_data(dz, a.packed + forward_packed_, a.scratch, a.dx + row * pad_.size());
    }
  }

  void finish_gradient(float* workspace, float* gradient) const override {
    if (few_taps_) return;
    const Window2D& w = c_.window;
    const std::int64_t run = padded_run(table_.patches());
    for (std::int64_t tap = 0; tap < c_.taps(); ++tap) {
      const float* rows = workspace + tap / w.kw * run + tap % w.kw * w.ic;
      add_transposed(rows, row_, w.ic, c_.oc, gradient + tap * w.ic * c_.oc);
    }
    std::fill_n(workspace, c_.oc * row_, 0.0F);
  }

  std::int64_t units() const override { return c_.window.ic; }
  std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end) const override {
    return c_.unit_spans(begin, end);
  }

  void pack(std::int64_t begin, std::int64_t end, const float* parameters, bool training,
            float* packed) const override {
    c_.pack_forward(begin, end, parameters, packed);
    if (!training) return;
    const Window2D& w = c_.window;
    const std::int64_t run = padded_run(table_.patches());
    for (std::int64_t tap = 0; tap < c_.taps(); ++tap) {
      float* rows = packed + forward_packed_ + tap / w.kw * c_.oc * run + tap % w.kw * w.ic;
      transpose_tap({parameters + tap * w.ic * c_.oc, w.ic, c_.oc}, begin, end, run, rows);
    }
  }

 private:
  std::int64_t y_size() const { return windows_ * c_.oc; }
  std::int64_t argmax_size() const { return (y_size() + 3) / 4; }  // one byte each, in floats

  static std::int64_t list_capacity(std::int64_t longest) { return longest + simd::kLanes; }
  static std::int64_t list_size(std::int64_t lists, std::int64_t longest) {
    return lists * (2 * list_capacity(longest) + 1);
  }
  static NonZeroLists lists_in(float* scratch, std::int64_t lists, std::int64_t longest) {
    const std::int64_t capacity = list_capacity(longest);
    auto* at = reinterpret_cast<std::int32_t*>(scratch + lists * capacity);
    return {scratch, at, at + lists * capacity, capacity};
  }

  void sparse_weights(const Max4Gradient& dz, const float* x, float* scratch,
                      float* workspace) const {
    const Patches patches = table_.patches();
    const NonZeroLists lists = lists_in(scratch, c_.oc, windows_);
    list_by_channel(dz, patches.pixel, lists);
    sparse_weight_gradient(patches, c_.oc, lists, x, workspace);
  }

  // Into the padded image, where there is one, and from there into dx.
  void sparse_data(const Max4Gradient& dz, const float* weights, float* scratch, float* dx) const {
    const Patches patches = table_.patches();
    const bool padded = c_.window.padded();
    float* image = padded ? scratch : dx;
    const NonZeroLists lists =
        lists_in(padded ? scratch + pad_.padded_size() : scratch, 4 * windows_, c_.oc);
    list_by_pixel(dz, static_cast<std::int32_t>(padded_run(patches)), lists);
    std::fill_n(image, pad_.padded_size(), 0.0F);
    sparse_data_gradient(patches, c_.oc, lists, weights, image);
    if (padded) crop2d(pad_, 1, image, dx);
  }

  Convolution c_;
  Pad2D pad_;
  std::int64_t windows_;
  PatchTable table_;
  std::int64_t forward_packed_;
  std::int64_t row_;  // floats of one channel's weights in the sparse kernels' order
  bool few_taps_;     // all of a channel's taps fit one register tile
  std::vector<std::int32_t> out_;
};

}  // namespace

std::unique_ptr<Op> make_conv2d_max_pooling2d(const Attributes& attributes, const Shape& input) {
  return std::make_unique<Conv2DMaxPooling2D>(Convolution(attributes, input));
}

}  // namespace convlet
