// Conv2D (+ bias, + ReLU).
#include "kernels/activations.hpp"
#include "kernels/tile.hpp"
#include "kernels/weight_gradient.hpp"
#include "ops/convolution.hpp"
#include "ops/factories.hpp"

namespace convlet {
namespace {

class Conv2D final : public Op {
 public:
  explicit Conv2D(const Convolution& convolution)
      : Op({convolution.window.oh, convolution.window.ow, convolution.oc},
           convolution.parameters()),
        c_(convolution),
        pad_(c_.window.pad()),
        table_(c_.window, PatchTable::Order::kRows),
        data_gradient_(c_),
        forward_packed_(packed_size(c_.depth(), c_.oc)) {
    for (std::int64_t p = 0; p < c_.window.oh * c_.window.ow; ++p) {
      out_.push_back(static_cast<std::int32_t>(p * c_.oc));
    }
  }

  Storage storage(bool training) const override {
    const std::int64_t padded = c_.window.padded() ? pad_.padded_size() : 0;
    if (!training) return {.packed = forward_packed_, .scratch = padded};
    return {.packed = forward_packed_ + data_gradient_.packed_size(),
            .saved_per_row = padded,
            .scratch = data_gradient_.scratch_size()};
  }

  void forward(const ForwardArgs& a) const override {
    const float* bias = c_.bias_of(a.parameters);
    if (!c_.window.padded()) {
      patch_product(product(), a.rows, a.x, a.packed, bias, c_.relu, a.y);
    } else if (a.saved != nullptr) {
      pad2d(pad_, a.rows, a.x, a.saved);
      patch_product(product(), a.rows, a.saved, a.packed, bias, c_.relu, a.y);
    } else {
      for (std::int64_t row = 0; row < a.rows; ++row) {
        pad2d(pad_, 1, a.x + row * pad_.size(), a.scratch);
        patch_product(product(), 1, a.scratch, a.packed, bias, c_.relu, a.y + row * y_size());
      }
    }
  }

  void backward(const BackwardArgs& a) const override {
    if (c_.relu) activate_backward(Activation::kRelu, a.rows, y_size(), a.y, a.dy, a.dy);
    if (c_.bias)
      bias_gradient(a.rows * c_.window.oh * c_.window.ow, c_.oc, a.dy,
                    c_.bias_gradient_of(a.gradient));
    const float* x = c_.window.padded() ? a.saved : a.x;
    weight_gradient({table_.patches(), pad_.padded_size(), c_.oc}, a.rows, x, a.dy, a.gradient);
    if (a.dx != nullptr) data_gradient_(a.rows, a.packed + forward_packed_, a.dy, a.scratch, a.dx);
  }

  std::int64_t units() const override { return c_.window.ic; }
  std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end) const override {
    return c_.unit_spans(begin, end);
  }
  void pack(std::int64_t begin, std::int64_t end, const float* parameters, bool training,
            float* packed) const override {
    c_.pack_forward(begin, end, parameters, packed);
    if (training) data_gradient_.pack(begin, end, parameters, packed + forward_packed_);
  }

 private:
  std::int64_t y_size() const { return c_.window.oh * c_.window.ow * c_.oc; }
  PatchProduct product() const {
    return {table_.patches(), out_, pad_.padded_size(), y_size(), c_.oc};
  }

  Convolution c_;
  Pad2D pad_;
  PatchTable table_;
  DataGradient data_gradient_;
  std::int64_t forward_packed_;
  std::vector<std::int32_t> out_;
};

}  // namespace

std::unique_ptr<Op> make_conv2d(const Attributes& attributes, const Shape& input) {
  return std::make_unique<Conv2D>(Convolution(attributes, input));
}

}  // namespace convlet
