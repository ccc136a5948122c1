// GroupNormalization over the last axis: y = gamma (x - mean) / sqrt(variance + epsilon) + beta
// with mean and biased variance of each group of neighbouring channels of each row (Wu and He,
// 2018).
#include <algorithm>
#include <cmath>

#include "kernels/batch_normalization.hpp"
#include "ops/factories.hpp"

namespace convlet {
namespace {

struct Settings {
  std::int64_t groups;
  bool center;
  bool scale;
  double epsilon;
};

class GroupNormalization final : public Op {
 public:
  GroupNormalization(const Shape& shape, const Settings& settings)
      : Op(shape, specs(shape.back(), settings)),
        set_(settings),
        c_(shape.back()),
        in_group_(c_ / settings.groups),
        pixels_(elements(shape) / c_),
        stride_(parameter_stride(c_)) {}

  Storage storage(bool training) const override {
    return {.saved_per_row = training ? kSavedArrays * stride_ : 0,
            .scratch = kScratchArrays * stride_};
  }

  void forward(const ForwardArgs& a) const override {
    for (std::int64_t row = 0; row < a.rows; ++row) {
      const std::int64_t at = row * pixels_ * c_;
      float* of_row =
          a.saved != nullptr ? a.saved + row * kSavedArrays * stride_ : a.scratch + kMean * stride_;
      compute_statistics(a.x + at, a.scratch, of_row);
      const float* scale = fill_scale(a.parameters, of_row + stride_, a.scratch);
      normalize(pixels_, c_, a.x + at, of_row, scale, fill_shift(a.parameters, a.scratch), false,
                a.y + at);
    }
  }

  void backward(const BackwardArgs& a) const override {
    for (std::int64_t row = 0; row < a.rows; ++row) {
      const std::int64_t at = row * pixels_ * c_;
      const float* mean = a.saved + row * kSavedArrays * stride_;
      const float* inverse = mean + stride_;
      float* sum = a.scratch + kFirst * stride_;
      float* product = a.scratch + kSecond * stride_;
      std::fill_n(sum, stride_, 0.0F);
      std::fill_n(product, stride_, 0.0F);
      add_gradient_sums(pixels_, c_, a.x + at, mean, a.dy + at, sum, product);
      add_gradients(sum, product, inverse, a.gradient);
      if (a.dx == nullptr) continue;
      const float* scale = fill_scale(a.parameters, inverse, a.scratch);
      join_sums(scale, inverse, sum, product);
      normalize_backward(pixels_, c_, a.x + at, mean, scale, sum, product, a.dy + at, a.dx + at);
    }
  }

  std::int64_t units() const override { return parameters().empty() ? 0 : 1; }
  std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end) const override {
    std::vector<Span> spans;
    if (begin == end) return spans;
    if (set_.scale) spans.push_back({0, c_});
    if (set_.center) spans.push_back({beta_at(), c_});
    return spans;
  }

 private:
  // Arrays of one value a channel. Saved of each row: its group's mean and inverse deviation.
  static constexpr std::int64_t kSavedArrays = 2;
  // kMean and kInverse stand in for those where nobody saves them; kFirst and kSecond are the
  // moments of the channels in forward, sums over the pixels in backward.
  enum Scratch { kFirst, kSecond, kScale, kShift, kMean, kInverse, kScratchArrays };

  static std::vector<ParameterSpec> specs(std::int64_t c, const Settings& settings) {
    std::vector<ParameterSpec> specs;
    if (settings.scale) specs.push_back({"gamma", {c}});
    if (settings.center) specs.push_back({"beta", {c}});
    return specs;
  }

  std::int64_t beta_at() const { return set_.scale ? stride_ : 0; }

  // For each channel its group's mean and, behind them, inverse deviation.
  void compute_statistics(const float* x, float* scratch, float* mean) const {
    const Moments moments{scratch + kFirst * stride_, scratch + kSecond * stride_};
    std::fill_n(moments.mean, stride_, 0.0F);
    std::fill_n(moments.m2, stride_, 0.0F);
    add_moments(pixels_, c_, x, 0, moments);
    const auto pixels = static_cast<float>(pixels_);
    const auto channels = static_cast<float>(in_group_);
    for (std::int64_t first = 0; first < c_; first += in_group_) {
      float center = 0.0F;
      for (std::int64_t i = 0; i < in_group_; ++i) center += moments.mean[first + i];
      center /= channels;
      // The channels' own variances and that of their means.
      float m2 = 0.0F;
      for (std::int64_t i = first; i < first + in_group_; ++i) {
        const float apart = moments.mean[i] - center;
        m2 += moments.m2[i] + pixels * apart * apart;
      }
      const float variance = m2 / (pixels * channels);
      const float inverse = 1.0F / std::sqrt(variance + static_cast<float>(set_.epsilon));
      std::fill_n(mean + first, in_group_, center);
      std::fill_n(mean + stride_ + first, in_group_, inverse);
    }
  }

  // gamma inverse.
  const float* fill_scale(const float* parameters, const float* inverse, float* scratch) const {
    if (!set_.scale) return inverse;
    float* scale = scratch + kScale * stride_;
    for (std::int64_t i = 0; i < c_; ++i) scale[i] = parameters[i] * inverse[i];
    return scale;
  }

  const float* fill_shift(const float* parameters, float* scratch) const {
    if (set_.center) return parameters + beta_at();
    std::fill_n(scratch + kShift * stride_, stride_, 0.0F);
    return scratch + kShift * stride_;
  }

  // dgamma += sum dy (x - mean) inverse; dbeta += sum dy.
  void add_gradients(const float* sum, const float* product, const float* inverse,
                     float* gradient) const {
    if (gradient == nullptr) return;
    float* dbeta = gradient + beta_at();
    for (std::int64_t i = 0; i < c_; ++i) {
      if (set_.scale) gradient[i] += product[i] * inverse[i];
      if (set_.center) dbeta[i] += sum[i];
    }
  }

  // From each channel's sum dy and sum dy (x - mean), in place, its group's a and b of dx = scale
  // dy - a - b (x - mean): the means of scale dy and of scale dy (x - mean) inverse^2.
  void join_sums(const float* scale, const float* inverse, float* sum, float* product) const {
    const float one_of = 1.0F / static_cast<float>(pixels_ * in_group_);
    for (std::int64_t first = 0; first < c_; first += in_group_) {
      float a = 0.0F;
      float b = 0.0F;
      for (std::int64_t i = first; i < first + in_group_; ++i) {
        a += scale[i] * sum[i];
        b += scale[i] * product[i];
      }
      std::fill_n(sum + first, in_group_, a * one_of);
      std::fill_n(product + first, in_group_, b * one_of * inverse[first] * inverse[first]);
    }
  }

  Settings set_;
  std::int64_t c_;
  std::int64_t in_group_;  // channels
  std::int64_t pixels_;    // of one row of the batch: the product of the axes before the last
  std::int64_t stride_;    // of the arrays of one value a channel
};

}  // namespace

std::unique_ptr<Op> make_group_normalization(const Attributes& attributes, const Shape& input) {
  if (input.empty() || elements(input) == 0) {
    throw ValueError(
        "GroupNormalization needs inputs of at least two dimensions, none of them zero. Received: "
        "inputs shape=" +
        batch_string(input));
  }
  const std::int64_t groups = attributes.positive("groups");
  const std::string channels = "number of channels (" + std::to_string(input.back()) + ").";
  const std::string number = "Number of groups (" + std::to_string(groups) + ") ";
  if (groups > input.back()) throw ValueError(number + "cannot be more than the " + channels);
  if (input.back() % groups != 0)
    throw ValueError(number + "must be a multiple of the " + channels);
  return std::make_unique<GroupNormalization>(input,
                                              Settings{.groups = groups,
                                                       .center = attributes.boolean("center"),
                                                       .scale = attributes.boolean("scale"),
                                                       .epsilon = attributes.number("epsilon")});
}

}  // namespace convlet
