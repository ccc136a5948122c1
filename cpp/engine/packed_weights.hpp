// The weights as the kernels read them, step by step.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/buffer.hpp"
#include "engine/layout.hpp"
#include "engine/program.hpp"

namespace convlet {

class PackedWeights {
 public:
  explicit PackedWeights(const Program& program) : program_(program) {}

  // The parameters have changed.
  void invalidate() { is_stale_ = true; }
  // Packs what a run in this mode reads and is not up to date.
  void prepare(Mode mode, const Wanted& wanted, const float* parameters);

  // By step.
  const float* const* steps() const { return steps_.data(); }
  // What the optimizer's step keeps up to date, by step; nullptr: nothing, see pack_own.
  float* const* updated() const { return updated_.data(); }
  // By step: up to date for the data gradient, too.
  const std::vector<bool>& for_data() const { return for_data_; }

  // From now on each of so many threads, of so many rows of a batch, packs the weights of small
  // steps for itself where that is little work. Where one packs what another reads, they go from
  // core to core at every step, several times as many bytes as the parameters.
  void divide(int threads, std::int64_t rows, const Wanted& wanted);
  // What a thread reads, by step: the first one's are those of steps().
  const float* const* steps_of(int thread) const {
    return own_[static_cast<std::size_t>(thread)].steps.data();
  }
  // Packs what a thread packs for itself.
  void pack_own(int thread, const float* parameters);

 private:
  struct Own {
    Buffer values;
    std::vector<float*> steps;
  };

  std::int64_t packed_size(std::size_t s) const;
  std::vector<std::size_t> small_steps(std::int64_t rows, const Wanted& wanted) const;
  void allocate(bool training);
  void pack(std::size_t s, bool data_gradient, const float* parameters, float* packed) const;

  const Program& program_;
  bool for_training_ = false;
  bool is_stale_ = true;
  Buffer values_;
  std::vector<float*> steps_;
  std::vector<float*> updated_;
  std::vector<bool> for_data_;
  std::vector<Own> own_;            // by thread
  std::vector<std::size_t> small_;  // steps that the threads pack for themselves
};

}  // namespace convlet
