// Keras's OrthogonalRegularizer (keras/src/regularizers/regularizers.py).
#pragma once

#include <cstdint>

namespace convlet {

// The penalty factor sum |u_i . u_j| / (count (count - 1)) over i != j, of `count` vectors of
// `length` numbers each, u = x / max(|x|, 1e-7). The j-th number of vector i is
// w[i * vector_stride + j * number_stride].
struct OrthogonalPenalty {
  float factor;
  std::int64_t count, length;
  std::int64_t vector_stride, number_stride;

  // Floats of scratch memory.
  std::int64_t scratch() const { return count * (2 * length + 1); }
  // Adds scale times its gradient to g, which has the layout of w, unless g is nullptr; returns the
  // penalty.
  double operator()(const float* w, float scale, float* g, float* scratch) const;
};

}  // namespace convlet
