// Optimizers: how a gradient moves the parameters.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ops/attributes.hpp"

namespace convlet {

class Optimizer {
 public:
  virtual ~Optimizer() = default;

  // Names of the arrays, as long as the parameters, that it keeps from step to step.
  const std::vector<std::string>& slots() const { return slots_; }
  // Single numbers that it keeps too; they start at 1.
  std::vector<float>& scalars() { return scalars_; }

  // Before the updates of a step, by one thread. `iteration` counts from 0.
  virtual void begin_step(float learning_rate, std::int64_t iteration) = 0;
  // Moves `size` parameters w by their gradient g; slots[i] is slot i of the same parameters.
  // Called by several threads for different parts.
  virtual void update(std::int64_t size, const float* g, float* w, float* const* slots) const = 0;

 protected:
  Optimizer(std::vector<std::string> slots, std::size_t scalars)
      : slots_(std::move(slots)), scalars_(scalars, 1.0F) {}

 private:
  std::vector<std::string> slots_;
  std::vector<float> scalars_;
};

// ValueError for an unknown name or a missing constant.
std::unique_ptr<Optimizer> make_optimizer(const std::string& name, const Attributes& attributes);

}  // namespace convlet
