// Losses of one row of n predictions against n targets that are no sum over elements.
// Single-threaded.
#pragma once

#include <cstdint>

namespace convlet {

// Each returns the loss; dy (nullptr: not wanted) receives scale * gradient.

// -cos(t, y) = -sum t y / (|t| |y|), with 1 / |v| at most 1e7.
float cosine_similarity(std::int64_t n, const float* t, const float* y, float scale, float* dy);

// max(max((1 - t) y) - sum t y + 1, 0). Equal maxima share the gradient.
float categorical_hinge(std::int64_t n, const float* t, const float* y, float scale, float* dy);

struct FocalOptions {
  float alpha;
  float gamma;
  float keep;  // the target is keep * t + add
  float add;
};

// q = clip(y / sum y, 1e-7, 1 - 1e-7); -sum alpha (1 - q)^gamma t log q. No gradient passes a clip
// that cuts.
float categorical_focal(std::int64_t n, const FocalOptions& options, const float* t, const float* y,
                        float scale, float* dy);
// The same of softmax(y), and the gradient with respect to y.
float categorical_focal_of_logits(std::int64_t n, const FocalOptions& options, const float* t,
                                  const float* y, float scale, float* dy);

}  // namespace convlet
