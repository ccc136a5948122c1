#include "engine/arena.hpp"

#include <algorithm>

namespace convlet {

std::int64_t Arena::add(std::int64_t size, std::int64_t first, std::int64_t last) {
  constexpr std::int64_t kAlignment = 16;  // a cache line
  blocks_.push_back({(size + kAlignment - 1) / kAlignment * kAlignment, first, last});
  return static_cast<std::int64_t>(blocks_.size()) - 1;
}

void Arena::settle() {
  std::vector<Block*> order;
  for (Block& block : blocks_) order.push_back(&block);
  std::stable_sort(order.begin(), order.end(),
                   [](const Block* a, const Block* b) { return a->size > b->size; });
  std::vector<const Block*> placed;  // by their places
  for (Block* block : order) {
    for (const Block* other : placed) {
      if (!block->meets(*other)) continue;
      if (block->at + block->size <= other->at) break;
      block->at = std::max(block->at, other->at + other->size);
    }
    const auto is_before = [](std::int64_t at, const Block* other) { return at < other->at; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), block->at, is_before), block);
    size_ = std::max(size_, block->at + block->size);
  }
}

std::int64_t Arena::most_alive() const {
  std::int64_t most = 0;
  for (const Block& block : blocks_) {
    std::int64_t alive = 0;
    for (const Block& other : blocks_) {
      if (other.first <= block.first && block.first <= other.last) alive += other.size;
    }
    most = std::max(most, alive);
  }
  return most;
}

}  // namespace convlet
