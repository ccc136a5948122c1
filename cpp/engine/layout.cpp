#include "engine/layout.hpp"

#include <algorithm>

namespace convlet {
namespace {

// Places blocks in one arena, first fit: two blocks may overlap only if their lifetimes do not.
class Arena {
 public:
  // A block of `size` floats, alive from time `first` to time `last`.
  std::int64_t place(std::int64_t size, std::int64_t first, std::int64_t last) {
    size = (size + kAlignment - 1) / kAlignment * kAlignment;
    std::vector<Block> neighbours;
    for (const Block& block : blocks_) {
      if (block.first <= last && first <= block.last) neighbours.push_back(block);
    }
    std::sort(neighbours.begin(), neighbours.end(),
              [](const Block& a, const Block& b) { return a.at < b.at; });
    std::int64_t at = 0;
    for (const Block& block : neighbours) {
      if (at + size <= block.at) break;
      at = std::max(at, block.at + block.size);
    }
    blocks_.push_back({at, size, first, last});
    size_ = std::max(size_, at + size);
    return at;
  }

  std::int64_t size() const { return size_; }

 private:
  static constexpr std::int64_t kAlignment = 16;  // a cache line
  struct Block {
    std::int64_t at, size, first, last;
  };
  std::vector<Block> blocks_;
  std::int64_t size_ = 0;
};

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

// Where step s, which goes back at time `now`, leaves its parts of its inputs' gradients.
std::vector<std::int64_t> place_parts(const Program& program, std::size_t s, std::int64_t rows,
                                      std::int64_t now, const std::vector<std::int64_t>& gradient,
                                      Arena& arena) {
  const std::vector<std::size_t>& inputs = program.steps[s].inputs;
  std::vector<std::int64_t> parts;
  for (auto input = inputs.begin(); input != inputs.end(); ++input) {
    const bool is_first =
        program.readers[*input].back() == s && std::find(inputs.begin(), input, *input) == input;
    parts.push_back(is_first ? gradient[*input]
                             : arena.place(rows * program.tensor_size(*input), now, now));
  }
  return parts;
}

}  // namespace

Layout::Layout(const Program& program, Mode mode, std::int64_t rows_,
               const std::vector<Meeting>& meetings)
    : rows(rows_) {
  const bool training = mode == Mode::kTraining;
  const std::size_t steps = program.steps.size();
  const Clock clock(steps, meetings);
  const auto left_out = [&](std::size_t s) {
    return !training && s < steps && program.steps[s].op->only_in_training();
  };
  Arena arena;
  std::int64_t most_scratch = 0;
  // In inference: which step reads a tensor last, also under the names it has behind steps left
  // out.
  std::vector<std::size_t> last_read(steps + 1, steps);
  for (std::size_t t = steps; t-- > 0;) {
    last_read[t] = 0;
    for (const std::size_t s : program.readers[t])
      last_read[t] = std::max(last_read[t], left_out(s) ? last_read[s + 1] : s);
  }
  for (std::size_t t = 0; t <= steps; ++t) {
    if (t > 0 && left_out(t - 1)) {
      tensor.push_back(tensor[program.steps[t - 1].inputs.front()]);
      continue;
    }
    const std::int64_t made = t > 0 ? clock.forward(t - 1) : clock.first();
    const std::int64_t unmade = t > 0 ? clock.backward(t - 1) : clock.last();
    const std::int64_t used = training ? unmade : static_cast<std::int64_t>(last_read[t]);
    const std::int64_t tensor_size = rows * program.tensor_size(t);
    tensor.push_back(arena.place(tensor_size, made, used));
    if (!training) continue;
    const std::size_t last = t < steps ? program.readers[t].back() : steps;
    gradient.push_back(arena.place(tensor_size, clock.backward(last), unmade));
  }
  for (std::size_t s = 0; training && s < steps; ++s) {
    part.push_back(place_parts(program, s, rows, clock.backward(s), gradient, arena));
  }
  for (std::size_t s = 0; s < steps; ++s) {
    const Storage storage = program.steps[s].op->storage(training);
    if (training) {
      saved.push_back(
          arena.place(rows * storage.saved_per_row, clock.forward(s), clock.backward(s)));
    }
    most_scratch = std::max(most_scratch, storage.scratch);
    workspace.push_back(workspace_size);
    workspace_size += storage.workspace;
    kept.push_back(storage.kept_per_row);
    shared.push_back(shared_size);
    shared_size += storage.shared;
  }
  scratch = arena.place(most_scratch, clock.first(), clock.last());
  size = arena.size();
}

std::int64_t rows_at_once(const Program& program, Mode mode) {
  constexpr std::int64_t kFloatsInCache =
      (std::int64_t{1} << 20) / static_cast<std::int64_t>(sizeof(float));
  std::int64_t weights = 0;
  for (const Step& step : program.steps)
    weights += step.op->storage(mode == Mode::kTraining).packed;
  const std::int64_t per_row = Layout(program, mode, 2).size - Layout(program, mode, 1).size;
  return std::max<std::int64_t>(
      1, std::max(kFloatsInCache, weights) / std::max<std::int64_t>(1, per_row));
}

}  // namespace convlet
