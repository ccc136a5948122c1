#include "kernels/norm_constraint.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"
#include "kernels/update_steps.hpp"
#include "simd/vec.hpp"

namespace convlet {

using simd::Vec;

NormConstraint::NormConstraint(const std::vector<std::int64_t>& shape,
                               const std::vector<bool>& reduced, float low, float high, float rate)
    : shape_(shape), stride_(shape.size(), 0), low_(low), high_(high), rate_(rate) {
  for (std::size_t d = shape.size(); d-- > 0;) {
    if (reduced[d]) continue;
    stride_[d] = slices_;
    slices_ *= shape[d];
  }
}

template <class F>
void NormConstraint::for_rows(F&& f) const {
  const std::size_t axes = shape_.size() - 1;  // but the last
  std::int64_t rows = 1;
  for (std::size_t d = 0; d < axes; ++d) rows *= shape_[d];
  for (std::int64_t row = 0; row < rows; ++row) {
    std::int64_t slice = 0;
    std::int64_t rest = row;
    for (std::size_t d = axes; d-- > 0;) {
      slice += rest % shape_[d] * stride_[d];
      rest /= shape_[d];
    }
    f(row, slice);
  }
}

float NormConstraint::factor(float sum_of_squares) const {
  constexpr float kEpsilon = 1e-7F;  // keras.config.epsilon()
  const float norm = std::sqrt(sum_of_squares);
  const float within = norm < low_ ? low_ : (norm > high_ ? high_ : norm);  // NaN stays NaN
  const float desired = rate_ == 1.0F ? within : rate_ * within + (1.0F - rate_) * norm;
  return desired / (kEpsilon + norm);
}

void NormConstraint::apply(float* w, float* scratch) const {
  const std::int64_t width = shape_.back();
  const bool along_rows = stride_.back() == 0;  // a row is in one slice, or in `width` of them
  std::fill_n(scratch, slices_, 0.0F);
  for_rows([&](std::int64_t row, std::int64_t slice) {
    const float* values = w + row * width;
    if (along_rows) {
      scratch[slice] += static_cast<float>(sum_of_squares(width, values));
    } else {
      elementwise(width, [](Vec v, Vec& sum) { sum += v * v; }, values, scratch + slice);
    }
  });
  for (std::int64_t s = 0; s < slices_; ++s) scratch[s] = factor(scratch[s]);
  for_rows([&](std::int64_t row, std::int64_t slice) {
    float* values = w + row * width;
    if (along_rows) {
      scale(width, scratch[slice], values);
    } else {
      const float* factors = scratch + slice;
      elementwise(width, [](Vec factor, Vec& v) { v *= factor; }, factors, values);
    }
  });
}

}  // namespace convlet
