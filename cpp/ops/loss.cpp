#include "ops/loss.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/activations.hpp"
#include "kernels/crossentropy.hpp"
#include "kernels/pointwise_loss.hpp"
#include "kernels/vector_loss.hpp"

namespace convlet {
namespace {

// A class of 32-bit labels.
std::int32_t label_from(const Attributes& attributes, const std::string& name) {
  const std::int64_t label = attributes.integer(name);
  if (label == static_cast<std::int32_t>(label)) return static_cast<std::int32_t>(label);
  throw ValueError("`" + name + "` must be an integer of 32 bits. Received: " + name + "=" +
                   std::to_string(label));
}

class Crossentropy final : public Criterion {
 public:
  Crossentropy(const Shape& output, const Attributes& attributes, bool labels)
      : Criterion(output), labels_(labels), from_logits_(attributes.boolean("from_logits")) {
    if (labels) {
      if (attributes.has("ignore_class")) ignored_ = label_from(attributes, "ignore_class");
      return;
    }
    const auto smoothing = static_cast<float>(attributes.number_or("label_smoothing", 0.0));
    keep_ = 1.0F - smoothing;
    add_ = smoothing / static_cast<float>(width());
  }

  bool wants_labels() const override { return labels_; }
  bool reads_logits() const override { return true; }
  std::optional<std::int32_t> ignored_class() const override { return ignored_; }

 protected:
  float at(const Position& p) const override {
    if (p.target == nullptr && ignored_ == p.label) return ignore(p);
    const ClassTarget target{p.target, p.label, keep_, add_};
    if (p.tail == Tail::kSoftmax)
      return softmax_crossentropy(p.n, p.y, target, p.scale, p.finish ? p.y : nullptr, p.dy);
    if (p.tail == Tail::kNone && !from_logits_)
      return probability_crossentropy(p.n, p.y, target, p.scale, p.dy);
    const float loss = softmax_crossentropy(p.n, p.y, target, p.scale, nullptr, p.dy);
    if (p.finish) apply_tail(p.tail, 1, p.n, p.y);
    return loss;
  }

 private:
  float ignore(const Position& p) const {
    for (std::int64_t i = 0; p.dy != nullptr && i < p.n; ++i) p.dy[i] = 0.0F;
    if (p.finish) apply_tail(p.tail, 1, p.n, p.y);
    return 0.0F;
  }

  bool labels_;
  bool from_logits_;
  std::optional<std::int32_t> ignored_;
  float keep_ = 1.0F;
  float add_ = 0.0F;
};

// A mean over the last axis, or (divergence) a sum.
class PointwiseLoss final : public Criterion {
 public:
  // `of_logits`: what computes the same from logits, or `function` itself.
  PointwiseLoss(const Shape& output, Pointwise function, Pointwise of_logits,
                const PointwiseOptions& options)
      : Criterion(output), function_(function), of_logits_(of_logits), options_(options) {}

  bool reads_logits() const override { return of_logits_ != function_; }
  bool doubles_binary_targets() const override {
    return function_ == Pointwise::kHinge || function_ == Pointwise::kSquaredHinge;
  }

 protected:
  bool takes_rows() const override { return true; }

  float at(const Position& p) const override {
    PointwiseOptions options = options_;
    if (p.binary_targets && doubles_binary_targets()) {
      options.keep = 2.0F;
      options.add = -1.0F;
    }
    const bool sums = function_ == Pointwise::kDivergence;
    const auto terms = static_cast<float>(sums ? p.n / width() : p.n);
    const Pointwise function = p.tail == Tail::kNone ? function_ : of_logits_;
    const float sum = pointwise_loss(function, options, p.n, p.target, p.y, p.scale / terms, p.dy);
    if (p.finish) apply_tail(p.tail, p.n / width(), width(), p.y);
    return sum / terms;
  }

 private:
  Pointwise function_;
  Pointwise of_logits_;
  PointwiseOptions options_;
};

class CategoricalFocal final : public Criterion {
 public:
  CategoricalFocal(const Shape& output, const Attributes& attributes)
      : Criterion(output), from_logits_(attributes.boolean("from_logits")) {
    const auto smoothing = static_cast<float>(attributes.number_or("label_smoothing", 0.0));
    options_ = {.alpha = static_cast<float>(attributes.number("alpha")),
                .gamma = static_cast<float>(attributes.number("gamma")),
                .keep = 1.0F - smoothing,
                .add = smoothing / static_cast<float>(width())};
  }

 protected:
  float at(const Position& p) const override {
    const auto focal = from_logits_ ? categorical_focal_of_logits : categorical_focal;
    return focal(p.n, options_, p.target, p.y, p.scale, p.dy);
  }

 private:
  bool from_logits_;
  FocalOptions options_{};
};

class VectorLoss final : public Criterion {
 public:
  using Function = float (*)(std::int64_t, const float*, const float*, float, float*);
  VectorLoss(const Shape& output, Function function) : Criterion(output), function_(function) {}

 protected:
  float at(const Position& p) const override {
    return function_(p.n, p.target, p.y, p.scale, p.dy);
  }

 private:
  Function function_;
};

std::int64_t argmax(const float* y, std::int64_t n) { return std::max_element(y, y + n) - y; }

// Whether the class is among the k largest: those equal to the k-th are all. A row that is not
// finite up to there has none (tensorflow/core/kernels/in_topk_op.h).
bool in_top_k(const float* y, std::int64_t n, std::int64_t label, std::int64_t k) {
  if (!std::isfinite(y[label])) return false;
  std::int64_t larger = 0;
  for (std::int64_t i = 0; i < n && larger < k; ++i) {
    if (!std::isfinite(y[i])) return false;
    larger += y[i] > y[label];
  }
  return larger < k;
}

// Whether the class of the target is among the k most probable.
class ClassAccuracy final : public Criterion {
 public:
  ClassAccuracy(const Shape& output, bool labels, std::optional<std::int64_t> k)
      : Criterion(output), labels_(labels), k_(k) {}
  bool wants_labels() const override { return labels_; }

 protected:
  float at(const Position& p) const override {
    const std::int64_t label = labels_ ? p.label : argmax(p.target, p.n);
    const bool hit = k_ ? in_top_k(p.y, p.n, label, *k_) : label == argmax(p.y, p.n);
    return static_cast<float>(hit);
  }

 private:
  bool labels_;
  std::optional<std::int64_t> k_;
};

// Share of elements equal to the target; with a threshold, as 1 above it and 0 elsewhere.
class ElementAccuracy final : public Criterion {
 public:
  ElementAccuracy(const Shape& output, std::optional<float> threshold)
      : Criterion(output), threshold_(threshold) {}

 protected:
  bool takes_rows() const override { return true; }

  float at(const Position& p) const override {
    std::int64_t hits = 0;
    for (std::int64_t i = 0; i < p.n; ++i) {
      const float y = threshold_ ? static_cast<float>(p.y[i] > *threshold_) : p.y[i];
      hits += p.target[i] == y;
    }
    return static_cast<float>(hits) / static_cast<float>(p.n);
  }

 private:
  std::optional<float> threshold_;
};

constexpr std::pair<const char*, Pointwise> kPointwise[] = {
    {"mean_squared_error", Pointwise::kSquaredError},
    {"mean_absolute_error", Pointwise::kAbsoluteError},
    {"mean_absolute_percentage_error", Pointwise::kPercentageError},
    {"mean_squared_logarithmic_error", Pointwise::kLogarithmicError},
    {"huber", Pointwise::kHuber},
    {"log_cosh", Pointwise::kLogCosh},
    {"poisson", Pointwise::kPoisson},
    {"hinge", Pointwise::kHinge},
    {"squared_hinge", Pointwise::kSquaredHinge},
    {"kl_divergence", Pointwise::kDivergence},
};

std::unique_ptr<Criterion> make_pointwise(const std::string& name, const Attributes& attributes,
                                          const Shape& output) {
  PointwiseOptions options;
  if (name == "huber") options.delta = static_cast<float>(attributes.number("delta"));
  for (const auto& [known, function] : kPointwise) {
    if (name == known) return std::make_unique<PointwiseLoss>(output, function, function, options);
  }
  return nullptr;
}

std::unique_ptr<Criterion> make_binary(const std::string& name, const Attributes& attributes,
                                       const Shape& output) {
  const bool focal = name == "binary_focal_crossentropy";
  if (!focal && name != "binary_crossentropy") return nullptr;
  const auto smoothing = static_cast<float>(attributes.number_or("label_smoothing", 0.0));
  PointwiseOptions options{.keep = 1.0F - smoothing, .add = 0.5F * smoothing};
  if (focal) {
    options.gamma = static_cast<float>(attributes.number("gamma"));
    options.alpha = static_cast<float>(attributes.number("alpha"));
    options.balanced = attributes.boolean("apply_class_balancing");
  }
  const Pointwise of_logits = focal ? Pointwise::kFocalOfLogits : Pointwise::kCrossentropyOfLogits;
  const Pointwise of_probabilities = focal ? Pointwise::kFocal : Pointwise::kCrossentropy;
  const Pointwise function = attributes.boolean("from_logits") ? of_logits : of_probabilities;
  return std::make_unique<PointwiseLoss>(output, function, of_logits, options);
}

void check_predictions(const std::string& name, const Shape& output) {
  if (!output.empty() && elements(output) > 0) return;
  throw ValueError(name + " needs predictions of at least two dimensions, none of them zero. " +
                   "Received: y_pred shape=" + batch_string(output));
}

}  // namespace

float Criterion::operator()(const Judged& row, bool finish) const {
  const Targets& targets = *row.targets;
  const float* target =
      targets.dense != nullptr ? targets.dense + row.row * targets.width : nullptr;
  const std::int32_t* label = target == nullptr ? targets.label + row.row * positions_ : nullptr;
  const auto part = [&](std::int64_t first, std::int64_t count, float scale) {
    const std::int64_t begin = first * width_;
    return at({.n = count * width_,
               .target = target != nullptr ? target + begin : nullptr,
               .label = label != nullptr ? label[first] : 0,
               .tail = row.tail,
               .binary_targets = row.binary_targets,
               .scale = scale,
               .y = row.y + begin,
               .dy = row.dy != nullptr ? row.dy + begin : nullptr,
               .finish = finish});
  };
  if (row.weight == nullptr && (positions_ == 1 || takes_rows()))
    return part(0, positions_, row.scale);
  const auto count = static_cast<float>(positions_);
  float total = 0.0F;
  for (std::int64_t p = 0; p < positions_; ++p) {
    const float weight = row.weight != nullptr ? row.weight[p] : 1.0F;
    total += weight * part(p, 1, row.scale * weight / count);
  }
  return total / count;
}

void apply_tail(Tail tail, std::int64_t rows, std::int64_t n, float* y) {
  if (tail == Tail::kSoftmax) activate(Activation::kSoftmax, rows, n, y, y);
  if (tail == Tail::kSigmoid) activate(Activation::kSigmoid, rows, n, y, y);
}

void apply_tail_backward(Tail tail, std::int64_t rows, std::int64_t n, const float* y, float* dy) {
  if (tail == Tail::kSoftmax) activate_backward(Activation::kSoftmax, rows, n, y, dy, dy);
  if (tail == Tail::kSigmoid) activate_backward(Activation::kSigmoid, rows, n, y, dy, dy);
}

std::unique_ptr<Criterion> make_loss(const std::string& name, const Attributes& attributes,
                                     const Shape& output) {
  check_predictions(name, output);
  if (name == "categorical_crossentropy" || name == "sparse_categorical_crossentropy")
    return std::make_unique<Crossentropy>(output, attributes, name.starts_with("sparse"));
  if (name == "categorical_focal_crossentropy")
    return std::make_unique<CategoricalFocal>(output, attributes);
  if (name == "cosine_similarity") return std::make_unique<VectorLoss>(output, cosine_similarity);
  if (name == "categorical_hinge") return std::make_unique<VectorLoss>(output, categorical_hinge);
  if (auto loss = make_binary(name, attributes, output)) return loss;
  if (auto loss = make_pointwise(name, attributes, output)) return loss;
  throw ValueError("Unknown loss or metric: '" + name + "'");
}

std::unique_ptr<Criterion> make_metric(const std::string& name, const Attributes& attributes,
                                       const Shape& output) {
  check_predictions(name, output);
  const bool labels = name.starts_with("sparse_");
  if (name == "accuracy") return std::make_unique<ElementAccuracy>(output, std::nullopt);
  if (name == "binary_accuracy") {
    const auto threshold = static_cast<float>(attributes.number("threshold"));
    return std::make_unique<ElementAccuracy>(output, threshold);
  }
  if (name == "categorical_accuracy" || name == "sparse_categorical_accuracy")
    return std::make_unique<ClassAccuracy>(output, labels, std::nullopt);
  if (name == "top_k_categorical_accuracy" || name == "sparse_top_k_categorical_accuracy")
    return std::make_unique<ClassAccuracy>(output, labels, attributes.positive("k"));
  return make_loss(name, attributes, output);
}

}  // namespace convlet
