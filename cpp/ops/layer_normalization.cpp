// LayerNormalization over the last axes: y = gamma (x - mean) / sqrt(variance + epsilon) + beta
// with mean and biased variance of each stretch of them (Ba, Kiros and Hinton, 2016); with
// `rms_scaling`, as in Keras, y = gamma x / sqrt(variance + epsilon).
#include <algorithm>

#include "kernels/row_normalization.hpp"
#include "ops/factories.hpp"
#include "ops/last_axes.hpp"

namespace convlet {
namespace {

struct Settings {
  bool center;
  bool scale;
  bool rms_scaling;
  double epsilon;
};

class LayerNormalization final : public Op {
 public:
  // inner: the axes that are normalized.
  LayerNormalization(const Shape& shape, const Shape& inner, const Settings& settings)
      : Op(shape, specs(inner, settings)),
        set_(settings),
        normal_{elements(inner), static_cast<float>(settings.epsilon), settings.rms_scaling},
        stride_(parameter_stride(normal_.n)),
        stretches_(elements(shape) / normal_.n) {}

  Storage storage(bool training) const override {
    // Mean and inverse deviation of each stretch; what stands for weights that are not there.
    return {.saved_per_row = training ? 2 * stretches_ : 0, .scratch = 2 * stride_};
  }

  void forward(const ForwardArgs& a) const override {
    const Weights w = weights(a.parameters, a.scratch);
    normalize_rows(normal_, a.rows * stretches_, a.x, w.gamma, w.beta, a.saved, a.y);
  }

  void backward(const BackwardArgs& a) const override {
    const std::int64_t stretches = a.rows * stretches_;
    if (a.gradient != nullptr) {
      add_row_gradients(normal_, stretches, a.x, a.saved, a.dy, set_.scale ? a.gradient : nullptr,
                        set_.center ? a.gradient + beta_at() : nullptr);
    }
    if (a.dx == nullptr) return;
    const Weights w = weights(a.parameters, a.scratch);
    normalize_rows_backward(normal_, stretches, a.x, w.gamma, a.saved, a.dy, a.dx);
  }

  std::int64_t units() const override { return parameters().empty() ? 0 : 1; }
  std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end) const override {
    std::vector<Span> spans;
    if (begin == end) return spans;
    if (set_.scale) spans.push_back({0, normal_.n});
    if (set_.center) spans.push_back({beta_at(), normal_.n});
    return spans;
  }

 private:
  struct Weights {
    const float* gamma;
    const float* beta;
  };

  static std::vector<ParameterSpec> specs(const Shape& inner, const Settings& settings) {
    std::vector<ParameterSpec> specs;
    if (settings.scale) specs.push_back({"gamma", inner});
    if (settings.center) specs.push_back({"beta", inner});
    return specs;
  }

  std::int64_t beta_at() const { return set_.scale ? stride_ : 0; }

  Weights weights(const float* parameters, float* scratch) const {
    float* ones = scratch;
    float* zeros = scratch + stride_;
    if (!set_.scale) std::fill_n(ones, normal_.n, 1.0F);
    if (!set_.center) std::fill_n(zeros, normal_.n, 0.0F);
    return {set_.scale ? parameters : ones, set_.center ? parameters + beta_at() : zeros};
  }

  Settings set_;
  RowNormalization normal_;
  std::int64_t stride_;     // of the arrays of one value an element of a stretch
  std::int64_t stretches_;  // in one row of the batch
};

}  // namespace

std::unique_ptr<Op> make_layer_normalization(const Attributes& attributes, const Shape& input) {
  return std::make_unique<LayerNormalization>(
      input, last_axes("LayerNormalization", attributes, input),
      Settings{.center = attributes.boolean("center"),
               .scale = attributes.boolean("scale"),
               .rms_scaling = attributes.boolean("rms_scaling"),
               .epsilon = attributes.number("epsilon")});
}

}  // namespace convlet
