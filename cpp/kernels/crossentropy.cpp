#include "kernels/crossentropy.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/vectors.hpp"

namespace convlet {
namespace {

using simd::Vec;

constexpr float kEpsilon = 1e-7F;  // Keras's backend.epsilon()

bool inside(float q) { return q >= kEpsilon && q <= 1.0F - kEpsilon; }

float weight_of(const ClassTarget& target, std::int64_t i) {
  return target.dense != nullptr ? target.keep * target.dense[i] + target.add
                                 : static_cast<float>(i == target.label);
}

// q = clip(p / sum p); loss = -sum t log q.
float dense_crossentropy(std::int64_t n, const float* p, const ClassTarget& target, float scale,
                         float* dp) {
  float total = 0.0F;
  for (std::int64_t i = 0; i < n; ++i) total += p[i];
  float loss = 0.0F;
  float dot = 0.0F;  // sum q dloss/dq, the part of the gradient that the division by the sum adds
  for (std::int64_t i = 0; i < n; ++i) {
    const float q = p[i] / total;
    const float t = weight_of(target, i);
    loss -= t * std::log(std::clamp(q, kEpsilon, 1.0F - kEpsilon));
    if (inside(q)) dot -= t;
  }
  for (std::int64_t i = 0; dp != nullptr && i < n; ++i) {
    const float q = p[i] / total;
    dp[i] = scale * ((inside(q) ? -weight_of(target, i) / q : 0.0F) - dot) / total;
  }
  return loss;
}

// Keras hands log(clip(p)) to the sparse softmax cross-entropy: loss = log(sum q) - log(q_label).
float label_crossentropy(std::int64_t n, const float* p, std::int32_t label, float scale,
                         float* dp) {
  float total = 0.0F;
  for (std::int64_t i = 0; i < n; ++i) total += std::clamp(p[i], kEpsilon, 1.0F - kEpsilon);
  for (std::int64_t i = 0; dp != nullptr && i < n; ++i) {
    const float hit = i == label ? 1.0F / p[i] : 0.0F;
    dp[i] = inside(p[i]) ? scale * (1.0F / total - hit) : 0.0F;
  }
  return std::log(total) - std::log(std::clamp(p[label], kEpsilon, 1.0F - kEpsilon));
}

// Of `count` classes from `first` on, zeros behind them.
Vec weights_of(const ClassTarget& target, std::int64_t first, int count) {
  if (target.dense != nullptr) {
    const Vec dense = load_first(target.dense + first, count);
    return filled(target.keep * dense + target.add, count, 0.0F);
  }
  const auto label = static_cast<std::int32_t>(target.label - first);
  return simd::lane_numbers() == label ? simd::broadcast(1.0F) : simd::zero();
}

}  // namespace

float softmax_crossentropy(std::int64_t n, const float* logits, const ClassTarget& target,
                           float scale, float* p, float* dlogits) {
  const float largest = *std::max_element(logits, logits + n);
  Vec exponentials = simd::zero();
  Vec weights = simd::zero();
  for_vectors(n, [&](std::int64_t at, int count) {
    exponentials += filled(simd::exp(load_first(logits + at, count) - largest), count, 0.0F);
    weights += weights_of(target, at, count);
  });
  const float total = sum_of(exponentials);
  const float log_total = std::log(total);
  const float weight = sum_of(weights);
  Vec losses = simd::zero();
  for_vectors(n, [&](std::int64_t at, int count) {
    const Vec x = load_first(logits + at, count) - largest;
    const Vec t = weights_of(target, at, count);
    losses += t != 0.0F ? t * (log_total - x) : simd::zero();  // x may be infinite
    const Vec q = simd::exp(x) / total;
    if (p != nullptr) store_first(p + at, q, count);
    if (dlogits != nullptr) store_first(dlogits + at, scale * (q * weight - t), count);
  });
  // NaN among the logits, whatever the target.
  return std::isnan(log_total) ? log_total : sum_of(losses);
}

float probability_crossentropy(std::int64_t n, const float* p, const ClassTarget& target,
                               float scale, float* dp) {
  return target.dense != nullptr ? dense_crossentropy(n, p, target, scale, dp)
                                 : label_crossentropy(n, p, target.label, scale, dp);
}

}  // namespace convlet
