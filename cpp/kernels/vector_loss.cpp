#include "kernels/vector_loss.hpp"

#include <algorithm>
#include <cmath>

namespace convlet {
namespace {

constexpr float kEpsilon = 1e-7F;  // Keras's backend.epsilon()

float dot(std::int64_t n, const float* a, const float* b) {
  float total = 0.0F;
  for (std::int64_t i = 0; i < n; ++i) total += a[i] * b[i];
  return total;
}

// 1 / |v|, as Keras bounds it; NaN stays NaN.
float inverse_norm(std::int64_t n, const float* v) {
  const float inverse = 1.0F / std::sqrt(dot(n, v, v));
  return inverse > 1.0F / kEpsilon ? 1.0F / kEpsilon : inverse;
}

// The focal loss of probabilities p(i), which add up to 1. What they are made of has the gradient
// chain(p_i, dloss/dp_i - sum_j p_j dloss/dp_j): the sum stays 1.
template <class Probability, class Chain>
float focal(std::int64_t n, const FocalOptions& o, const float* t, Probability probability,
            float* dy, Chain chain) {
  float loss = 0.0F;
  float along = 0.0F;  // sum p dloss/dp
  for (std::int64_t i = 0; i < n; ++i) {
    const float target = o.keep * t[i] + o.add;
    const float p = probability(i);
    const float q = std::clamp(p, kEpsilon, 1.0F - kEpsilon);
    const float factor = o.alpha * std::pow(1.0F - q, o.gamma);
    loss -= factor * target * std::log(q);
    if (dy == nullptr) continue;
    const bool cut = p < kEpsilon || p > 1.0F - kEpsilon;
    const float factor_slope = -o.alpha * o.gamma * std::pow(1.0F - q, o.gamma - 1.0F);
    dy[i] = cut ? 0.0F : -target * (factor_slope * std::log(q) + factor / q);
    along += p * dy[i];
  }
  for (std::int64_t i = 0; dy != nullptr && i < n; ++i)
    dy[i] = chain(probability(i), dy[i] - along);
  return loss;
}

}  // namespace

float cosine_similarity(std::int64_t n, const float* t, const float* y, float scale, float* dy) {
  const float t_inverse = inverse_norm(n, t);
  const float y_inverse = inverse_norm(n, y);
  const float loss = -dot(n, t, y) * t_inverse * y_inverse;
  // d(-cos)/dy = -t / (|t| |y|) + cos y / |y|^2, the second part only where |y| is not bounded.
  const float along = y_inverse < 1.0F / kEpsilon ? loss * y_inverse * y_inverse : 0.0F;
  for (std::int64_t i = 0; dy != nullptr && i < n; ++i)
    dy[i] = scale * (-t[i] * t_inverse * y_inverse - along * y[i]);
  return loss;
}

float categorical_hinge(std::int64_t n, const float* t, const float* y, float scale, float* dy) {
  float wrong = (1.0F - t[0]) * y[0];
  for (std::int64_t i = 1; i < n; ++i) {
    const float other = (1.0F - t[i]) * y[i];
    if (!(other <= wrong)) wrong = other;
  }
  const float margin = wrong - dot(n, t, y) + 1.0F;
  if (dy != nullptr) {
    std::int64_t equal = 0;
    for (std::int64_t i = 0; i < n; ++i) equal += (1.0F - t[i]) * y[i] == wrong;
    const float share = 1.0F / static_cast<float>(std::max<std::int64_t>(equal, 1));
    for (std::int64_t i = 0; i < n; ++i) {
      const float of_maximum = (1.0F - t[i]) * y[i] == wrong ? share * (1.0F - t[i]) : 0.0F;
      dy[i] = margin < 0.0F ? 0.0F : scale * (of_maximum - t[i]);
    }
  }
  return margin < 0.0F ? 0.0F : margin;
}

float categorical_focal(std::int64_t n, const FocalOptions& o, const float* t, const float* y,
                        float scale, float* dy) {
  float total = 0.0F;
  for (std::int64_t i = 0; i < n; ++i) total += y[i];
  const auto p = [=](std::int64_t i) { return y[i] / total; };
  return focal(n, o, t, p, dy, [=](float, float slope) { return scale * slope / total; });
}

float categorical_focal_of_logits(std::int64_t n, const FocalOptions& o, const float* t,
                                  const float* y, float scale, float* dy) {
  const float most = *std::max_element(y, y + n);
  const auto power = [=](std::int64_t i) { return std::exp(y[i] - most); };
  float total = 0.0F;
  for (std::int64_t i = 0; i < n; ++i) total += power(i);
  const auto p = [=](std::int64_t i) { return power(i) / total; };
  return focal(n, o, t, p, dy, [=](float q, float slope) { return scale * slope * q; });
}

}  // namespace convlet
