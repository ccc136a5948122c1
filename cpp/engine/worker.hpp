// One worker: its memory, and the passes over the rows it is given.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/buffer.hpp"
#include "engine/group.hpp"
#include "engine/layout.hpp"
#include "engine/objective.hpp"
#include "engine/phases.hpp"
#include "engine/program.hpp"

namespace convlet {

// The network's parameters, as flat array and as the kernels read them.
struct Weights {
  const float* flat;
  const float* const* packed;  // by step
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
  std::int64_t batch_rows = 0;                 // of this process
  std::int64_t first_row = 0;                  // position in the whole batch of the first of them
  std::int64_t group_rows = 0;                 // of the whole batch
  Group* group = nullptr;                      // the processes that share it
  bool is_judged = false;                      // the loss is wanted
  float penalty_scale = 0.0F;                  // of the gradients of the ops' own penalties
};

// Some rows of a worker's share.
struct Slice {
  std::int64_t rows;
  std::int64_t share_row;  // of the first one
  std::int64_t batch_row;  // its position in the batch
  std::int64_t place;      // in the arena: its rows [place, place + rows)
};

// What a worker needs while it works on rows, and not from one phase or batch to the next.
struct WorkingMemory {
  explicit WorkingMemory(const Layout& layout)
      : arena(layout.size), workspace(layout.workspace_size) {}

  Buffer arena;
  Buffer workspace;  // zero at the end of a step
};

class Worker {
 public:
  // The share-th of a team, for shares of at most share_rows rows.
  Worker(const Program& program, const Layout& layout, Mode mode, int share,
         std::int64_t share_rows, WorkingMemory& memory);

  // Another memory from now on. Workers that take turns, each for all of its rows, may have the
  // same: it stays in the cache of their thread.
  void use(WorkingMemory& memory) { memory_ = &memory; }

  Totals totals;

  // Copies row `index` of x into the r-th place of the arena, as floats, rescaled.
  void gather(const Rows& x, std::int64_t index, std::int64_t r);
  // Runs a phase's forward steps on gathered rows.
  void forward(const Pass& pass, const Phase& phase, const Slice& slice);
  // Runs part `part` of step s on the rows of another worker.
  void forward_part(const Pass& pass, std::size_t s, const Slice& slice, Part part, Worker& owner);
  void backward_part(const Pass& pass, std::size_t s, const Slice& slice, Part part, Worker& owner);
  // Runs its backward steps; those behind the loss start from the gradient of the last one's
  // output. Adds to the parameters' gradient.
  void backward(const Pass& pass, const Phase& phase, const Slice& slice);
  // Step s needs sums over all processes, and turns those of this one's workers into them.
  bool joins_group(std::size_t s) const { return program_.steps[s].op->joins_group(); }
  void join_sums(const Pass& pass, std::size_t s, bool forward) const;
  // After the last backward of a step.
  void finish_gradient(const Wanted& wanted);
  // Loss and metrics of the output of the first `steps` steps; the slice's rows are those at
  // positions first, first + 1, ... of the labels' order. In training also the loss's gradient.
  void judge(const Objective& objective, const Batch& batch, std::int64_t first, const Slice& slice,
             std::size_t steps);

  // Tensor t, and the gradient with respect to it, of the row at `place`.
  float* tensor(std::size_t t, std::int64_t place) {
    return memory_->arena.data() + layout_.tensor[t] + place * program_.tensor_size(t);
  }
  float* gradient(std::size_t t, std::int64_t place) {
    return memory_->arena.data() + layout_.gradient[t] + place * program_.tensor_size(t);
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
    return memory_->arena.data() + layout_.saved[s] + place * saved_per_row_[s];
  }

  const Program& program_;
  const Layout& layout_;
  bool training_;
  int share_;
  std::vector<std::int64_t> saved_per_row_;  // by step
  std::vector<const float*> xs_;             // the arguments of the step that runs
  std::vector<float*> dxs_;
  WorkingMemory* memory_;
  std::vector<std::int64_t> kept_at_;  // by step
  Buffer kept_;
  Buffer shared_;
  Buffer parameter_gradient_;  // zero between steps
};

}  // namespace convlet
