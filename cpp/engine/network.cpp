#include "engine/network.hpp"

#include <algorithm>
#include <stdexcept>

#include "engine/team.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

struct Range {
  std::int64_t begin, end;
};

// Share `share` of `shares` nearly equal ones of [begin, end).
Range cut(std::int64_t begin, std::int64_t end, int share, int shares) {
  const std::int64_t size = end - begin;
  return {begin + size * share / shares, begin + size * (share + 1) / shares};
}

// f(first, count) for pieces of [begin, end) of at most `most`.
template <class F>
void for_pieces(std::int64_t begin, std::int64_t end, std::int64_t most, F&& f) {
  for (std::int64_t first = begin; first < end; first += most)
    f(first, std::min(most, end - first));
}

}  // namespace

Network::Network(const Shape& input, std::vector<OpSpec> ops)
    : program_(input, std::move(ops)),
      parameters_(program_.parameter_size),
      inference_{rows_at_once(program_, Mode::kInference), nullptr, {}},
      training_{rows_at_once(program_, Mode::kTraining), nullptr, {}} {}

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

std::vector<std::unique_ptr<Worker>>& Network::crew(Mode mode, int shares, std::int64_t rows) {
  Crew& crew = mode == Mode::kTraining ? training_ : inference_;
  rows = std::min(rows, crew.rows_at_once);
  if (crew.layout == nullptr || crew.layout->rows < rows) {
    crew.workers.clear();
    crew.layout = std::make_unique<Layout>(program_, mode, rows);
  }
  while (crew.workers.size() < static_cast<std::size_t>(shares)) {
    crew.workers.push_back(std::make_unique<Worker>(program_, *crew.layout, mode));
    crew.workers.back()->totals.metrics.resize(metrics_.size());
  }
  return crew.workers;
}

// Below this much work waking a second thread costs more than it saves.
int Network::shares_for(std::int64_t rows, double passes) const {
  constexpr double kSerialFlops = 1e7;
  if (passes * program_.flops_per_row * static_cast<double>(rows) < kSerialFlops) return 1;
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

// Cuts the parameters into `shares` portions of nearly equal size.
void Network::plan_portions(int shares) {
  if (portions_.size() == static_cast<std::size_t>(shares)) return;
  portions_.assign(static_cast<std::size_t>(shares), {});
  std::int64_t before = 0;
  const std::int64_t total = std::max<std::int64_t>(1, program_.parameter_size);
  for (std::size_t s = 0; s < program_.steps.size(); ++s) {
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

void Network::train(const Dataset& data, std::int64_t begin, std::int64_t end,
                    std::int64_t batch_size) {
  batch_size = std::min(batch_size, end - begin);
  const int shares = shares_for(batch_size, 3.0);
  prepare_packed(Mode::kTraining);
  plan_portions(shares);
  const auto& workers = crew(Mode::kTraining, shares, (batch_size + shares - 1) / shares);
  run_team(shares, [&](const Member& member) {
    const simd::FlushDenormals flush;
    std::int64_t iteration = iterations;
    for_pieces(begin, end, batch_size, [&](std::int64_t first, std::int64_t rows) {
      member.for_shares(shares, [&](int share) {
        const Range slice = cut(first, first + rows, share, shares);
        train_share(*workers[static_cast<std::size_t>(share)], data, slice.begin, slice.end, rows);
      });
      member.barrier();
      member.for_shares(shares,
                        [&](int share) { update_share(workers, share, shares, iteration); });
      member.barrier();
      ++iteration;
    });
  });
  iterations += (end - begin + batch_size - 1) / batch_size;
  collect_totals(workers, shares);
}

void Network::train_share(Worker& worker, const Dataset& data, std::int64_t begin, std::int64_t end,
                          std::int64_t batch_rows) const {
  const Objective goal = objective(data);
  const std::size_t steps = judged_steps();
  const float scale = 1.0F / static_cast<float>(batch_rows);
  for_pieces(begin, end, worker.capacity(), [&](std::int64_t first, std::int64_t rows) {
    for (std::int64_t r = 0; r < rows; ++r) worker.gather(data.x, data.row(first + r), r);
    worker.forward(weights(), rows, steps);
    worker.judge(goal, rows, steps, scale, [&](std::int64_t r) { return data.row(first + r); });
    worker.backward(weights(), rows, steps, false);
  });
  worker.finish_gradient();
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

void Network::collect_totals(const std::vector<std::unique_ptr<Worker>>& workers, int shares) {
  for (int share = 0; share < shares; ++share) {
    Totals& part = workers[static_cast<std::size_t>(share)]->totals;
    totals.add(part);
    part.clear();
  }
}

template <class F>
int Network::for_slices(Mode mode, std::int64_t begin, std::int64_t end, F&& f) {
  const int shares = shares_for(end - begin, mode == Mode::kTraining ? 3.0 : 1.0);
  prepare_packed(mode);
  const auto& workers = crew(mode, shares, (end - begin + shares - 1) / shares);
  run_team(shares, [&](const Member& member) {
    const simd::FlushDenormals flush;
    member.for_shares(shares, [&](int share) {
      const Range slice = cut(begin, end, share, shares);
      f(*workers[static_cast<std::size_t>(share)], slice.begin, slice.end);
    });
  });
  return shares;
}

void Network::evaluate(const Dataset& data, std::int64_t begin, std::int64_t end) {
  const int shares = for_slices(Mode::kInference, begin, end,
                                [&](Worker& worker, std::int64_t first, std::int64_t last) {
                                  evaluate_share(worker, data, first, last);
                                });
  collect_totals(inference_.workers, shares);
}

void Network::evaluate_share(Worker& worker, const Dataset& data, std::int64_t begin,
                             std::int64_t end) const {
  const Objective goal = objective(data);
  const std::size_t steps = judged_steps();
  for_pieces(begin, end, worker.capacity(), [&](std::int64_t first, std::int64_t rows) {
    for (std::int64_t r = 0; r < rows; ++r) worker.gather(data.x, data.row(first + r), r);
    worker.forward(weights(), rows, steps);
    worker.judge(goal, rows, steps, 0.0F, [&](std::int64_t r) { return data.row(first + r); });
  });
}

void Network::predict(const Rows& x, std::int64_t begin, std::int64_t end, float* out) {
  for_slices(Mode::kInference, begin, end,
             [&](Worker& worker, std::int64_t first, std::int64_t last) {
               predict_share(worker, x, first, last, out);
             });
}

void Network::predict_share(Worker& worker, const Rows& x, std::int64_t begin, std::int64_t end,
                            float* out) const {
  const std::size_t steps = program_.steps.size();
  const std::int64_t size = program_.tensor_size(steps);
  for_pieces(begin, end, worker.capacity(), [&](std::int64_t first, std::int64_t rows) {
    for (std::int64_t r = 0; r < rows; ++r) worker.gather(x, first + r, r);
    worker.forward(weights(), rows, steps);
    std::copy_n(worker.tensor(steps), rows * size, out + first * size);
  });
}

void Network::vector_jacobian_product(const Rows& x, std::int64_t rows, const float* dy, float* dx,
                                      float* gradient) {
  const int shares = for_slices(Mode::kTraining, 0, rows,
                                [&](Worker& worker, std::int64_t first, std::int64_t last) {
                                  product_share(worker, x, first, last, dy, dx);
                                });
  std::fill_n(gradient, program_.parameter_size, 0.0F);
  for (int share = 0; share < shares; ++share) {
    float* part = training_.workers[static_cast<std::size_t>(share)]->parameter_gradient();
    for (std::int64_t i = 0; i < program_.parameter_size; ++i) gradient[i] += part[i];
    std::fill_n(part, program_.parameter_size, 0.0F);
  }
}

void Network::product_share(Worker& worker, const Rows& x, std::int64_t begin, std::int64_t end,
                            const float* dy, float* dx) const {
  const std::size_t steps = program_.steps.size();
  const std::int64_t x_size = program_.tensor_size(0);
  const std::int64_t y_size = program_.tensor_size(steps);
  for_pieces(begin, end, worker.capacity(), [&](std::int64_t first, std::int64_t rows) {
    for (std::int64_t r = 0; r < rows; ++r) worker.gather(x, first + r, r);
    worker.forward(weights(), rows, steps);
    std::copy_n(dy + first * y_size, rows * y_size, worker.gradient(steps));
    worker.backward(weights(), rows, steps, true);
    const float* from = worker.gradient(0);
    std::transform(from, from + rows * x_size, dx + first * x_size,
                   [this](float d) { return d * program_.input_scale; });
  });
  worker.finish_gradient();
}

}  // namespace convlet
