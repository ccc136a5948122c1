// Optimizers: slots in the layout of the parameters, and an update of any part of them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/buffer.hpp"
#include "ops/attributes.hpp"

namespace convlet {

class Optimizer {
 public:
  struct Slot {
    std::string name;
    Buffer values;
  };

  virtual ~Optimizer() = default;

  // Applies the gradient g (of parameters [begin, begin + size)) to w. `iteration` counts from 0.
  // Called by several threads for different parts.
  virtual void update(std::int64_t begin, std::int64_t size, float learning_rate,
                      std::int64_t iteration, const float* g, float* w) = 0;

  std::vector<Slot>& slots() { return slots_; }

 protected:
  Buffer& add_slot(const char* name, std::int64_t size);

 private:
  std::vector<Slot> slots_;
};

// ValueError for an unknown name or a constant out of range. All slots start at zero.
std::unique_ptr<Optimizer> make_optimizer(const std::string& name, const Attributes& attributes,
                                          std::int64_t size);

}  // namespace convlet
