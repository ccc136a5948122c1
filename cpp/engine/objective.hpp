// What a training step or an evaluation wants to know of the network's output: the loss, its
// gradient, and the metrics.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ops/loss.hpp"

namespace convlet {

// Sums over rows.
struct Totals {
  double rows = 0.0;
  double weight = 0.0;  // of the rows
  double loss = 0.0;
  std::vector<double> metrics;

  void clear();
  void add(const Totals& other);
};

// The user's targets and weights, read in place; `order` (or nullptr for 0, 1, 2, ...) says in
// which sequence the rows are visited.
struct Labels {
  Targets targets;
  const float* sample_weight = nullptr;  // one a row or one a position, or nullptr
  bool weighs_positions = false;
  const std::int64_t* order = nullptr;

  std::int64_t row(std::int64_t i) const { return order != nullptr ? order[i] : i; }
};

struct MetricSpec {
  std::string name;
  Attributes attributes;
  bool weighted;
};

// What all rows of a batch have in common.
struct Batch {
  const Labels* labels;
  double factor = 1.0;  // the batch's loss is factor / rows times the sum of its rows'
  bool binary_targets = false;
  float scale = 0.0F;  // of the gradient
};

// What a batch's loss depends on but for its rows: sums, also over the processes of a group.
struct BatchSums {
  double rows = 0.0;
  double weight = 0.0;      // of what the loss counts
  double not_binary = 0.0;  // above 0: a target is neither 0 nor 1
};

class Objective {
 public:
  // `tail`: what the network applies last. ValueError for an unknown name, an option without
  // meaning, or a metric that takes other targets than the loss.
  Objective(const std::string& loss, const Attributes& attributes,
            const std::vector<MetricSpec>& metrics, const Shape& output, Tail tail);

  const Criterion& loss() const { return *loss_; }
  std::size_t metric_count() const { return metrics_.size(); }
  // What the network must leave undone, because some criterion wants what goes into it.
  Tail tail() const { return tail_; }
  // Whether a row's loss depends on what else is in its batch.
  bool depends_on_batches() const;

  // Positions [first, first + rows) of the labels' order, as one batch.
  Batch batch(const Labels& labels, std::int64_t first, std::int64_t rows) const;
  // The same in two steps: the sums of some of a batch's rows, and the batch whose sums these are.
  BatchSums batch_sums(const Labels& labels, std::int64_t first, std::int64_t rows) const;
  Batch batch(const Labels& labels, const BatchSums& sums) const;
  // Loss and metrics of a row of predictions y (or of what goes into the tail), which becomes the
  // output; dy (nullptr: not wanted) receives the gradient with respect to what y was. A batch's
  // loss counts by its rows; this is the one place where losses are added up.
  void judge(const Batch& batch, std::int64_t row, float* y, float* dy, Totals& totals) const;
  // Means of loss and metrics.
  std::vector<double> means(const Totals& totals) const;

 private:
  enum class Reduction { kMean, kSum, kWeightedMean };
  struct Metric {
    std::unique_ptr<Criterion> value;
    bool weighted;
  };

  static Reduction reduction_named(const std::string& name);
  double counted_weight(const Labels& labels, std::int64_t first, std::int64_t rows) const;
  void measure(const Batch& batch, std::int64_t row, Tail tail, float* y, Totals& totals) const;
  bool doubles_binary_targets() const;

  std::unique_ptr<Criterion> loss_;
  std::vector<Metric> metrics_;
  Reduction reduction_;
  double loss_weight_;
  Tail tail_ = Tail::kNone;
};

}  // namespace convlet
