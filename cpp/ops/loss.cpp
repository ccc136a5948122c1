#include "ops/loss.hpp"

#include <algorithm>

#include "kernels/crossentropy.hpp"

namespace convlet {
namespace {

class Crossentropy final : public Loss {
 public:
  Crossentropy(std::int64_t classes, bool labels, bool from_logits)
      : classes_(classes), labels_(labels), from_logits_(from_logits) {}

  bool wants_labels() const override { return labels_; }
  bool fuses_softmax() const override { return !from_logits_; }

  float operator()(const Targets& targets, std::int64_t row, bool softmax, float scale, float* y,
                   float* dy) const override {
    const ClassTarget target{labels_ ? nullptr : targets.dense + row * targets.width,
                             labels_ ? targets.label[row] : 0};
    if (softmax) return softmax_crossentropy(classes_, y, target, scale, y, dy);
    if (from_logits_) return softmax_crossentropy(classes_, y, target, scale, nullptr, dy);
    return probability_crossentropy(classes_, y, target, scale, dy);
  }

 private:
  std::int64_t classes_;
  bool labels_;
  bool from_logits_;
};

std::int64_t argmax(const float* y, std::int64_t n) { return std::max_element(y, y + n) - y; }

float categorical_accuracy(const Targets& targets, std::int64_t row, const float* y,
                           std::int64_t width) {
  return static_cast<float>(argmax(targets.dense + row * width, width) == argmax(y, width));
}

float sparse_categorical_accuracy(const Targets& targets, std::int64_t row, const float* y,
                                  std::int64_t width) {
  return static_cast<float>(targets.label[row] == argmax(y, width));
}

}  // namespace

std::unique_ptr<Loss> make_loss(const std::string& name, const Attributes& attributes,
                                const Shape& output) {
  const bool labels = name == "sparse_categorical_crossentropy";
  if (!labels && name != "categorical_crossentropy")
    throw ValueError("Unknown loss: '" + name + "'");
  if (output.size() != 1 || output[0] < 1) {
    throw ValueError(name + " needs predictions of shape (None, classes). Received: y_pred shape=" +
                     batch_string(output));
  }
  return std::make_unique<Crossentropy>(output[0], labels, attributes.boolean("from_logits"));
}

Metric metric_named(const std::string& name) {
  if (name == "categorical_accuracy") return {false, categorical_accuracy};
  if (name == "sparse_categorical_accuracy") return {true, sparse_categorical_accuracy};
  throw ValueError("Unknown metric: '" + name + "'");
}

}  // namespace convlet
