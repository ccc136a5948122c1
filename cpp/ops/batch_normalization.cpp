// BatchNormalization (+ ReLU) over the last axis: y = gamma (x - mean) / sqrt(variance + epsilon) +
// beta, in training with mean and biased variance of all pixels of the batch, else with the moving
// ones (Ioffe and Szegedy, 2015, algorithms 1 and 2; the moving averages as in Keras).
#include "kernels/batch_normalization.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/activations.hpp"
#include "ops/factories.hpp"

namespace convlet {
namespace {

struct Settings {
  bool center;
  bool scale;
  bool relu;
  bool synchronized;  // statistics of the rows of all processes that train together
  double momentum;
  double epsilon;
};

class BatchNormalization final : public Op {
 public:
  BatchNormalization(const Shape& shape, const Settings& settings)
      : Op(shape, specs(shape.back(), settings)),
        set_(settings),
        c_(shape.back()),
        pixels_(elements(shape) / c_),
        stride_(parameter_stride(c_)),
        moving_at_((settings.scale ? stride_ : 0) + (settings.center ? stride_ : 0)) {}

  Storage storage(bool) const override {
    return {.scratch = kScratchArrays * stride_, .shared = kSharedArrays * stride_};
  }

  bool needs_whole_batch() const override { return true; }

  void forward_sums(const ForwardArgs& a) const override {
    const Moments own = moments(a.context.team.own());
    if (a.context.share_row == 0) {
      std::fill_n(own.mean, stride_, 0.0F);
      std::fill_n(own.m2, stride_, 0.0F);
    }
    add_moments(a.rows * pixels_, c_, a.x, a.context.share_row * pixels_, own);
  }

  void forward(const ForwardArgs& a) const override {
    Normal n = normal(a.parameters, a.scratch);
    if (of_batch(a.context)) {
      float* own = a.context.team.own();
      if (a.context.share_row == 0) join(a.context.team, a.parameters);
      n.mean = own + kMean * stride_;
      n.scale = own + kScale * stride_;
    }
    normalize(a.rows * pixels_, c_, a.x, n.mean, n.scale, n.shift, set_.relu, a.y);
  }

  void backward_sums(const BackwardArgs& a) const override {
    float* own = a.context.team.own();
    if (a.context.share_row == 0) {
      std::fill_n(own + kSum * stride_, stride_, 0.0F);
      std::fill_n(own + kProduct * stride_, stride_, 0.0F);
    }
    undo_relu(a);
    add_gradient_sums(a.rows * pixels_, c_, a.x, own + kMean * stride_, a.dy, own + kSum * stride_,
                      own + kProduct * stride_);
  }

  void backward(const BackwardArgs& a) const override {
    if (of_batch(a.context)) {
      batch_backward(a);
    } else {
      moving_backward(a);
    }
  }

  bool joins_group() const override { return set_.synchronized; }

  void join_forward_sums(const Team& team, const GroupSum& sum) const override {
    const Moments all = join_moments_of(team, team.shared(0));
    float* sums = team.shared(0) + kOthersSum * stride_;
    const auto own_count = static_cast<float>(team.batch_rows * pixels_);
    const auto count = static_cast<float>(team.group_rows * pixels_);
    for (std::int64_t i = 0; i < c_; ++i) sums[i] = own_count * all.mean[i];
    sum({sums, static_cast<std::size_t>(c_)});
    for (std::int64_t i = 0; i < c_; ++i) {
      const float mean = sums[i] / count;
      const float off = all.mean[i] - mean;
      all.mean[i] = mean;
      all.m2[i] += own_count * off * off;
    }
    sum({all.m2, static_cast<std::size_t>(c_)});
    // As if each share had them.
    for (int share = 0; share < team.size(); ++share) {
      const Moments each = moments(team.shared(share));
      const float part = static_cast<float>(team.rows(share) * pixels_) / count;
      for (std::int64_t i = 0; i < c_; ++i) {
        each.mean[i] = all.mean[i];
        each.m2[i] = all.m2[i] * part;
      }
    }
  }

  void join_backward_sums(const Team& team, const GroupSum& sum) const override {
    float* others = team.shared(0) + kOthersSum * stride_;
    const auto for_each = [&](auto&& f) {
      for (std::int64_t i = 0; i < 2 * stride_; ++i) {
        float own = 0.0F;
        for (int share = 0; share < team.size(); ++share)
          own += team.shared(share)[kSum * stride_ + i];
        others[i] = f(own, others[i]);
      }
    };
    for_each([](float own, float) { return own; });
    sum({others, static_cast<std::size_t>(2 * stride_)});
    for_each([](float own, float all) { return all - own; });
  }

  void update_state(const float* shared, float* parameters) const override {
    const auto keep = static_cast<float>(set_.momentum);
    const auto take = static_cast<float>(1.0 - set_.momentum);
    const auto update = [&](const float* batch, float* moving) {
      for (std::int64_t i = 0; i < c_; ++i) moving[i] = keep * moving[i] + take * batch[i];
    };
    update(shared + kMean * stride_, parameters + moving_at_);
    update(shared + kVariance * stride_, parameters + moving_at_ + stride_);
  }

  std::int64_t units() const override { return moving_at_ > 0 ? 1 : 0; }
  std::vector<Span> unit_spans(std::int64_t, std::int64_t) const override {
    std::vector<Span> spans;
    for (std::int64_t at = 0; at < moving_at_; at += stride_) spans.push_back({at, c_});
    return spans;
  }

 private:
  // Arrays in a worker's shared memory: the share's moments, then what is the same for all: mean,
  // variance, 1 / sqrt(variance + epsilon) and gamma times that; then of the share sum dy and
  // sum dy (x - mean); what backward takes from all shares' sums; and, with the first share, the
  // sums of the other processes.
  enum Shared {
    kShareMean,
    kShareM2,
    kMean,
    kVariance,
    kInverse,
    kScale,
    kSum,
    kProduct,
    kA,
    kB,
    kOthersSum,
    kOthersProduct,
    kSharedArrays
  };
  enum Scratch { kMovingInverse, kMovingScale, kZeros, kMovingSum, kMovingProduct, kScratchArrays };

  struct Normal {
    const float* mean;
    const float* scale;
    const float* shift;
  };

  static std::vector<ParameterSpec> specs(std::int64_t c, const Settings& settings) {
    std::vector<ParameterSpec> specs;
    if (settings.scale) specs.push_back({"gamma", {c}});
    if (settings.center) specs.push_back({"beta", {c}});
    specs.push_back({"moving_mean", {c}, false});
    specs.push_back({"moving_variance", {c}, false});
    return specs;
  }

  static bool of_batch(const Context& context) { return context.training && !context.frozen; }

  Moments moments(float* shared) const {
    return {shared + kShareMean * stride_, shared + kShareM2 * stride_};
  }

  // 1 / sqrt(variance + epsilon), and gamma times that.
  void inverse_and_scale(const float* variance, const float* parameters, float* inverse,
                         float* scale) const {
    const auto epsilon = static_cast<float>(set_.epsilon);
    for (std::int64_t i = 0; i < c_; ++i) {
      inverse[i] = 1.0F / std::sqrt(variance[i] + epsilon);
      scale[i] = set_.scale ? parameters[i] * inverse[i] : inverse[i];
    }
  }

  // With the moving mean and variance; `shift` is right for the batch's, too.
  Normal normal(const float* parameters, float* scratch) const {
    const float* beta = parameters + moving_at_ - stride_;
    const float* mean = parameters + moving_at_;
    float* zeros = scratch + kZeros * stride_;
    float* scale = scratch + kMovingScale * stride_;
    std::fill_n(zeros, stride_, 0.0F);
    inverse_and_scale(mean + stride_, parameters, scratch + kMovingInverse * stride_, scale);
    return {mean, scale, set_.center ? beta : zeros};
  }

  // Those of all shares in their order, into the places for mean and variance of one's memory.
  Moments join_moments_of(const Team& team, float* memory) const {
    const Moments all{memory + kMean * stride_, memory + kVariance * stride_};
    std::fill_n(all.mean, stride_, 0.0F);
    std::fill_n(all.m2, stride_, 0.0F);
    std::int64_t before = 0;
    for (int share = 0; share < team.size(); ++share) {
      const std::int64_t more = team.rows(share) * pixels_;
      join_moments(c_, more, moments(team.shared(share)), before, all);
      before += more;
    }
    return all;
  }

  // Mean and variance of the batch.
  void join(const Team& team, const float* parameters) const {
    float* own = team.own();
    float* variance = join_moments_of(team, own).m2;
    // A process may have no row of a batch.
    const auto count = static_cast<float>(std::max<std::int64_t>(team.batch_rows * pixels_, 1));
    for (std::int64_t i = 0; i < c_; ++i) variance[i] /= count;
    inverse_and_scale(variance, parameters, own + kInverse * stride_, own + kScale * stride_);
  }

  void undo_relu(const BackwardArgs& a) const {
    if (!set_.relu) return;
    activate_backward(Activation::kRelu, a.rows * pixels_, c_, a.y, a.dy, a.dy);
  }

  // dgamma += sum dy (x - mean) / sqrt(variance + epsilon); dbeta += sum dy.
  void add_gradients(const float* sum, const float* product, const float* inverse,
                     float* gradient) const {
    if (gradient == nullptr) return;
    float* dbeta = gradient + moving_at_ - stride_;
    for (std::int64_t i = 0; i < c_; ++i) {
      if (set_.scale) gradient[i] += product[i] * inverse[i];
      if (set_.center) dbeta[i] += sum[i];
    }
  }

  // dx = scale (dy - mean dy - (x - mean) inverse^2 mean(dy (x - mean))), means over the batch.
  void batch_backward(const BackwardArgs& a) const {
    float* own = a.context.team.own();
    const float* inverse = own + kInverse * stride_;
    if (a.context.share_row == 0) {
      add_gradients(own + kSum * stride_, own + kProduct * stride_, inverse, a.gradient);
      join_sums(a.context.team);
    }
    if (a.dx == nullptr) return;
    normalize_backward(a.rows * pixels_, c_, a.x, own + kMean * stride_, own + kScale * stride_,
                       own + kA * stride_, own + kB * stride_, a.dy, a.dx);
  }

  void join_sums(const Team& team) const {
    float* own = team.own();
    const float* inverse = own + kInverse * stride_;
    float* first = own + kA * stride_;
    float* second = own + kB * stride_;
    // Zero where there are none: nobody else writes there.
    std::copy_n(team.shared(0) + kOthersSum * stride_, 2 * stride_, first);
    for (int share = 0; share < team.size(); ++share) {
      const float* sum = team.shared(share) + kSum * stride_;
      const float* product = team.shared(share) + kProduct * stride_;
      for (std::int64_t i = 0; i < c_; ++i) {
        first[i] += sum[i];
        second[i] += product[i];
      }
    }
    const std::int64_t rows = set_.synchronized ? team.group_rows : team.batch_rows;
    const float one_of = 1.0F / static_cast<float>(rows * pixels_);
    for (std::int64_t i = 0; i < c_; ++i) {
      const float factor = one_of * own[kScale * stride_ + i];
      first[i] *= factor;
      second[i] *= factor * inverse[i] * inverse[i];
    }
  }

  void moving_backward(const BackwardArgs& a) const {
    undo_relu(a);
    const Normal n = normal(a.parameters, a.scratch);
    const float* zeros = a.scratch + kZeros * stride_;
    if (a.gradient != nullptr) {
      float* sum = a.scratch + kMovingSum * stride_;
      float* product = a.scratch + kMovingProduct * stride_;
      std::fill_n(sum, stride_, 0.0F);
      std::fill_n(product, stride_, 0.0F);
      add_gradient_sums(a.rows * pixels_, c_, a.x, n.mean, a.dy, sum, product);
      add_gradients(sum, product, a.scratch + kMovingInverse * stride_, a.gradient);
    }
    if (a.dx != nullptr) {
      normalize(a.rows * pixels_, c_, a.dy, zeros, n.scale, zeros, false, a.dx);
    }
  }

  Settings set_;
  std::int64_t c_;
  std::int64_t pixels_;     // of one row of the batch: the product of the axes before the last
  std::int64_t stride_;     // of the arrays of one value a channel
  std::int64_t moving_at_;  // where the parameters that are not trained begin
};

}  // namespace

std::unique_ptr<Op> make_batch_normalization(const Attributes& attributes, const Shape& input) {
  if (input.empty() || elements(input) == 0) {
    throw ValueError(
        "BatchNormalization needs inputs of at least two dimensions, none of them zero. Received: "
        "inputs shape=" +
        batch_string(input));
  }
  return std::make_unique<BatchNormalization>(
      input,
      Settings{.center = attributes.boolean("center"),
               .scale = attributes.boolean("scale"),
               .relu = attributes.text_or("activation", "linear") == "relu",
               .synchronized = attributes.has("synchronized") && attributes.boolean("synchronized"),
               .momentum = attributes.number("momentum"),
               .epsilon = attributes.number("epsilon")});
}

}  // namespace convlet
