// Losses and metrics: what becomes of a slice of predictions and their targets.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ops/attributes.hpp"
#include "ops/shape.hpp"

namespace convlet {

// The user's targets: `width` floats a row (dense), or one class a row (labels).
struct Targets {
  const float* dense = nullptr;
  const std::int32_t* label = nullptr;
  std::int64_t width = 0;
};

// One row's loss and gradient are asked for with its index in the user's arrays.
class Loss {
 public:
  virtual ~Loss() = default;
  virtual bool wants_labels() const = 0;
  // Whether the network's last softmax can be left to the loss, which then reads logits.
  virtual bool fuses_softmax() const = 0;
  // Loss of row `row` of the targets for predictions or logits y; writes scale * gradient to dy
  // (nullptr: not wanted) and, where `softmax` is set, the probabilities to y.
  virtual float operator()(const Targets& targets, std::int64_t row, bool softmax, float scale,
                           float* y, float* dy) const = 0;
};

// ValueError for an unknown name or an output the loss cannot take.
std::unique_ptr<Loss> make_loss(const std::string& name, const Attributes& attributes,
                                const Shape& output);

// A metric is a mean over rows of a value per row.
struct Metric {
  bool wants_labels;
  float (*value)(const Targets& targets, std::int64_t row, const float* y, std::int64_t width);
};
// ValueError for an unknown name.
Metric metric_named(const std::string& name);

}  // namespace convlet
