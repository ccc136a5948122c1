// Losses and metrics: what becomes of a slice of predictions and their targets.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "ops/attributes.hpp"
#include "ops/shape.hpp"

namespace convlet {

// The user's targets: `width` floats a row (dense), or one of `classes` classes a position
// (labels).
struct Targets {
  const float* dense = nullptr;
  const std::int32_t* label = nullptr;
  std::int64_t width = 0;
  std::int64_t positions = 1;  // a row's
  std::int64_t classes = 0;
};

// What the network applies last, where a criterion may want what goes into it.
enum class Tail { kNone, kSoftmax, kSigmoid };

// One row of predictions with its targets.
struct Judged {
  const Targets* targets;
  std::int64_t row;               // in the user's arrays
  const float* weight = nullptr;  // one a position, or nullptr
  Tail tail = Tail::kNone;        // not yet applied to y
  bool binary_targets = false;    // all targets of the batch are 0 or 1
  float scale = 1.0F;
  float* y;
  float* dy = nullptr;
};

// A value for each position of the output (all axes but the last, which the value is computed
// over), and of a row the mean of its positions'. A loss is one, and so is a metric.
class Criterion {
 public:
  // `output`: shape of one row of the output.
  explicit Criterion(const Shape& output)
      : width_(output.back()), positions_(elements(output) / output.back()) {}
  virtual ~Criterion() = default;

  virtual bool wants_labels() const { return false; }
  // Whether it takes what goes into the network's last softmax or sigmoid instead of what comes
  // out, as Keras on TensorFlow does.
  virtual bool reads_logits() const { return false; }
  // Whether targets 0 and 1 stand for -1 and 1 where the batch has no others.
  virtual bool doubles_binary_targets() const { return false; }
  // The class whose positions do not count.
  virtual std::optional<std::int32_t> ignored_class() const { return std::nullopt; }

  // The row's value; writes scale * gradient to dy (nullptr: not wanted). Where reads_logits(), y
  // is logits and the gradient one with respect to them. `finish`: and y becomes the output.
  float operator()(const Judged& row, bool finish) const;

  std::int64_t positions() const { return positions_; }
  std::int64_t width() const { return width_; }

 protected:
  // One position, or several at once, of n predictions.
  struct Position {
    std::int64_t n;
    const float* target;  // nullptr for labels
    std::int32_t label;
    Tail tail;
    bool binary_targets;
    float scale;
    float* y;
    float* dy;
    bool finish;
  };
  virtual float at(const Position& p) const = 0;
  // Whether at() also takes all positions of a row at once, for their mean.
  virtual bool takes_rows() const { return false; }

 private:
  std::int64_t width_;
  std::int64_t positions_;
};

// y = tail(y) for rows of n.
void apply_tail(Tail tail, std::int64_t rows, std::int64_t n, float* y);
// dy, with respect to y = tail(x), becomes that with respect to x.
void apply_tail_backward(Tail tail, std::int64_t rows, std::int64_t n, const float* y, float* dy);

// Both throw ValueError for an unknown name or an output the criterion cannot take.
std::unique_ptr<Criterion> make_loss(const std::string& name, const Attributes& attributes,
                                     const Shape& output);
// Every loss is also a metric.
std::unique_ptr<Criterion> make_metric(const std::string& name, const Attributes& attributes,
                                       const Shape& output);

}  // namespace convlet
