#include "engine/phases.hpp"

namespace convlet {

std::vector<std::size_t> meetings_of(const Program& program, const std::vector<bool>& frozen) {
  std::vector<std::size_t> meetings;
  for (std::size_t s = 0; s < program.steps.size(); ++s) {
    if (program.steps[s].op->needs_whole_batch() && !frozen[s]) meetings.push_back(s);
  }
  return meetings;
}

std::vector<Phase> plan_phases(const std::vector<std::size_t>& meetings, std::size_t steps) {
  const std::size_t k = meetings.size();
  std::vector<Phase> phases(2 * k + 1);
  phases.front().is_start = true;
  phases[k].is_turn = true;
  phases.back().is_home = true;
  for (std::size_t i = 0; i <= k; ++i) {
    Phase& there = phases[i];
    there.forward = {i == 0 ? 0 : meetings[i - 1], i == k ? steps : meetings[i]};
    if (i < k) there.forward_sums = meetings[i];
    // The way back of the steps between the same two meetings: the op at the upper end goes back
    // once its sums are there, the one at the lower end leaves its sums.
    Phase& back = phases[2 * k - i];
    back.backward = {i == 0 ? 0 : meetings[i - 1] + 1, i == k ? steps : meetings[i] + 1};
    if (i > 0) back.backward_sums = meetings[i - 1];
  }
  return phases;
}

std::vector<Phase> way_there(std::vector<Phase> phases) {
  phases.resize(phases.size() / 2 + 1);
  phases.back().backward = {};
  phases.back().backward_sums.reset();
  phases.back().is_home = false;
  return phases;
}

std::vector<Phase> way_back(std::vector<Phase> phases) {
  phases.erase(phases.begin(), phases.begin() + static_cast<std::ptrdiff_t>(phases.size() / 2));
  phases.front().is_start = false;
  phases.front().forward = {};
  return phases;
}

}  // namespace convlet
