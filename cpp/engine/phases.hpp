// A pass over a batch, cut at the places where the whole team has to meet because an op needs sums
// over all its rows.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "engine/program.hpp"

namespace convlet {

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
  std::optional<std::size_t> backward_sums;
  bool is_home = false;  // then the gradient of the input
};

// The steps whose op needs the whole batch, in order, but for the frozen ones.
std::vector<std::size_t> meetings_of(const Program& program, const std::vector<bool>& frozen);

// Forward through the first `steps` steps and back: 2 k + 1 phases for k meetings, of which the
// first k + 1 are the forward pass.
std::vector<Phase> plan_phases(const std::vector<std::size_t>& meetings, std::size_t steps);
// The two halves of that, both of which have the turn.
std::vector<Phase> way_there(std::vector<Phase> phases);
std::vector<Phase> way_back(std::vector<Phase> phases);

}  // namespace convlet
