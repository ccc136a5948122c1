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

constexpr auto kNoHome = [](Worker&, const Slice&, std::int64_t) {};

int threads_for(int shares) { return std::min(shares, num_threads()); }

constexpr auto kAsTheyAre = [](std::int64_t i) { return i; };

}  // namespace

Network::Run Network::prepare_run(Mode mode, std::int64_t rows, std::size_t steps,
                                  const Wanted& wanted, bool training, bool in_halves) {
  const bool is_training = mode == Mode::kTraining;
  if (is_training) abandon_pending();
  const int shares = shares_for(rows, is_training ? 3.0 : 1.0);
  prepare_packed(mode, wanted);
  const std::int64_t share_rows = (rows + shares - 1) / shares;
  std::vector<Meeting> meetings;
  if (training) meetings = training_meetings(shares, share_rows, wanted);
  const bool whole = in_halves || !meetings.empty();
  Crew& the_crew = crew(mode, shares, share_rows, meetings, whole);
  // Without a meeting in the plan of the arena each slice has to come home before the next starts.
  const bool at_once = in_halves && meetings.empty();
  const std::int64_t slice =
      at_once ? the_crew.layout->rows
              : piece_of(share_rows, std::min(the_crew.layout->rows, the_crew.rows_at_once));
  const std::span<float* const> team(the_crew.shared.data(), static_cast<std::size_t>(shares));
  std::vector<Phase> phases = plan_phases(meetings, steps);
  if (in_halves || !is_training) phases = way_there(std::move(phases));
  return {.crew = &the_crew,
          .shares = shares,
          .phases = std::move(phases),
          .slice = slice,
          .whole = whole,
          .pass = {.weights = weights(), .wanted = &wanted, .training = training, .team = team}};
}

template <class RowOf, class Turn, class Home>
void Network::carry(const Member& member, const Run& run, const Pass& pass, const Rows& x,
                    std::int64_t begin, std::int64_t end, RowOf&& row_of, Turn&& turn,
                    Home&& home) const {
  for (const Phase& phase : run.phases) {
    member.for_shares(run.shares, [&](int share) {
      if (phase.is_in_parts()) return carry_part(run, phase, pass, share);
      // Where nothing waits in the arena for another phase, a thread's workers share its memory.
      const int memory = run.whole ? share : member.index();
      Worker& worker =
          run.crew->with_memory(static_cast<std::size_t>(share), static_cast<std::size_t>(memory));
      const std::int64_t from = begin + share_begin(end - begin, share, run.shares);
      const std::int64_t to = begin + share_begin(end - begin, share + 1, run.shares);
      const auto visit = [&](std::int64_t first, std::int64_t rows) {
        const Slice slice{rows, first - from, pass.first_row + first - begin,
                          run.whole ? first - from : 0};
        for (std::int64_t r = 0; phase.is_start && r < rows; ++r)
          worker.gather(x, row_of(first + r), slice.place + r);
        worker.forward(pass, phase, slice);
        if (phase.is_turn) turn(worker, slice, first);
        worker.backward(pass, phase, slice);
        if (phase.is_home) home(worker, slice, first);
      };
      for_pieces(from, to, run.slice, visit);
      if (run.whole && from == to) visit(from, 0);
      if (phase.is_home) worker.finish_gradient(*pass.wanted);
    });
    if (&phase != &run.phases.back()) member.barrier();
    if (pass.group != nullptr) join_sums(member, run, pass, phase);
  }
}

void Network::carry_part(const Run& run, const Phase& phase, const Pass& pass, int part) {
  Worker& worker = *run.crew->workers[static_cast<std::size_t>(part)];
  for (int share = 0; share < run.shares; ++share) {
    Worker& owner = *run.crew->workers[static_cast<std::size_t>(share)];
    const std::int64_t first = share_begin(pass.batch_rows, share, run.shares);
    const std::int64_t end = share_begin(pass.batch_rows, share + 1, run.shares);
    const Slice slice{end - first, 0, pass.first_row + first, 0};
    if (phase.forward_in_parts)
      worker.forward_part(pass, *phase.forward_in_parts, slice, {part, run.shares}, owner);
    if (phase.backward_in_parts)
      worker.backward_part(pass, *phase.backward_in_parts, slice, {part, run.shares}, owner);
  }
}

template <class RowOf, class Turn, class Home>
void Network::carry_alone(const Run& run, const Rows& x, std::int64_t begin, std::int64_t end,
                          RowOf&& row_of, Turn&& turn, Home&& home) const {
  run_team(threads_for(run.shares), [&](const Member& member) {
    const simd::FlushDenormals flush;
    carry(member, run, run.pass, x, begin, end, row_of, turn, home);
  });
}

void Network::train(const Dataset& data, std::int64_t begin, std::int64_t end,
                    std::int64_t batch_size, std::int64_t batches, const float* learning_rates) {
  batch_size = std::clamp<std::int64_t>(end - begin, 1, batch_size);
  const std::size_t steps = judged_steps();
  const bool takes_part = group_ != nullptr && !group_->is_sharded();
  const std::int64_t most = takes_part ? (batch_size - 1) / group_->size() + 1 : batch_size;
  const Run run = prepare_run(Mode::kTraining, most, steps, wanted_, true);
  updater_->plan(run.shares, wanted_);
  const int threads = threads_for(run.shares);
  packed_.divide(threads, batches > 1 ? batch_size / run.shares : 0, wanted_);
  const Updater::Workers workers = workers_of(run);
  const bool learns = wanted_.tensor[steps];
  std::vector<double> counts(group_ != nullptr ? static_cast<std::size_t>(group_->size()) + 2 : 0);
  OwnPart part_in_group{};
  group_failed_ = false;
  std::int64_t done = 0;
  run_team(threads, [&](const Member& member) {
    const simd::FlushDenormals flush;
    const auto row_of = [&](std::int64_t i) { return data.labels.row(i); };
    if (!member.is_first()) packed_.pack_own(member.index(), parameters_.data());
    for (std::int64_t number = 0; number < batches && !group_failed_; ++number) {
      const std::int64_t first = std::min(begin + number * batch_size, end);
      const std::int64_t rows = std::min(batch_size, end - first);
      if (group_ != nullptr) {
        if (member.is_first()) part_in_group = own_part(data.labels, first, rows, counts);
        member.barrier();
      }
      OwnPart part = group_ != nullptr ? part_in_group : own_part(data.labels, first, rows, {});
      const std::int64_t iteration = iterations + (learns ? number : 0);
      Pass pass = judged(run.pass, part.rows, part.first_row, part.batch_rows);
      pass.step = static_cast<std::uint64_t>(iteration);
      pass.weights.packed = packed_.steps_of(member.index());
      part.batch.scale *= updater_->loss_scale();
      const auto judge = [&](Worker& worker, const Slice& slice, std::int64_t at) {
        worker.judge(*objective_, part.batch, at, slice, steps);
        copy_outputs(worker, data, slice, at);
      };
      carry(member, run, pass, data.x, part.first, part.first + part.rows, row_of, judge, kNoHome);
      const float rate = learning_rates != nullptr ? learning_rates[number] : learning_rate;
      update(member, run, pass, update_step(workers, rate, iteration, part.rows));
      packed_.pack_own(member.index(), parameters_.data());
      if (member.is_first() && !group_failed_) ++done;
    }
  });
  if (learns) iterations += done;
  end_steps(run);
}

Pass Network::judged(Pass pass, std::int64_t rows, std::int64_t first_row,
                     std::int64_t group_rows) const {
  pass.is_judged = true;
  pass.batch_rows = rows;
  pass.first_row = first_row;
  pass.group_rows = group_rows;
  pass.group = pass.training ? group_.get() : nullptr;
  pass.penalty_scale = updater_->loss_scale() / static_cast<float>(group_rows);
  return pass;
}

void Network::end_steps(const Run& run) {
  collect_totals(run);
  totals.loss += updater_->take_penalty();
  // What a step that has failed leaves in the gradients must not join the next one's.
  if (group_failed_) training_.dismiss();
}

void Network::abandon_pending() {
  if (!pending_) return;
  for (const auto& worker : training_.workers) worker->totals.clear();
  pending_.reset();
}

Updater::Step Network::update_step(const Updater::Workers& workers, float rate,
                                   std::int64_t iteration, std::int64_t rows) {
  return {.learning_rate = rate,
          .iteration = iteration,
          .rows = rows,
          .workers = workers,
          .parameters = parameters_.data(),
          .packed = packed_.updated(),
          .packed_for_data = packed_.for_data()};
}

void Network::update(const Member& member, const Run& run, const Pass& pass, Updater::Step step) {
  if (pass.group != nullptr) {
    if (!gather(member, run, pass, step)) return;
    step.is_gathered = true;
  }
  member.for_shares(run.shares, [&](int share) { updater_->prepare(share, step); });
  member.barrier();
  updater_->run(member, step);
  member.for_shares(run.shares, [&](int share) {
    if (share == 0 && pass.group == nullptr) update_state(run);
  });
  member.barrier();
  member.for_shares(run.shares, [&](int share) { updater_->clear(share, step); });
}

void Network::copy_outputs(Worker& worker, const Dataset& data, const Slice& slice,
                           std::int64_t first) const {
  if (data.outputs == nullptr) return;
  const std::size_t steps = judged_steps();
  const std::int64_t size = program_.tensor_size(steps);
  std::copy_n(worker.tensor(steps, slice.place), slice.rows * size,
              data.outputs + (first - data.outputs_begin) * size);
}

void Network::train_forward(const Rows& x, const std::int64_t* order, std::int64_t begin,
                            std::int64_t end, std::int64_t first_row, std::int64_t group_rows,
                            float* out) {
  const std::size_t steps = program_.steps.size();
  // In a group a process may have no row of a batch.
  const std::int64_t most = std::max<std::int64_t>(end - begin, 1);
  Run run = prepare_run(Mode::kTraining, most, steps, wanted_, true, true);
  run.pass = judged(run.pass, end - begin, first_row, group_rows);
  group_failed_ = false;
  run.pass.step = static_cast<std::uint64_t>(iterations);
  const auto row_of = [&](std::int64_t i) {
    return order != nullptr ? order[begin + i] : begin + i;
  };
  carry_alone(run, x, 0, end - begin, row_of, copy_output(steps, program_.tensor_size(steps), out),
              kNoHome);
  pending_ = {std::move(run), end - begin};
}

void Network::train_backward(const float* dy, double loss, float rate) {
  Run& run = pending_->run;
  const std::int64_t rows = pending_->rows;
  const std::size_t steps = program_.steps.size();
  const std::int64_t size = program_.tensor_size(steps);
  prepare_packed(Mode::kTraining, wanted_);
  packed_.divide(1, 0, wanted_);
  run.pass.weights = weights();
  run.phases = way_back(plan_phases(run.crew->meetings, steps));
  updater_->plan(run.shares, wanted_);
  const Updater::Workers workers = workers_of(run);
  const Updater::Step step = update_step(workers, rate, iterations, rows);
  const auto turn = [&](Worker& worker, const Slice& slice, std::int64_t first) {
    std::transform(dy + first * size, dy + (first + slice.rows) * size,
                   worker.gradient(steps, slice.place),
                   [&](float d) { return d * updater_->loss_scale(); });
  };
  run_team(threads_for(run.shares), [&](const Member& member) {
    const simd::FlushDenormals flush;
    carry(member, run, run.pass, {}, 0, rows, kAsTheyAre, turn, kNoHome);
    update(member, run, run.pass, step);
  });
  if (wanted_.tensor[steps] && !group_failed_) ++iterations;
  totals.loss += loss * static_cast<double>(rows);
  totals.rows += static_cast<double>(rows);
  end_steps(run);
  pending_.reset();
}

void Network::evaluate_forward(const Rows& x, std::int64_t begin, std::int64_t end, float* out) {
  const std::size_t steps = program_.steps.size();
  Run run = prepare_run(Mode::kInference, end - begin, steps, all_wanted_, false);
  run.pass = judged(run.pass, end - begin);
  const auto row_of = [&](std::int64_t i) { return begin + i; };
  carry_alone(run, x, 0, end - begin, row_of, copy_output(steps, program_.tensor_size(steps), out),
              kNoHome);
  collect_totals(run);
}

void Network::count(double loss, std::int64_t rows) {
  totals.loss +=
      static_cast<double>(rows) * (loss + updater_->penalty(parameters_.data(), wanted_));
  totals.rows += static_cast<double>(rows);
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
  for (const Meeting& meeting : run.crew->meetings) {
    const Step& step = program_.steps[meeting.step];
    step.op->update_state(run.crew->workers[0]->shared(meeting.step),
                          parameters_.data() + step.parameters_at);
  }
}

void Network::collect_totals(const Run& run) {
  for (int share = 0; share < run.shares; ++share) {
    Totals& part = run.crew->workers[static_cast<std::size_t>(share)]->totals;
    totals.add(part);
    part.clear();
  }
}

void Network::evaluate(const Dataset& data, std::int64_t begin, std::int64_t end,
                       std::int64_t batch_size) {
  if (!objective_->depends_on_batches()) batch_size = end - begin;
  for_pieces(begin, end, batch_size, [&](std::int64_t first, std::int64_t rows) {
    evaluate_batch(data, first, first + rows);
  });
}

void Network::evaluate_batch(const Dataset& data, std::int64_t begin, std::int64_t end) {
  const std::size_t steps = judged_steps();
  Run run = prepare_run(Mode::kInference, end - begin, steps, all_wanted_, false);
  run.pass = judged(run.pass, end - begin);
  const Batch batch = objective_->batch(data.labels, begin, end - begin);
  const auto judge = [&](Worker& worker, const Slice& slice, std::int64_t first) {
    worker.judge(*objective_, batch, first, slice, steps);
    copy_outputs(worker, data, slice, first);
  };
  const auto row_of = [&](std::int64_t i) { return data.labels.row(i); };
  carry_alone(run, data.x, begin, end, row_of, judge, kNoHome);
  collect_totals(run);
  totals.loss += static_cast<double>(end - begin) * updater_->penalty(parameters_.data(), wanted_);
}

void Network::predict_in_parts(const Rows& x, std::int64_t begin, std::int64_t end, float* out) {
  const int parts = num_threads();
  const std::size_t steps = program_.steps.size();
  prepare_packed(Mode::kInference, all_wanted_);
  const Crew& the_crew = crew(Mode::kInference, parts, end - begin, {}, false);
  const Pass pass{.weights = weights(), .wanted = &all_wanted_, .team = {}};
  for (std::size_t w = 0; w < the_crew.workers.size(); ++w) the_crew.with_memory(w, w);
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
  carry_alone(run, x, begin, end, kAsTheyAre, copy_output(steps, program_.tensor_size(steps), out),
              kNoHome);
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
  run.phases = way_there(std::move(run.phases));
  run.pass.resting = &resting_steps;
  run.pass.step = step;
  run.pass.batch_rows = rows;
  carry_alone(run, x, 0, rows, kAsTheyAre, copy_output(steps, program_.tensor_size(steps), out),
              kNoHome);
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
  carry_alone(run, x, 0, rows, kAsTheyAre, turn, home);
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
    step.op->late_gradient(0, step.op->units(), kept, {}, gradient + step.parameters_at);
  }
}

}  // namespace convlet
