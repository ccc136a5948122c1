#include "engine/worker.hpp"

#include "kernels/convert.hpp"

namespace convlet {

Worker::Worker(const Program& program, const Layout& layout, Mode mode, int share,
               std::int64_t share_rows, WorkingMemory& memory)
    : program_(program),
      layout_(layout),
      training_(mode == Mode::kTraining),
      share_(share),
      memory_(&memory),
      shared_(training_ ? layout.shared_size : 0),
      parameter_gradient_(training_ ? program.parameter_size : 0) {
  for (const Step& step : program.steps) {
    saved_per_row_.push_back(step.op->storage(training_).saved_per_row);
    xs_.reserve(step.inputs.size());
    dxs_.reserve(step.inputs.size());
  }
  if (!training_) return;
  std::int64_t kept_size = 0;
  for (const std::int64_t kept_per_row : layout.kept) {
    kept_at_.push_back(kept_size);
    kept_size += share_rows * kept_per_row;
  }
  kept_ = Buffer(kept_size);
}

void Worker::gather(const Rows& x, std::int64_t index, std::int64_t r) {
  const std::int64_t size = program_.tensor_size(0);
  float* to = tensor(0, r);
  if (x.bytes != nullptr) {
    convert(size, x.bytes + index * size, program_.input_scale, program_.input_offset, to);
  } else {
    convert(size, x.floats + index * size, program_.input_scale, program_.input_offset, to);
  }
}

void Worker::forward(const Pass& pass, const Phase& phase, const Slice& slice) {
  for (std::size_t s = phase.forward.begin; s < phase.forward.end; ++s) {
    const Op& op = *program_.steps[s].op;
    const bool left_out = !training_ && op.only_in_training();
    if (!left_out && (slice.rows > 0 || op.needs_whole_batch()))
      op.forward(forward_args(pass, s, slice));
    if (pass.is_judged) totals.loss += op.penalty(slice.rows, tensor(s + 1, slice.place));
  }
  if (phase.forward_sums) {
    const std::size_t s = *phase.forward_sums;
    program_.steps[s].op->forward_sums(forward_args(pass, s, slice));
  }
}

void Worker::forward_part(const Pass& pass, std::size_t s, const Slice& slice, Part part,
                          Worker& owner) {
  const Step& step = program_.steps[s];
  if (!training_ && step.op->only_in_training()) return;
  ForwardArgs args = forward_args(pass, s, slice);
  xs_.clear();
  for (const std::size_t t : step.inputs) xs_.push_back(owner.tensor(t, slice.place));
  args.x = xs_.front();
  args.y = owner.tensor(s + 1, slice.place);
  step.op->forward_part(args, part);
}

void Worker::backward(const Pass& pass, const Phase& phase, const Slice& slice) {
  const auto is_needed = [&](std::size_t s) { return pass.wanted->tensor[s + 1]; };
  for (std::size_t s = phase.backward.end; s-- > phase.backward.begin;) {
    const Op& op = *program_.steps[s].op;
    if (!is_needed(s)) continue;
    if (slice.rows == 0 && !op.needs_whole_batch()) continue;
    BackwardArgs args = backward_args(pass, s, slice);
    if (phase.parts_follow && s == phase.backward.begin) args.dx = nullptr;
    op.backward(args);
    add_parts(pass, s, slice);
  }
  if (phase.backward_sums && is_needed(*phase.backward_sums)) {
    const std::size_t s = *phase.backward_sums;
    program_.steps[s].op->backward_sums(backward_args(pass, s, slice));
  }
}

void Worker::backward_part(const Pass& pass, std::size_t s, const Slice& slice, Part part,
                           Worker& owner) {
  BackwardArgs args = backward_args(pass, s, slice);
  args.x = owner.tensor(program_.steps[s].inputs.front(), slice.place);
  args.y = owner.tensor(s + 1, slice.place);
  args.dy = owner.gradient(s + 1, slice.place);
  args.dx = owner.gradient(program_.steps[s].inputs.front(), slice.place);
  program_.steps[s].op->backward_part(args, part);
}

void Worker::finish_gradient(const Wanted& wanted) {
  for (std::size_t s = 0; s < program_.steps.size(); ++s) {
    if (wanted.frozen[s]) continue;
    const Step& step = program_.steps[s];
    step.op->finish_gradient(memory_->workspace.data() + layout_.workspace[s],
                             parameter_gradient_.data() + step.parameters_at);
  }
}

void Worker::find_inputs(std::size_t s, const Slice& slice) {
  xs_.clear();
  for (const std::size_t t : program_.steps[s].inputs) xs_.push_back(tensor(t, slice.place));
}

void Worker::add_parts(const Pass& pass, std::size_t s, const Slice& slice) {
  const std::vector<std::size_t>& inputs = program_.steps[s].inputs;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::size_t t = inputs[i];
    if (!pass.wanted->tensor[t] || layout_.part[s][i] == layout_.gradient[t]) continue;
    const std::int64_t size = program_.tensor_size(t);
    const float* part = memory_->arena.data() + layout_.part[s][i] + slice.place * size;
    float* sum = gradient(t, slice.place);
    for (std::int64_t j = 0; j < slice.rows * size; ++j) sum[j] += part[j];
  }
}

ForwardArgs Worker::forward_args(const Pass& pass, std::size_t s, const Slice& slice) {
  const Step& step = program_.steps[s];
  find_inputs(s, slice);
  return {.rows = slice.rows,
          .x = xs_.front(),
          .xs = xs_,
          .y = tensor(s + 1, slice.place),
          .parameters = pass.weights.flat + step.parameters_at,
          .packed = pass.weights.packed[s],
          .saved = training_ ? saved(s, slice.place) : nullptr,
          .scratch = memory_->arena.data() + layout_.forward_scratch[s],
          .context = context(pass, s, slice)};
}

BackwardArgs Worker::backward_args(const Pass& pass, std::size_t s, const Slice& slice) {
  const Step& step = program_.steps[s];
  float* gradient_at = parameter_gradient_.data() + step.parameters_at;
  find_inputs(s, slice);
  dxs_.clear();
  for (std::size_t i = 0; i < step.inputs.size(); ++i) {
    const std::size_t t = step.inputs[i];
    float* part =
        memory_->arena.data() + layout_.part[s][i] + slice.place * program_.tensor_size(t);
    dxs_.push_back(pass.wanted->tensor[t] ? part : nullptr);
  }
  return {.rows = slice.rows,
          .x = xs_.front(),
          .xs = xs_,
          .y = tensor(s + 1, slice.place),
          .dy = gradient(s + 1, slice.place),
          .dx = dxs_.front(),
          .dxs = dxs_,
          .parameters = pass.weights.flat + step.parameters_at,
          .packed = pass.weights.packed[s],
          .saved = saved(s, slice.place),
          .scratch = memory_->arena.data() + layout_.backward_scratch[s],
          .workspace = memory_->workspace.data() + layout_.workspace[s],
          .gradient = pass.wanted->frozen[s] ? nullptr : gradient_at,
          .kept = kept_.data() + kept_at_[s] + slice.share_row * layout_.kept[s],
          .context = context(pass, s, slice)};
}

Context Worker::context(const Pass& pass, std::size_t s, const Slice& slice) const {
  const bool rests = pass.resting != nullptr && (*pass.resting)[s];
  return {.training = pass.training && !rests,
          .frozen = pass.wanted->frozen[s],
          .step = pass.step,
          .batch_row = slice.batch_row,
          .share_row = slice.share_row,
          .penalty_scale = pass.penalty_scale,
          .team = {.memory = pass.team,
                   .at = layout_.shared[s],
                   .self = share_,
                   .batch_rows = pass.batch_rows,
                   .group_rows = pass.group_rows}};
}

void Worker::join_sums(const Pass& pass, std::size_t s, bool forward) const {
  const GroupSum sum = [&](std::span<float> values) { pass.group->sum(values); };
  const Team team = context(pass, s, {}).team;
  const Op& op = *program_.steps[s].op;
  if (forward) {
    op.join_forward_sums(team, sum);
  } else {
    op.join_backward_sums(team, sum);
  }
}

void Worker::judge(const Objective& objective, const Batch& batch, std::int64_t first,
                   const Slice& slice, std::size_t steps) {
  for (std::int64_t r = 0; r < slice.rows; ++r) {
    const std::int64_t place = slice.place + r;
    objective.judge(batch, batch.labels->row(first + r), tensor(steps, place),
                    training_ ? gradient(steps, place) : nullptr, totals);
  }
}

}  // namespace convlet
