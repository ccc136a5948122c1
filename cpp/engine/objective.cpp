#include "engine/objective.hpp"

#include <algorithm>
#include <numeric>

namespace convlet {
namespace {

bool all_binary(const Labels& labels, std::int64_t first, std::int64_t rows) {
  const std::int64_t width = labels.targets.width;
  for (std::int64_t i = first; i < first + rows; ++i) {
    const float* t = labels.targets.dense + labels.row(i) * width;
    if (!std::all_of(t, t + width, [](float v) { return v == 0.0F || v == 1.0F; })) return false;
  }
  return true;
}

// Mean of a row's weights.
double mean_weight(const Labels& labels, std::int64_t row) {
  if (labels.sample_weight == nullptr) return 1.0;
  if (!labels.weighs_positions) return static_cast<double>(labels.sample_weight[row]);
  const std::int64_t count = labels.targets.positions;
  const float* weight = labels.sample_weight + row * count;
  return std::accumulate(weight, weight + count, 0.0) / static_cast<double>(count);
}

}  // namespace

void Totals::clear() {
  rows = 0.0;
  weight = 0.0;
  loss = 0.0;
  std::fill(metrics.begin(), metrics.end(), 0.0);
}

void Totals::add(const Totals& other) {
  rows += other.rows;
  weight += other.weight;
  loss += other.loss;
  for (std::size_t m = 0; m < metrics.size(); ++m) metrics[m] += other.metrics[m];
}

Objective::Objective(const std::string& loss, const Attributes& attributes,
                     const std::vector<MetricSpec>& metrics, const Shape& output, Tail tail)
    : loss_(make_loss(loss, attributes, output)),
      reduction_(reduction_named(attributes.text_or("reduction", "sum_over_batch_size"))),
      loss_weight_(attributes.number_or("loss_weight", 1.0)) {
  for (const MetricSpec& spec : metrics) {
    metrics_.push_back({make_metric(spec.name, spec.attributes, output), spec.weighted});
    if (metrics_.back().value->wants_labels() != loss_->wants_labels()) {
      throw ValueError(
          "Metric '" + spec.name + "' and loss '" + loss +
          "' need different targets: one takes integer labels, the other one-hot rows.");
    }
  }
  const auto reads_logits = [](const Metric& metric) { return metric.value->reads_logits(); };
  if (loss_->reads_logits() || std::any_of(metrics_.begin(), metrics_.end(), reads_logits))
    tail_ = tail;
}

Objective::Reduction Objective::reduction_named(const std::string& name) {
  if (name == "sum_over_batch_size" || name == "mean") return Reduction::kMean;
  if (name == "sum") return Reduction::kSum;
  if (name == "mean_with_sample_weight") return Reduction::kWeightedMean;
  throw ValueError("Unknown reduction: '" + name + "'");
}

bool Objective::doubles_binary_targets() const {
  const auto doubles = [](const Metric& m) { return m.value->doubles_binary_targets(); };
  return loss_->doubles_binary_targets() || std::any_of(metrics_.begin(), metrics_.end(), doubles);
}

bool Objective::depends_on_batches() const {
  return reduction_ != Reduction::kMean || loss_->ignored_class() || doubles_binary_targets();
}

// What a mean over rows, each of them a mean over its positions, divides their sum by.
double Objective::counted_weight(const Labels& labels, std::int64_t first,
                                 std::int64_t rows) const {
  const std::int64_t positions = loss_->positions();
  const auto ignored = loss_->ignored_class();
  if (reduction_ != Reduction::kWeightedMean && !ignored) return static_cast<double>(rows);
  const bool weighs = reduction_ == Reduction::kWeightedMean && labels.sample_weight != nullptr;
  double total = 0.0;
  for (std::int64_t i = first; i < first + rows; ++i) {
    const std::int64_t row = labels.row(i);
    for (std::int64_t p = 0; p < positions; ++p) {
      if (ignored && labels.targets.label[row * positions + p] == *ignored) continue;
      const std::int64_t at = labels.weighs_positions ? row * positions + p : row;
      total += weighs ? static_cast<double>(labels.sample_weight[at]) : 1.0;
    }
  }
  return total / static_cast<double>(positions);
}

BatchSums Objective::batch_sums(const Labels& labels, std::int64_t first, std::int64_t rows) const {
  BatchSums sums{.rows = static_cast<double>(rows)};
  if (!depends_on_batches()) return sums;
  sums.weight = counted_weight(labels, first, rows);
  if (doubles_binary_targets() && !all_binary(labels, first, rows)) sums.not_binary = 1.0;
  return sums;
}

Batch Objective::batch(const Labels& labels, const BatchSums& sums) const {
  Batch batch{.labels = &labels};
  if (depends_on_batches()) {
    const bool is_sum = reduction_ == Reduction::kSum;
    const double by = is_sum ? 1.0 / static_cast<double>(loss_->positions()) : sums.weight;
    batch.factor = by == 0.0 ? 0.0 : sums.rows / by;  // as Keras divides
    batch.binary_targets = doubles_binary_targets() && sums.not_binary == 0.0;
  }
  batch.factor *= loss_weight_;
  batch.scale = static_cast<float>(batch.factor) / static_cast<float>(sums.rows);
  return batch;
}

Batch Objective::batch(const Labels& labels, std::int64_t first, std::int64_t rows) const {
  return batch(labels, batch_sums(labels, first, rows));
}

void Objective::measure(const Batch& batch, std::int64_t row, Tail tail, float* y,
                        Totals& totals) const {
  const Labels& labels = *batch.labels;
  for (std::size_t m = 0; m < metrics_.size(); ++m) {
    const auto& [value, weighted] = metrics_[m];
    const bool now = tail_ == Tail::kNone || value->reads_logits() == (tail != Tail::kNone);
    if (!now) continue;
    Judged judged{.targets = &labels.targets,
                  .row = row,
                  .tail = tail,
                  .binary_targets = batch.binary_targets,
                  .y = y};
    const bool by_position = weighted && labels.weighs_positions;
    if (by_position) judged.weight = labels.sample_weight + row * labels.targets.positions;
    const double weight = weighted && !by_position ? mean_weight(labels, row) : 1.0;
    totals.metrics[m] += weight * static_cast<double>((*value)(judged, false));
  }
}

void Objective::judge(const Batch& batch, std::int64_t row, float* y, float* dy,
                      Totals& totals) const {
  const Labels& labels = *batch.labels;
  const bool of_logits = tail_ != Tail::kNone && loss_->reads_logits();
  const std::int64_t width = loss_->width();
  if (tail_ != Tail::kNone) measure(batch, row, tail_, y, totals);
  if (tail_ != Tail::kNone && !of_logits) apply_tail(tail_, loss_->positions(), width, y);
  Judged judged{.targets = &labels.targets,
                .row = row,
                .tail = of_logits ? tail_ : Tail::kNone,
                .binary_targets = batch.binary_targets,
                .y = y,
                .dy = dy};
  float weight = 1.0F;
  if (labels.sample_weight != nullptr) {
    if (labels.weighs_positions) {
      judged.weight = labels.sample_weight + row * labels.targets.positions;
    } else {
      weight = labels.sample_weight[row];
    }
  }
  judged.scale = batch.scale * weight;
  const float loss = (*loss_)(judged, of_logits);
  if (dy != nullptr && tail_ != Tail::kNone && !of_logits)
    apply_tail_backward(tail_, loss_->positions(), width, y, dy);
  measure(batch, row, Tail::kNone, y, totals);
  totals.loss += batch.factor * (static_cast<double>(weight) * static_cast<double>(loss));
  totals.rows += 1.0;
  totals.weight += mean_weight(labels, row);
}

std::vector<double> Objective::means(const Totals& totals) const {
  const double rows = std::max(totals.rows, 1.0);
  std::vector<double> means{totals.loss / rows};
  for (std::size_t m = 0; m < metrics_.size(); ++m) {
    const double count = metrics_[m].weighted ? totals.weight : rows;
    means.push_back(count == 0.0 ? 0.0 : totals.metrics[m] / count);
  }
  return means;
}

}  // namespace convlet
