// One worker: its memory, and the passes over the rows it is given.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/buffer.hpp"
#include "engine/layout.hpp"
#include "engine/program.hpp"
#include "ops/loss.hpp"

namespace convlet {

// The network's parameters, as flat array and as the kernels read them.
struct Weights {
  const float* flat;
  const float* packed;
  const std::int64_t* packed_at;  // by step
};

// The user's rows, read in place: one of the two pointers is set.
struct Rows {
  const float* floats = nullptr;
  const std::uint8_t* bytes = nullptr;
};

// Sums over rows.
struct Totals {
  double rows = 0.0;
  double loss = 0.0;
  std::vector<double> metrics;

  void clear();
  void add(const Totals& other);
};

// What a training step or an evaluation wants to know of the last layer's output.
struct Objective {
  const Loss* loss;
  const std::vector<Metric>* metrics;
  Targets targets;
  const float* sample_weight;  // one a row, or nullptr
  bool skip_softmax;           // the loss does the last step itself
};

class Worker {
 public:
  Worker(const Program& program, const Layout& layout, Mode mode);

  Totals totals;

  // Rows the arena holds at once.
  std::int64_t capacity() const { return layout_.rows; }
  // Copies row `index` of x into the r-th place of the arena, as floats, rescaled.
  void gather(const Rows& x, std::int64_t index, std::int64_t r);
  // Runs the first `steps` steps on `rows` gathered rows.
  void forward(const Weights& weights, std::int64_t rows, std::size_t steps);
  // Runs them backward from the gradient at gradient(steps); adds to the parameters' gradient. The
  // gradient with respect to the network's input is computed only where `input_gradient` asks for
  // it.
  void backward(const Weights& weights, std::int64_t rows, std::size_t steps, bool input_gradient);
  // After the last backward of a step.
  void finish_gradient();
  // Loss and metrics of the output of the first `steps` steps, r-th row = the user's row(r); scale
  // > 0: also the loss's gradient, times scale.
  template <class RowOf>
  void judge(const Objective& objective, std::int64_t rows, std::size_t steps, float scale,
             RowOf&& row_of);

  float* tensor(std::size_t t) { return arena_.data() + layout_.tensor[t]; }
  float* gradient(std::size_t t) { return arena_.data() + layout_.gradient[t]; }
  float* parameter_gradient() { return parameter_gradient_.data(); }

 private:
  const Program& program_;
  const Layout& layout_;
  bool training_;
  Buffer arena_;
  Buffer workspace_;
  Buffer parameter_gradient_;  // zero between steps
};

template <class RowOf>
void Worker::judge(const Objective& objective, std::int64_t rows, std::size_t steps, float scale,
                   RowOf&& row_of) {
  const std::int64_t width = program_.tensor_size(steps);
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t row = row_of(r);
    float* y = tensor(steps) + r * width;
    for (std::size_t m = 0; m < objective.metrics->size(); ++m) {
      totals.metrics[m] +=
          static_cast<double>((*objective.metrics)[m].value(objective.targets, row, y, width));
    }
    const float weight = objective.sample_weight != nullptr ? objective.sample_weight[row] : 1.0F;
    float* dy = scale > 0.0F ? gradient(steps) + r * width : nullptr;
    const float loss =
        (*objective.loss)(objective.targets, row, objective.skip_softmax, scale * weight, y, dy);
    totals.loss += static_cast<double>(weight) * static_cast<double>(loss);
  }
  totals.rows += static_cast<double>(rows);
}

}  // namespace convlet
