// Blocks of memory with lifetimes, in one arena.
#pragma once

#include <cstdint>
#include <vector>

namespace convlet {

// Two blocks may overlap only if their lifetimes do not.
class Arena {
 public:
  // A block of `size` floats, alive from time `first` to time `last`; returns its number.
  std::int64_t add(std::int64_t size, std::int64_t first, std::int64_t last);

  // Places all blocks, the largest first, each where it fits first.
  void settle();

  // Where a block is, in floats, and where the last one ends; settled.
  std::int64_t at(std::int64_t number) const {
    return blocks_[static_cast<std::size_t>(number)].at;
  }
  std::int64_t size() const { return size_; }

  // The largest sum of the sizes of blocks that are alive at the same time.
  std::int64_t most_alive() const;

 private:
  struct Block {
    std::int64_t size, first, last;
    std::int64_t at = 0;

    bool meets(const Block& other) const { return other.first <= last && first <= other.last; }
  };
  std::vector<Block> blocks_;
  std::int64_t size_ = 0;
};

}  // namespace convlet
