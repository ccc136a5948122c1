#include "engine/worker.hpp"

#include <algorithm>

#include "kernels/convert.hpp"

namespace convlet {

void Totals::clear() {
  rows = 0.0;
  loss = 0.0;
  std::fill(metrics.begin(), metrics.end(), 0.0);
}

void Totals::add(const Totals& other) {
  rows += other.rows;
  loss += other.loss;
  for (std::size_t m = 0; m < metrics.size(); ++m) metrics[m] += other.metrics[m];
}

Worker::Worker(const Program& program, const Layout& layout, Mode mode)
    : program_(program),
      layout_(layout),
      training_(mode == Mode::kTraining),
      arena_(layout.size),
      workspace_(layout.workspace_size),
      parameter_gradient_(training_ ? program.parameter_size : 0) {}

void Worker::gather(const Rows& x, std::int64_t index, std::int64_t r) {
  const std::int64_t size = program_.tensor_size(0);
  float* to = tensor(0) + r * size;
  if (x.bytes != nullptr) {
    convert(size, x.bytes + index * size, program_.input_scale, program_.input_offset, to);
  } else {
    convert(size, x.floats + index * size, program_.input_scale, program_.input_offset, to);
  }
}

void Worker::forward(const Weights& weights, std::int64_t rows, std::size_t steps) {
  for (std::size_t s = 0; s < steps; ++s) {
    const Step& step = program_.steps[s];
    step.op->forward({.rows = rows,
                      .x = tensor(s),
                      .y = tensor(s + 1),
                      .parameters = weights.flat + step.parameters_at,
                      .packed = weights.packed + weights.packed_at[s],
                      .saved = training_ ? arena_.data() + layout_.saved[s] : nullptr,
                      .scratch = arena_.data() + layout_.scratch});
  }
}

void Worker::backward(const Weights& weights, std::int64_t rows, std::size_t steps,
                      bool input_gradient) {
  for (std::size_t s = steps; s-- > 0;) {
    const Step& step = program_.steps[s];
    step.op->backward({.rows = rows,
                       .x = tensor(s),
                       .y = tensor(s + 1),
                       .dy = gradient(s + 1),
                       .dx = s > 0 || input_gradient ? gradient(s) : nullptr,
                       .parameters = weights.flat + step.parameters_at,
                       .packed = weights.packed + weights.packed_at[s],
                       .saved = arena_.data() + layout_.saved[s],
                       .scratch = arena_.data() + layout_.scratch,
                       .workspace = workspace_.data() + layout_.workspace[s],
                       .gradient = parameter_gradient_.data() + step.parameters_at});
  }
}

void Worker::finish_gradient() {
  for (std::size_t s = 0; s < program_.steps.size(); ++s) {
    const Step& step = program_.steps[s];
    step.op->finish_gradient(workspace_.data() + layout_.workspace[s],
                             parameter_gradient_.data() + step.parameters_at);
  }
}

}  // namespace convlet
