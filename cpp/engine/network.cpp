#include "engine/network.hpp"

#include <algorithm>
#include <stdexcept>

#include "engine/pieces.hpp"

namespace convlet {
Network::Network(const Shape& input, std::vector<OpSpec> ops)
    : program_(input, std::move(ops)),
      all_wanted_(program_),
      wanted_(program_, std::vector<bool>(static_cast<std::size_t>(program_.op_count), true)),
      parameters_(program_.parameter_size),
      inference_{rows_at_once(program_, Mode::kInference), {}, nullptr, {}, {}},
      training_{rows_at_once(program_, Mode::kTraining), {}, nullptr, {}, {}} {}

void Network::set_parameter(std::size_t index, const float* value) {
  const Parameter& parameter = program_.parameters[index];
  std::copy_n(value, elements(parameter.shape), parameters_.data() + parameter.at);
  packed_is_stale_ = true;
}

void Network::configure_training(const std::string& loss, const Attributes& loss_attributes,
                                 const std::string& optimizer,
                                 const Attributes& optimizer_attributes,
                                 const std::vector<std::string>& metrics) {
  auto new_loss = make_loss(loss, loss_attributes, output_shape());
  std::vector<Metric> new_metrics;
  for (const std::string& name : metrics) {
    new_metrics.push_back(metric_named(name));
    if (new_metrics.back().wants_labels != new_loss->wants_labels()) {
      throw ValueError(
          "Metric '" + name + "' and loss '" + loss +
          "' need different targets: one takes integer labels, the other one-hot rows.");
    }
  }
  auto new_optimizer = make_optimizer(optimizer, optimizer_attributes, program_.parameter_size);
  loss_ = std::move(new_loss);
  optimizer_ = std::move(new_optimizer);
  metrics_ = std::move(new_metrics);
  iterations = 0;
  totals = {};
  totals.metrics.resize(metrics_.size());
  inference_.workers.clear();
  training_.workers.clear();
}

void Network::set_trainable(const std::vector<bool>& trainable) {
  wanted_ = Wanted(program_, trainable);
  portions_.clear();
}

std::vector<std::size_t> Network::trained_parameters() const {
  std::vector<std::size_t> indices;
  std::size_t step = 0;
  for (std::size_t i = 0; i < program_.parameters.size(); ++i) {
    const Parameter& parameter = program_.parameters[i];
    while (program_.steps[step].index != parameter.op) ++step;
    if (parameter.trained && !wanted_.frozen[step]) indices.push_back(i);
  }
  return indices;
}

Network::Crew& Network::crew(Mode mode, int shares, std::int64_t rows,
                             std::vector<std::size_t> meetings) {
  Crew& crew = mode == Mode::kTraining ? training_ : inference_;
  if (meetings.empty()) rows = std::min(rows, crew.rows_at_once);
  if (crew.layout == nullptr || crew.layout->rows < rows || crew.meetings != meetings) {
    crew.workers.clear();
    crew.meetings = std::move(meetings);
    crew.layout = std::make_unique<Layout>(program_, mode, rows, crew.meetings);
  }
  while (crew.workers.size() < static_cast<std::size_t>(shares)) {
    const int share = static_cast<int>(crew.workers.size());
    crew.workers.push_back(std::make_unique<Worker>(program_, *crew.layout, mode, share));
    crew.workers.back()->totals.metrics.resize(metrics_.size());
  }
  crew.shared.clear();
  for (const auto& worker : crew.workers) crew.shared.push_back(worker->shared());
  return crew;
}

// Below this much work waking a second thread costs more than it saves.
int Network::shares_for(std::int64_t rows, double passes) const {
  if (passes * program_.flops_per_row * static_cast<double>(rows) < serial_flops()) return 1;
  return static_cast<int>(std::clamp<std::int64_t>(rows, 1, num_threads()));
}

void Network::prepare_packed(Mode mode) {
  const bool training = mode == Mode::kTraining || packed_for_training_;
  if (packed_.data() == nullptr || training != packed_for_training_) {
    std::int64_t size = 0;
    std::vector<std::int64_t> at;
    for (const Step& step : program_.steps) {
      at.push_back(size);
      size += (step.op->storage(training).packed + 15) / 16 * 16;
    }
    packed_ = Buffer(size);
    packed_at_ = std::move(at);
    packed_for_training_ = training;
    packed_is_stale_ = true;
  }
  if (!packed_is_stale_) return;
  for (std::size_t s = 0; s < program_.steps.size(); ++s) {
    const Step& step = program_.steps[s];
    if (step.op->units() == 0) continue;
    step.op->pack(0, step.op->units(), parameters_.data() + step.parameters_at, training,
                  packed_.data() + packed_at_[s]);
  }
  packed_is_stale_ = false;
}

// Cuts the parameters that are trained into `shares` portions of nearly equal size.
void Network::plan_portions(int shares) {
  if (portions_.size() == static_cast<std::size_t>(shares)) return;
  portions_.assign(static_cast<std::size_t>(shares), {});
  std::int64_t before = 0;
  std::int64_t total = 0;
  for (std::size_t s = 0; s < program_.steps.size(); ++s) {
    if (!wanted_.frozen[s]) total += parameter_size(*program_.steps[s].op);
  }
  for (std::size_t s = 0; s < program_.steps.size(); ++s) {
    if (wanted_.frozen[s]) continue;
    const Op& op = *program_.steps[s].op;
    const std::int64_t units = op.units();
    const std::int64_t size = parameter_size(op);
    std::int64_t begin = 0;
    for (int share = 0; share < shares && begin < units; ++share) {
      const std::int64_t limit =
          total * (share + 1) / shares - before;  // parameters of this op up to this share's end
      const bool last = share + 1 == shares || limit >= size;
      const std::int64_t end = last ? units : std::clamp(limit * units / size, begin, units);
      if (end == begin) continue;
      std::vector<Span> spans = op.unit_spans(begin, end);
      for (Span& span : spans) span.begin += program_.steps[s].parameters_at;
      portions_[static_cast<std::size_t>(share)].push_back({s, begin, end, std::move(spans)});
      begin = end;
    }
    before += size;
  }
}

Objective Network::objective(const Dataset& data) const {
  const bool skip = program_.ends_in_softmax && loss_->fuses_softmax();
  return {loss_.get(), &metrics_, data.y, data.sample_weight, skip};
}

std::size_t Network::judged_steps() const {
  return program_.steps.size() - (program_.ends_in_softmax && loss_->fuses_softmax() ? 1 : 0);
}

// Sums the workers' gradients in a fixed order into the first one's, lets the optimizer use the
// sum, clears them all and packs the new weights.
void Network::update_share(const std::vector<std::unique_ptr<Worker>>& workers, int share,
                           int shares, std::int64_t iteration) {
  constexpr std::int64_t kBlock =
      2048;  // floats: a block of every array involved stays in the first-level cache
  for (const Portion& portion : portions_[static_cast<std::size_t>(share)]) {
    for (const Span& span : portion.spans) {
      for_pieces(
          span.begin, span.begin + span.size, kBlock, [&](std::int64_t at, std::int64_t size) {
            float* total = workers[0]->parameter_gradient() + at;
            for (int other = 1; other < shares; ++other) {
              float* part = workers[static_cast<std::size_t>(other)]->parameter_gradient() + at;
              for (std::int64_t i = 0; i < size; ++i) total[i] += part[i];
              std::fill_n(part, size, 0.0F);
            }
            optimizer_->update(at, size, learning_rate, iteration, total, parameters_.data() + at);
            std::fill_n(total, size, 0.0F);
          });
    }
    const Step& step = program_.steps[portion.step];
    step.op->pack(portion.begin, portion.end, parameters_.data() + step.parameters_at, true,
                  packed_.data() + packed_at_[portion.step]);
  }
}

}  // namespace convlet
