// One worker: its memory, and the passes over the rows it is given.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/buffer.hpp"
#include "engine/layout.hpp"
#include "engine/phases.hpp"
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

// What all slices of a pass over a batch have in common.
struct Pass {
  Weights weights;
  const Wanted* wanted;                        // of the backward pass
  bool training = false;                       // layers do what they do in training
  const std::vector<bool>* resting = nullptr;  // by step: but not these; nullptr: all of them
  std::uint64_t step = 0;                      // of training
  std::span<float* const> team;                // the workers' shared memory, by share
  std::int64_t batch_rows = 0;
};

// Some rows of a worker's share.
struct Slice {
  std::int64_t rows;
  std::int64_t share_row;  // of the first one
  std::int64_t batch_row;  // its position in the batch
  std::int64_t place;      // in the arena: its rows [place, place + rows)
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
  // The share-th of a team, for shares of at most share_rows rows.
  Worker(const Program& program, const Layout& layout, Mode mode, int share,
         std::int64_t share_rows);

  Totals totals;

  // Copies row `index` of x into the r-th place of the arena, as floats, rescaled.
  void gather(const Rows& x, std::int64_t index, std::int64_t r);
  // Runs a phase's forward steps on gathered rows.
  void forward(const Pass& pass, const Phase& phase, const Slice& slice);
  // Runs part `part` of step s, of inference, on the rows of another worker.
  void forward_part(const Pass& pass, std::size_t s, const Slice& slice, Part part, Worker& owner);
  // Runs its backward steps; those behind the loss start from the gradient of the last one's
  // output. Adds to the parameters' gradient.
  void backward(const Pass& pass, const Phase& phase, const Slice& slice);
  // After the last backward of a step.
  void finish_gradient(const Wanted& wanted);
  // Loss and metrics of the output of the first `steps` steps, r-th row = the user's row(r); scale
  // > 0: also the loss's gradient, times scale.
  template <class RowOf>
  void judge(const Objective& objective, const Slice& slice, std::size_t steps, float scale,
             RowOf&& row_of);

  // Tensor t, and the gradient with respect to it, of the row at `place`.
  float* tensor(std::size_t t, std::int64_t place) {
    return arena_.data() + layout_.tensor[t] + place * program_.tensor_size(t);
  }
  float* gradient(std::size_t t, std::int64_t place) {
    return arena_.data() + layout_.gradient[t] + place * program_.tensor_size(t);
  }
  float* parameter_gradient() { return parameter_gradient_.data(); }
  // What step s kept of the share.
  const float* kept(std::size_t s) const { return kept_.data() + kept_at_[s]; }
  // What the team's other workers read.
  float* shared() { return shared_.data(); }
  const float* shared(std::size_t step) const { return shared_.data() + layout_.shared[step]; }

 private:
  void find_inputs(std::size_t s, const Slice& slice);
  // Adds to the gradients of a step's inputs the parts that it left elsewhere.
  void add_parts(const Pass& pass, std::size_t s, const Slice& slice);
  ForwardArgs forward_args(const Pass& pass, std::size_t s, const Slice& slice);
  BackwardArgs backward_args(const Pass& pass, std::size_t s, const Slice& slice);
  Context context(const Pass& pass, std::size_t s, const Slice& slice) const;
  float* saved(std::size_t s, std::int64_t place) {
    return arena_.data() + layout_.saved[s] + place * saved_per_row_[s];
  }

  const Program& program_;
  const Layout& layout_;
  bool training_;
  int share_;
  std::vector<std::int64_t> saved_per_row_;  // by step
  std::vector<const float*> xs_;             // the arguments of the step that runs
  std::vector<float*> dxs_;
  Buffer arena_;
  std::vector<std::int64_t> kept_at_;  // by step
  Buffer workspace_;
  Buffer kept_;
  Buffer shared_;
  Buffer parameter_gradient_;  // zero between steps
};

template <class RowOf>
void Worker::judge(const Objective& objective, const Slice& slice, std::size_t steps, float scale,
                   RowOf&& row_of) {
  const std::int64_t width = program_.tensor_size(steps);
  for (std::int64_t r = 0; r < slice.rows; ++r) {
    const std::int64_t row = row_of(r);
    float* y = tensor(steps, slice.place + r);
    for (std::size_t m = 0; m < objective.metrics->size(); ++m) {
      totals.metrics[m] +=
          static_cast<double>((*objective.metrics)[m].value(objective.targets, row, y, width));
    }
    const float weight = objective.sample_weight != nullptr ? objective.sample_weight[row] : 1.0F;
    float* dy = scale > 0.0F ? gradient(steps, slice.place + r) : nullptr;
    const float loss =
        (*objective.loss)(objective.targets, row, objective.skip_softmax, scale * weight, y, dy);
    totals.loss += static_cast<double>(weight) * static_cast<double>(loss);
  }
  totals.rows += static_cast<double>(slice.rows);
}

}  // namespace convlet
