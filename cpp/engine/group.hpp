// The processes that train one network together, each on its rows of every batch.
#pragma once

#include <span>

namespace convlet {

class Group {
 public:
  // `is_sharded`: each process has rows of its own; else each has all rows and takes its part of a
  // batch.
  Group(int rank, int size, bool is_sharded) : rank_(rank), size_(size), is_sharded_(is_sharded) {}
  virtual ~Group() = default;
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  bool is_sharded() const { return is_sharded_; }

  // Puts in the place of each value its sum over all processes, which call this in the same order
  // with as many values. False: it could not be done, and training has to stop.
  virtual bool sum(std::span<float> values) = 0;
  virtual bool sum(std::span<double> values) = 0;

 private:
  int rank_;
  int size_;
  bool is_sharded_;
};

}  // namespace convlet
