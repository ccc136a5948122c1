// A pass over a batch, cut at the places where the whole team has to meet: because an op needs sums
// over all its rows, or because the team does an op's work together.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "engine/program.hpp"

namespace convlet {

// A step at which the team meets.
struct Meeting {
  std::size_t step;
  bool in_parts = false;  // Op::works_in_parts, else Op::needs_whole_batch
  bool has_data_gradient = false;

  bool operator==(const Meeting&) const = default;
};

// Each worker does a phase slice by slice, without waiting for the others.
struct Phase {
  // Steps [begin, end).
  struct Steps {
    std::size_t begin = 0;
    std::size_t end = 0;
  };
  bool is_start = false;                    // first, the rows are gathered
  Steps forward;                            // first to last
  std::optional<std::size_t> forward_sums;  // of this step, behind them
  bool is_turn = false;                     // then the loss
  Steps backward;                           // last to first
  bool parts_follow = false;                // the next phase computes the last one's data gradient
  std::optional<std::size_t> backward_sums;
  bool is_home = false;  // then the gradient of the input
  // Instead of all that: each worker does a part of this step for all workers' rows.
  std::optional<std::size_t> forward_in_parts;
  std::optional<std::size_t> backward_in_parts;

  bool is_in_parts() const { return forward_in_parts || backward_in_parts; }
};

// The steps whose op needs the whole batch, but for the frozen ones, and, with `in_parts`, those
// whose op works in parts, in order.
std::vector<Meeting> meetings_of(const Program& program, const Wanted& wanted, bool in_parts);

// Forward through the first `steps` steps and back.
std::vector<Phase> plan_phases(const std::vector<Meeting>& meetings, std::size_t steps);
// The two halves of that, both of which have the turn.
std::vector<Phase> way_there(std::vector<Phase> phases);
std::vector<Phase> way_back(std::vector<Phase> phases);

}  // namespace convlet
