#include "engine/phases.hpp"

#include <algorithm>

namespace convlet {
namespace {

// Appends the forward pass, whose last phase has the turn.
void add_forward(const std::vector<Meeting>& meetings, std::size_t steps,
                 std::vector<Phase>& phases) {
  phases.emplace_back().is_start = true;
  for (const Meeting& meeting : meetings) {
    phases.back().forward.end = meeting.step;
    std::size_t next = meeting.step;
    if (meeting.in_parts) {
      phases.emplace_back().forward_in_parts = next++;
    } else {
      phases.back().forward_sums = meeting.step;
    }
    phases.emplace_back().forward = {next, next};
  }
  phases.back().forward.end = steps;
  phases.back().is_turn = true;
}

// Appends the backward pass, whose first phase is the one with the turn.
void add_backward(const std::vector<Meeting>& meetings, std::size_t steps,
                  std::vector<Phase>& phases) {
  phases.back().backward.end = steps;
  for (auto meeting = meetings.rbegin(); meeting != meetings.rend(); ++meeting) {
    if (meeting->in_parts && !meeting->has_data_gradient) continue;
    // In parts comes behind what each worker does of the step alone; sums come before it.
    const std::size_t next = meeting->step + (meeting->in_parts ? 0 : 1);
    phases.back().backward.begin = next;
    if (meeting->in_parts) {
      phases.back().parts_follow = true;
      phases.emplace_back().backward_in_parts = meeting->step;
    } else {
      phases.back().backward_sums = meeting->step;
    }
    phases.emplace_back().backward = {next, next};
  }
  phases.back().backward.begin = 0;
  phases.back().is_home = true;
}

// Whether there is nothing to do.
bool is_idle(const Phase& phase) {
  return !phase.is_start && !phase.is_turn && !phase.is_home && !phase.forward_sums &&
         !phase.backward_sums && !phase.forward_in_parts && !phase.backward_in_parts &&
         phase.forward.begin == phase.forward.end && phase.backward.begin == phase.backward.end;
}

auto turn_of(const std::vector<Phase>& phases) {
  return std::find_if(phases.begin(), phases.end(), [](const Phase& p) { return p.is_turn; });
}

}  // namespace

std::vector<Meeting> meetings_of(const Program& program, const Wanted& wanted, bool in_parts) {
  std::vector<Meeting> meetings;
  for (std::size_t s = 0; s < program.steps.size(); ++s) {
    const Op& op = *program.steps[s].op;
    if (op.needs_whole_batch() && !wanted.frozen[s]) meetings.push_back({.step = s});
    if (!in_parts || !op.works_in_parts()) continue;
    const std::size_t input = program.steps[s].inputs.front();
    // The gradient of a tensor with several readers is a sum of what each leaves.
    if (program.readers[input].size() > 1) continue;
    meetings.push_back({.step = s, .in_parts = true, .has_data_gradient = wanted.tensor[input]});
  }
  return meetings;
}

std::vector<Phase> plan_phases(const std::vector<Meeting>& meetings, std::size_t steps) {
  std::vector<Phase> phases;
  add_forward(meetings, steps, phases);
  add_backward(meetings, steps, phases);
  std::erase_if(phases, is_idle);
  return phases;
}

std::vector<Phase> way_there(std::vector<Phase> phases) {
  phases.erase(turn_of(phases) + 1, phases.end());
  phases.back().backward = {};
  phases.back().backward_sums.reset();
  phases.back().is_home = false;
  return phases;
}

std::vector<Phase> way_back(std::vector<Phase> phases) {
  phases.erase(phases.begin(), turn_of(phases));
  phases.front().is_start = false;
  phases.front().forward = {};
  return phases;
}

}  // namespace convlet
