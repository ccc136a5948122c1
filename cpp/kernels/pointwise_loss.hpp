// Losses that are a sum over elements of a function of target and prediction. Single-threaded.
//
// With eps = 1e-7 (Keras's backend.epsilon()), e = y - t, q = clip(y, eps, 1 - eps) and s the
// logistic function; formulas as in keras/src/losses/losses.py and tensorflow/nn.py.
#pragma once

#include <cstdint>

namespace convlet {

enum class Pointwise {
  kSquaredError,          // e^2
  kAbsoluteError,         // |e|
  kPercentageError,       // 100 |e| / max(|t|, eps)
  kLogarithmicError,      // (log(1 + max(y, eps)) - log(1 + max(t, eps)))^2
  kHuber,                 // e^2 / 2 where |e| <= delta, else delta |e| - delta^2 / 2
  kLogCosh,               // log cosh e
  kPoisson,               // y - t log(y + eps)
  kHinge,                 // max(1 - t y, 0)
  kSquaredHinge,          // its square
  kDivergence,            // t log(t / y), both clipped to [eps, 1]
  kCrossentropy,          // -t log q - (1 - t) log(1 - q)
  kCrossentropyOfLogits,  // the same for y = s(x), from x
  kFocal,                 // (1 - p)^gamma times the cross-entropy, p = t y + (1 - t) (1 - y)
  kFocalOfLogits,         // the same for y = s(x), from x
};

struct PointwiseOptions {
  float keep = 1.0F;  // the target is keep * t + add: smoothed labels, or 0 and 1 as -1 and 1
  float add = 0.0F;
  float delta = 1.0F;
  float gamma = 2.0F;
  bool balanced = false;  // focal: also times t alpha + (1 - t) (1 - alpha)
  float alpha = 0.25F;
};

// Returns sum f(t[i], y[i]) over n elements; dy (nullptr: not wanted) receives scale * df/dy. At a
// kink the gradient is TensorFlow's; none passes a clip that cuts. NaN stays NaN.
float pointwise_loss(Pointwise f, const PointwiseOptions& options, std::int64_t n, const float* t,
                     const float* y, float scale, float* dy);

}  // namespace convlet
