// Where a worker keeps everything it touches while it carries some rows through the network: one
// arena, planned once.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/phases.hpp"
#include "engine/program.hpp"

namespace convlet {

enum class Mode { kInference, kTraining };

// Offsets in floats. Memory is shared between tensors that are never needed at the same time.
struct Layout {
  // `meetings`: where the team meets (see phases.hpp); between two of them a worker may be at any
  // step with any of its rows.
  Layout(const Program& program, Mode mode, std::int64_t rows,
         const std::vector<Meeting>& meetings = {});

  std::int64_t rows;                   // that fit at once
  std::vector<std::int64_t> tensor;    // activations, by tensor
  std::vector<std::int64_t> gradient;  // gradients with respect to them (training)
  // By step and input: where the step leaves its part of that gradient (training). The last reader
  // of a tensor leaves it in the gradient itself, the others elsewhere, from where it is added.
  std::vector<std::vector<std::int64_t>> part;
  std::vector<std::int64_t> saved;  // what a step keeps for its backward pass, by step (training)
  std::vector<std::int64_t> forward_scratch;   // by step
  std::vector<std::int64_t> backward_scratch;  // by step
  std::int64_t most_alive = 0;                 // of the arena at the same time, without scratch
  std::int64_t size = 0;                       // of the arena
  std::vector<std::int64_t> workspace;         // by step, in the worker's workspace (training)
  std::int64_t workspace_size = 0;
  std::vector<std::int64_t> kept;    // by step, floats a row of the worker's share (training)
  std::vector<std::int64_t> shared;  // by step, in what the worker's team can read (training)
  std::int64_t shared_size = 0;
};

// As many rows as keep the arena in a core's second-level cache, at least one; more where the
// weights do not fit it either: each pass over the rows reads them all, so they are worth as much
// memory.
std::int64_t rows_at_once(const Program& program, Mode mode);

}  // namespace convlet
