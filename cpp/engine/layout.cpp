#include "engine/layout.hpp"

#include <algorithm>

#include "engine/arena.hpp"

namespace convlet {
namespace {

// When things happen. Without meetings step s runs forward at time s, the loss comes at time S, and
// step s runs backward at time 2 S - s. With meetings a whole phase is one moment: time is the
// phase's number.
class Clock {
 public:
  Clock(std::size_t steps, const std::vector<Meeting>& meetings)
      : forward_(steps), backward_(steps + 1) {
    for (std::size_t s = 0; s <= steps; ++s) {
      if (s < steps) forward_[s] = as_time(s);
      backward_[s] = as_time(2 * steps - s);
    }
    last_ = as_time(2 * steps + 1);
    if (!meetings.empty()) take(plan_phases(meetings, steps), steps);
  }

  std::int64_t forward(std::size_t s) const { return forward_[s]; }
  // Of step S: the loss.
  std::int64_t backward(std::size_t s) const { return backward_[s]; }
  std::int64_t first() const { return -1; }
  std::int64_t last() const { return last_; }

 private:
  static std::int64_t as_time(std::size_t t) { return static_cast<std::int64_t>(t); }

  void take(const std::vector<Phase>& phases, std::size_t steps) {
    for (std::size_t p = 0; p < phases.size(); ++p) {
      const Phase& phase = phases[p];
      const auto set = [&](Phase::Steps of, std::vector<std::int64_t>& times) {
        for (std::size_t s = of.begin; s < of.end; ++s) times[s] = as_time(p);
      };
      set(phase.forward, forward_);
      set(phase.backward, backward_);
      if (phase.is_turn) backward_[steps] = as_time(p);
      if (phase.forward_in_parts) forward_[*phase.forward_in_parts] = as_time(p);
      if (phase.backward_in_parts) backward_[*phase.backward_in_parts] = as_time(p);
    }
    last_ = as_time(phases.size() - 1);
  }

  std::vector<std::int64_t> forward_;
  std::vector<std::int64_t> backward_;
  std::int64_t last_;
};

// Fills in a layout: first with the numbers of blocks of an arena, then with their places.
class Planner {
 public:
  Planner(const Program& program, Mode mode, const std::vector<Meeting>& meetings, Layout& layout)
      : program_(program),
        training_(mode == Mode::kTraining),
        steps_(program.steps.size()),
        meets_(!meetings.empty()),
        clock_(steps_, meetings),
        layout_(layout) {}

  void plan() {
    add_tensors();
    for (std::size_t s = 0; training_ && s < steps_; ++s) layout_.part.push_back(parts_of(s));
    for (std::size_t s = 0; s < steps_; ++s)
      add_storage(s, program_.steps[s].op->storage(training_));
    layout_.most_alive = arena_.most_alive();
    add_scratch();
    settle();
  }

 private:
  bool is_left_out(std::size_t s) const {
    return !training_ && s < steps_ && program_.steps[s].op->only_in_training();
  }

  // In inference: which step reads a tensor last, also under the names it has behind steps left
  // out.
  std::vector<std::size_t> last_reads() const {
    std::vector<std::size_t> last(steps_ + 1, steps_);
    for (std::size_t t = steps_; t-- > 0;) {
      last[t] = 0;
      for (const std::size_t s : program_.readers[t])
        last[t] = std::max(last[t], is_left_out(s) ? last[s + 1] : s);
    }
    return last;
  }

  void add_tensors() {
    const std::vector<std::size_t> last_read = last_reads();
    for (std::size_t t = 0; t <= steps_; ++t) {
      if (t > 0 && is_left_out(t - 1)) {
        layout_.tensor.push_back(layout_.tensor[program_.steps[t - 1].inputs.front()]);
        continue;
      }
      const std::int64_t made = t > 0 ? clock_.forward(t - 1) : clock_.first();
      const std::int64_t unmade = t > 0 ? clock_.backward(t - 1) : clock_.last();
      const std::int64_t used = training_ ? unmade : static_cast<std::int64_t>(last_read[t]);
      const std::int64_t size = layout_.rows * program_.tensor_size(t);
      layout_.tensor.push_back(arena_.add(size, made, used));
      if (!training_) continue;
      const std::size_t last = t < steps_ ? program_.readers[t].back() : steps_;
      layout_.gradient.push_back(arena_.add(size, clock_.backward(last), unmade));
    }
  }

  // Where step s leaves its parts of its inputs' gradients.
  std::vector<std::int64_t> parts_of(std::size_t s) {
    const std::vector<std::size_t>& inputs = program_.steps[s].inputs;
    std::vector<std::int64_t> parts;
    for (auto input = inputs.begin(); input != inputs.end(); ++input) {
      const bool is_first =
          program_.readers[*input].back() == s && std::find(inputs.begin(), input, *input) == input;
      const std::int64_t size = layout_.rows * program_.tensor_size(*input);
      parts.push_back(is_first ? layout_.gradient[*input] : add_at(clock_.backward(s), size));
    }
    return parts;
  }

  void add_storage(std::size_t s, const Storage& storage) {
    if (training_) {
      const std::int64_t size = layout_.rows * storage.saved_per_row;
      layout_.saved.push_back(arena_.add(size, clock_.forward(s), clock_.backward(s)));
    }
    layout_.workspace.push_back(layout_.workspace_size);
    layout_.workspace_size += storage.workspace;
    layout_.kept.push_back(storage.kept_per_row);
    layout_.shared.push_back(layout_.shared_size);
    layout_.shared_size += storage.shared;
    scratch_.push_back(storage.scratch);
  }

  void add_scratch() {
    if (meets_) {
      // A step that meets has sums in another phase than its own.
      const std::int64_t most = *std::max_element(scratch_.begin(), scratch_.end());
      layout_.forward_scratch.assign(steps_, arena_.add(most, clock_.first(), clock_.last()));
      layout_.backward_scratch = layout_.forward_scratch;
      return;
    }
    for (std::size_t s = 0; s < steps_; ++s) {
      layout_.forward_scratch.push_back(add_at(clock_.forward(s), scratch_[s]));
      if (training_) layout_.backward_scratch.push_back(add_at(clock_.backward(s), scratch_[s]));
    }
  }

  std::int64_t add_at(std::int64_t time, std::int64_t size) { return arena_.add(size, time, time); }

  void settle() {
    arena_.settle();
    layout_.size = arena_.size();
    const auto settle = [&](std::vector<std::int64_t>& places) {
      for (std::int64_t& place : places) place = arena_.at(place);
    };
    settle(layout_.tensor);
    settle(layout_.gradient);
    settle(layout_.saved);
    settle(layout_.forward_scratch);
    settle(layout_.backward_scratch);
    for (auto& places : layout_.part) settle(places);
  }

  const Program& program_;
  bool training_;
  std::size_t steps_;
  bool meets_;
  Clock clock_;
  Layout& layout_;
  Arena arena_;
  std::vector<std::int64_t> scratch_;  // by step, in floats
};

}  // namespace

Layout::Layout(const Program& program, Mode mode, std::int64_t rows_,
               const std::vector<Meeting>& meetings)
    : rows(rows_) {
  Planner(program, mode, meetings, *this).plan();
}

std::int64_t rows_at_once(const Program& program, Mode mode) {
  constexpr std::int64_t kFloatsInCache =
      (std::int64_t{1} << 20) / static_cast<std::int64_t>(sizeof(float));
  std::int64_t weights = 0;
  for (const Step& step : program.steps)
    weights += step.op->storage(mode == Mode::kTraining).packed;
  const std::int64_t per_row =
      Layout(program, mode, 2).most_alive - Layout(program, mode, 1).most_alive;
  return std::max<std::int64_t>(
      1, std::max(kFloatsInCache, weights) / std::max<std::int64_t>(1, per_row));
}

}  // namespace convlet
