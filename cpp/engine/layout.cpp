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

}  // namespace

// Time: step s runs forward at time s, the loss at time S, step s backward at time 2 S - s.
Layout::Layout(const Program& program, Mode mode, std::int64_t rows_) : rows(rows_) {
  const bool training = mode == Mode::kTraining;
  const auto steps = static_cast<std::int64_t>(program.steps.size());
  Arena arena;
  std::int64_t most_scratch = 0;
  for (std::int64_t t = 0; t <= steps; ++t) {
    const std::int64_t made = t - 1;  // by step t - 1; the input before all
    const std::int64_t used = training ? 2 * steps - made : t;
    const std::int64_t tensor_size = rows * program.tensor_size(static_cast<std::size_t>(t));
    tensor.push_back(arena.place(tensor_size, made, used));
    if (training) gradient.push_back(arena.place(tensor_size, 2 * steps - t, used));
  }
  for (std::int64_t s = 0; s < steps; ++s) {
    const Storage storage = program.steps[static_cast<std::size_t>(s)].op->storage(training);
    if (training) saved.push_back(arena.place(rows * storage.saved_per_row, s, 2 * steps - s));
    most_scratch = std::max(most_scratch, storage.scratch);
    workspace.push_back(workspace_size);
    workspace_size += storage.workspace;
  }
  scratch = arena.place(most_scratch, -1, 2 * steps + 1);
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
