// The network's passes over batches: training, evaluation, prediction.
#include <algorithm>

#include "engine/network.hpp"
#include "engine/pieces.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

// The turn of a prediction: the output is copied to out.
auto copy_output(std::size_t steps, std::int64_t size, float* out) {
  return [=](Worker& worker, const Slice& slice, std::int64_t first) {
    std::copy_n(worker.tensor(steps, slice.place), slice.rows * size, out + first * size);
  };
}

// Of a pass that does not go back.
constexpr auto kNoHome = [](Worker&, const Slice&, std::int64_t) {};

}  // namespace

Network::Run Network::prepare_run(Mode mode, std::int64_t rows, std::size_t steps,
                                  const Wanted& wanted, bool training) {
  const bool backward = mode == Mode::kTraining;
  const int shares = shares_for(rows, backward ? 3.0 : 1.0);
  prepare_packed(mode, wanted);
  std::vector<std::size_t> meetings;
  if (training) meetings = meetings_of(program_, wanted.frozen);
  Crew& the_crew = crew(mode, shares, (rows + shares - 1) / shares, meetings);
  const std::span<float* const> team(the_crew.shared.data(), static_cast<std::size_t>(shares));
  return {.crew = &the_crew,
          .shares = shares,
          .phases = plan_phases(meetings, steps),
          .pass = {.weights = weights(), .wanted = &wanted, .training = training, .team = team},
          .backward = backward};
}

template <class RowOf, class Turn, class Home>
void Network::carry(const Member& member, const Run& run, const Pass& pass, const Rows& x,
                    std::int64_t begin, std::int64_t end, RowOf&& row_of, Turn&& turn,
                    Home&& home) const {
  // Where the team meets, a worker's whole share stays in its arena.
  const bool whole = run.phases.size() > 1;
  const std::int64_t most = std::min(run.crew->layout->rows, run.crew->rows_at_once);
  const std::size_t phases = run.backward ? run.phases.size() : run.phases.size() / 2 + 1;
  for (std::size_t p = 0; p < phases; ++p) {
    const Phase& phase = run.phases[p];
    member.for_shares(run.shares, [&](int share) {
      Worker& worker = *run.crew->workers[static_cast<std::size_t>(share)];
      const std::int64_t from = begin + share_begin(end - begin, share, run.shares);
      const std::int64_t to = begin + share_begin(end - begin, share + 1, run.shares);
      const auto visit = [&](std::int64_t first, std::int64_t rows) {
        const Slice slice{rows, first - from, first - begin, whole ? first - from : 0};
        for (std::int64_t r = 0; p == 0 && r < rows; ++r)
          worker.gather(x, row_of(first + r), slice.place + r);
        worker.forward(pass, phase, slice);
        if (phase.is_turn) turn(worker, slice, first);
        if (!run.backward) return;
        worker.backward(pass, phase, slice);
        if (p + 1 == phases) home(worker, slice, first);
      };
      for_pieces(from, to, most, visit);
      if (whole && from == to) visit(from, 0);
      if (run.backward && p + 1 == phases) worker.finish_gradient(*pass.wanted);
    });
    if (p + 1 < phases) member.barrier();
  }
}

template <class Turn, class Home>
void Network::carry_alone(const Run& run, const Rows& x, std::int64_t begin, std::int64_t end,
                          Turn&& turn, Home&& home) const {
  run_team(run.shares, [&](const Member& member) {
    const simd::FlushDenormals flush;
    carry(member, run, run.pass, x, begin, end, [](std::int64_t i) { return i; }, turn, home);
  });
}

void Network::train(const Dataset& data, std::int64_t begin, std::int64_t end,
                    std::int64_t batch_size, const float* learning_rates) {
  batch_size = std::min(batch_size, end - begin);
  const std::size_t steps = judged_steps();
  const Run run = prepare_run(Mode::kTraining, batch_size, steps, wanted_, true);
  updater_->plan(run.shares, wanted_);
  const Updater::Workers workers = workers_of(run);
  const Objective goal = objective(data);
  const bool learns = wanted_.tensor[steps];
  run_team(run.shares, [&](const Member& member) {
    const simd::FlushDenormals flush;
    Pass pass = run.pass;
    const auto row_of = [&](std::int64_t i) { return data.row(i); };
    for_pieces(begin, end, batch_size, [&](std::int64_t first, std::int64_t rows) {
      const std::int64_t number = (first - begin) / batch_size;
      const std::int64_t iteration = iterations + (learns ? number : 0);
      pass.step = static_cast<std::uint64_t>(iteration);
      pass.batch_rows = rows;
      const Updater::Step step{
          .learning_rate = learning_rates != nullptr ? learning_rates[number] : learning_rate,
          .iteration = iteration,
          .rows = rows,
          .workers = workers,
          .parameters = parameters_.data(),
          .packed = packed_.data(),
          .packed_at = packed_at_.data(),
          .packed_for_data = packed_for_data_};
      const float scale = updater_->loss_scale() / static_cast<float>(rows);
      const auto judge = [&](Worker& worker, const Slice& slice, std::int64_t at) {
        worker.judge(goal, slice, steps, scale, [&](std::int64_t r) { return data.row(at + r); });
      };
      carry(member, run, pass, data.x, first, first + rows, row_of, judge, kNoHome);
      member.for_shares(run.shares, [&](int share) { updater_->prepare(share, step); });
      member.barrier();
      updater_->run(member, step);
      member.for_shares(run.shares, [&](int share) {
        if (share == 0) update_state(run);
      });
      member.barrier();
    });
  });
  if (learns) iterations += (end - begin + batch_size - 1) / batch_size;
  collect_totals(run);
  totals.loss += updater_->take_penalty();
}

Updater::Workers Network::workers_of(const Run& run) const {
  Updater::Workers workers;
  for (int share = 0; share < run.shares; ++share) {
    Worker& worker = *run.crew->workers[static_cast<std::size_t>(share)];
    workers.gradients.push_back(worker.parameter_gradient());
    for (std::size_t s = 0; s < program_.steps.size(); ++s) {
      workers.kept.push_back(worker.kept(s));
    }
  }
  return workers;
}

// Lets ops bring the parameters that are not trained up to date.
void Network::update_state(const Run& run) {
  for (const std::size_t s : run.crew->meetings) {
    const Step& step = program_.steps[s];
    step.op->update_state(run.crew->workers[0]->shared(s), parameters_.data() + step.parameters_at);
  }
}

void Network::collect_totals(const Run& run) {
  for (int share = 0; share < run.shares; ++share) {
    Totals& part = run.crew->workers[static_cast<std::size_t>(share)]->totals;
    totals.add(part);
    part.clear();
  }
}

void Network::evaluate(const Dataset& data, std::int64_t begin, std::int64_t end) {
  const std::size_t steps = judged_steps();
  const Run run = prepare_run(Mode::kInference, end - begin, steps, all_wanted_, false);
  const Objective goal = objective(data);
  const auto judge = [&](Worker& worker, const Slice& slice, std::int64_t first) {
    worker.judge(goal, slice, steps, 0.0F, [&](std::int64_t r) { return data.row(first + r); });
  };
  carry_alone(run, data.x, begin, end, judge, kNoHome);
  collect_totals(run);
  totals.loss += static_cast<double>(end - begin) * updater_->penalty(parameters_.data(), wanted_);
}

void Network::predict_in_parts(const Rows& x, std::int64_t begin, std::int64_t end, float* out) {
  const int parts = num_threads();
  const std::size_t steps = program_.steps.size();
  prepare_packed(Mode::kInference, all_wanted_);
  const Crew& the_crew = crew(Mode::kInference, parts, end - begin, {});
  const Pass pass{.weights = weights(), .wanted = &all_wanted_, .team = {}};
  Worker& owner = *the_crew.workers[0];
  for_pieces(begin, end, the_crew.layout->rows, [&](std::int64_t first, std::int64_t rows) {
    const Slice slice{rows, first - begin, first - begin, 0};
    for (std::int64_t r = 0; r < rows; ++r) owner.gather(x, first + r, r);
    run_team(parts, [&](const Member& member) {
      const simd::FlushDenormals flush;
      for (std::size_t s = 0; s < steps; ++s) {
        member.for_shares(parts, [&](int part) {
          Worker& worker = *the_crew.workers[static_cast<std::size_t>(part)];
          worker.forward_part(pass, s, slice, {part, parts}, owner);
        });
        if (s + 1 < steps) member.barrier();
      }
    });
    copy_output(steps, program_.tensor_size(steps), out)(owner, slice, first);
  });
}

void Network::predict(const Rows& x, std::int64_t begin, std::int64_t end, float* out) {
  const std::int64_t rows = end - begin;
  if (rows < num_threads() && !is_serial(rows, 1.0)) return predict_in_parts(x, begin, end, out);
  const std::size_t steps = program_.steps.size();
  const Run run = prepare_run(Mode::kInference, end - begin, steps, all_wanted_, false);
  carry_alone(run, x, begin, end, copy_output(steps, program_.tensor_size(steps), out), kNoHome);
}

void Network::predict_as_in_training(const Rows& x, std::int64_t rows, std::uint64_t step,
                                     const std::vector<bool>& trainable,
                                     const std::vector<bool>& resting, float* out) {
  const Wanted wanted(program_, trainable);
  std::vector<bool> resting_steps;
  for (const Step& each : program_.steps) {
    resting_steps.push_back(resting[static_cast<std::size_t>(each.index)]);
  }
  const std::size_t steps = program_.steps.size();
  Run run = prepare_run(Mode::kTraining, rows, steps, wanted, true);
  run.backward = false;
  run.pass.resting = &resting_steps;
  run.pass.step = step;
  run.pass.batch_rows = rows;
  carry_alone(run, x, 0, rows, copy_output(steps, program_.tensor_size(steps), out), kNoHome);
  update_state(run);
}

void Network::vector_jacobian_product(const Rows& x, std::int64_t rows, const TrainingStep& at,
                                      const float* dy, float* dx, float* gradient) {
  const std::size_t steps = program_.steps.size();
  const std::int64_t x_size = program_.tensor_size(0);
  const std::int64_t y_size = program_.tensor_size(steps);
  Run run = prepare_run(Mode::kTraining, rows, steps, all_wanted_, at.training);
  run.pass.step = at.step;
  run.pass.batch_rows = rows;
  const auto turn = [&](Worker& worker, const Slice& slice, std::int64_t first) {
    std::copy_n(dy + first * y_size, slice.rows * y_size, worker.gradient(steps, slice.place));
  };
  const auto home = [&](Worker& worker, const Slice& slice, std::int64_t first) {
    const float* from = worker.gradient(0, slice.place);
    std::transform(from, from + slice.rows * x_size, dx + first * x_size,
                   [this](float d) { return d * program_.input_scale; });
  };
  carry_alone(run, x, 0, rows, turn, home);
  std::fill_n(gradient, program_.parameter_size, 0.0F);
  for (int share = 0; share < run.shares; ++share) {
    float* part = run.crew->workers[static_cast<std::size_t>(share)]->parameter_gradient();
    for (std::int64_t i = 0; i < program_.parameter_size; ++i) gradient[i] += part[i];
    std::fill_n(part, program_.parameter_size, 0.0F);
  }
  const Updater::Workers workers = workers_of(run);
  std::vector<Kept> kept;
  for (std::size_t s = 0; s < program_.steps.size(); ++s) {
    const Step& step = program_.steps[s];
    if (step.op->late_unit() == 0) continue;
    workers.list_kept(s, rows, kept);
    step.op->late_gradient(0, step.op->units(), kept, gradient + step.parameters_at);
  }
}

}  // namespace convlet
