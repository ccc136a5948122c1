// Keeps the norms of slices of a tensor within bounds (keras/src/constraints/constraints.py).
#pragma once

#include <cstdint>
#include <vector>

namespace convlet {

// w times desired / (1e-7 + norm), norm = sqrt(sum w^2) over the reduced axes and
// desired = rate clamp(norm, low, high) + (1 - rate) norm. MaxNorm: low 0, rate 1; UnitNorm: low =
// high = rate = 1.
class NormConstraint {
 public:
  // `reduced[d]`: the sum runs over axis d of a tensor of this shape.
  NormConstraint(const std::vector<std::int64_t>& shape, const std::vector<bool>& reduced,
                 float low, float high, float rate);

  // Floats of scratch memory.
  std::int64_t scratch() const { return slices_; }
  void apply(float* w, float* scratch) const;

 private:
  // f(row of w, where its slices start) for each row, the numbers along the last axis.
  template <class F>
  void for_rows(F&& f) const;
  float factor(float sum_of_squares) const;

  std::vector<std::int64_t> shape_;
  std::vector<std::int64_t> stride_;  // from one slice to the next, by axis; 0 for reduced axes
  std::int64_t slices_ = 1;
  float low_, high_, rate_;
};

}  // namespace convlet
