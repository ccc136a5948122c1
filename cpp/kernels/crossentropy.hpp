// Cross-entropy of one row of n classes, from logits (fused with softmax) or from probabilities.
// Single-threaded.
#pragma once

#include <cstdint>

namespace convlet {

// One row's target: n weights keep * dense[i] + add (one-hot, smoothed or neither), or one class
// (dense == nullptr).
struct ClassTarget {
  const float* dense;
  std::int32_t label;
  float keep = 1.0F;
  float add = 0.0F;
};

// p = softmax(logits); returns -sum t log p = sum t (log sum exp(x - max) - (x - max)). dlogits
// (nullptr: not wanted) receives scale * (p * sum t - t). p and dlogits may be logits; p may be
// nullptr.
float softmax_crossentropy(std::int64_t n, const float* logits, const ClassTarget& target,
                           float scale, float* p, float* dlogits);

// The loss of given probabilities as Keras defines it: q = p / sum p for dense targets (q = p for
// labels), clipped to [1e-7, 1 - 1e-7]; -sum t log q, for labels -log(q_label / sum q). dp
// (nullptr: not wanted) receives scale * gradient, which is zero through a clipped q.
float probability_crossentropy(std::int64_t n, const float* p, const ClassTarget& target,
                               float scale, float* dp);

}  // namespace convlet
