#include "kernels/pointwise_loss.hpp"

#include <algorithm>
#include <cmath>

#include "simd/math.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::broadcast;
using simd::IntVec;
using simd::kLanes;
using simd::Vec;
using simd::zero;

constexpr float kEpsilon = 1e-7F;  // Keras's backend.epsilon()

// A function of one number in every lane.
template <class F>
Vec lanewise(Vec v, F&& f) {
  for (int i = 0; i < kLanes; ++i) v[i] = f(v[i]);
  return v;
}

Vec log(Vec v) {
  return lanewise(v, [](float x) { return std::log(x); });
}
Vec power(Vec v, float exponent) {
  return lanewise(v, [exponent](float x) { return std::pow(x, exponent); });
}

Vec magnitude(Vec v) { return v < 0.0F ? -v : v; }

// -1, 0 or 1; NaN for NaN.
Vec sign(Vec v) {
  const Vec negative = v < 0.0F ? broadcast(-1.0F) : v;
  return v > 0.0F ? broadcast(1.0F) : negative;
}

// The larger of v and the bound; NaN stays NaN.
Vec at_least(Vec v, float bound) { return v < bound ? broadcast(bound) : v; }
Vec at_most(Vec v, float bound) { return v > bound ? broadcast(bound) : v; }

// d where v lies in the range, as far as a gradient passes clip; zero elsewhere.
Vec where_inside(Vec v, float low, float high, Vec d) {
  const Vec below_high = v <= high ? d : zero();
  return v >= low ? below_high : zero();
}

// Of a prediction or a logit x: e^-|x|, and the logistic function made of it.
struct Logistic {
  explicit Logistic(Vec x) : power(simd::exp(-magnitude(x))) {
    const Vec small = power / (1.0F + power);
    value = x < 0.0F ? small : 1.0F / (1.0F + power);
    rest = x < 0.0F ? 1.0F / (1.0F + power) : small;
  }
  Vec power;
  Vec value;
  Vec rest;  // 1 - value, without cancellation
};

struct Result {
  Vec loss;
  Vec gradient;
};

Result squared_error(Vec t, Vec y) {
  const Vec e = y - t;
  return {e * e, 2.0F * e};
}

Result absolute_error(Vec t, Vec y) {
  const Vec e = y - t;
  return {magnitude(e), sign(e)};
}

Result percentage_error(Vec t, Vec y) {
  const Vec e = (y - t) / at_least(magnitude(t), kEpsilon);
  return {100.0F * magnitude(e), 100.0F * sign(e) / at_least(magnitude(t), kEpsilon)};
}

Result logarithmic_error(Vec t, Vec y) {
  const Vec e = log(at_least(y, kEpsilon) + 1.0F) - log(at_least(t, kEpsilon) + 1.0F);
  const Vec slope = 2.0F * e / (at_least(y, kEpsilon) + 1.0F);
  return {e * e, y < kEpsilon ? zero() : slope};
}

Result huber(Vec t, Vec y, float delta) {
  const Vec e = y - t;
  const Vec a = magnitude(e);
  return {a > delta ? delta * a - broadcast(0.5F * delta * delta) : 0.5F * e * e,
          a > delta ? delta * sign(e) : e};
}

// |e| + log(1 + exp(-2 |e|)) - log 2
Result log_cosh(Vec t, Vec y) {
  const Vec e = y - t;
  const Vec a = magnitude(e);
  const Vec tail = simd::log1p_of_fraction(simd::exp(-2.0F * a)) - 0.693147181F;
  return {a + tail, lanewise(e, [](float x) { return std::tanh(x); })};
}

Result poisson(Vec t, Vec y) {
  const Vec p = y + kEpsilon;
  return {y - t * log(p), 1.0F - t / p};
}

Result hinge(Vec t, Vec y) {
  const Vec margin = 1.0F - t * y;
  return {at_least(margin, 0.0F), margin < 0.0F ? zero() : -t};
}

Result squared_hinge(Vec t, Vec y) {
  const Vec margin = at_least(1.0F - t * y, 0.0F);
  return {margin * margin, -2.0F * t * margin};
}

Result divergence(Vec t, Vec y) {
  const Vec p = at_most(at_least(t, kEpsilon), 1.0F);
  const Vec q = at_most(at_least(y, kEpsilon), 1.0F);
  return {p * log(p / q), where_inside(y, kEpsilon, 1.0F, -p / q)};
}

Result crossentropy(Vec t, Vec y) {
  const Vec q = at_most(at_least(y, kEpsilon), 1.0F - kEpsilon);
  const Vec slope = (1.0F - t) / (1.0F - q) - t / q;
  return {-t * log(q) - (1.0F - t) * log(1.0F - q),
          where_inside(y, kEpsilon, 1.0F - kEpsilon, slope)};
}

// max(x, 0) - x t + log(1 + exp(-|x|))
Result crossentropy_of_logits(Vec t, Vec x, const Logistic& s) {
  return {at_least(x, 0.0F) - x * t + simd::log1p_of_fraction(s.power), s.value - t};
}

// Times the focal factor. y: the probability, rest = 1 - y, slope = dy/dx of the argument x with
// respect to which `base.gradient` is meant.
Result focal(Vec t, Vec y, Vec rest, Vec slope, const Result& base, const PointwiseOptions& o) {
  const Vec miss = t * rest + (1.0F - t) * y;  // 1 - p
  const Vec factor = power(miss, o.gamma);
  const Vec factor_slope = o.gamma * power(miss, o.gamma - 1.0F) * (1.0F - 2.0F * t) * slope;
  const Vec weight = o.balanced ? t * o.alpha + (1.0F - t) * (1.0F - o.alpha) : broadcast(1.0F);
  return {weight * factor * base.loss,
          weight * (factor_slope * base.loss + factor * base.gradient)};
}

template <Pointwise F>
Result evaluate(Vec t, Vec y, const PointwiseOptions& o) {
  if constexpr (F == Pointwise::kSquaredError) return squared_error(t, y);
  if constexpr (F == Pointwise::kAbsoluteError) return absolute_error(t, y);
  if constexpr (F == Pointwise::kPercentageError) return percentage_error(t, y);
  if constexpr (F == Pointwise::kLogarithmicError) return logarithmic_error(t, y);
  if constexpr (F == Pointwise::kHuber) return huber(t, y, o.delta);
  if constexpr (F == Pointwise::kLogCosh) return log_cosh(t, y);
  if constexpr (F == Pointwise::kPoisson) return poisson(t, y);
  if constexpr (F == Pointwise::kHinge) return hinge(t, y);
  if constexpr (F == Pointwise::kSquaredHinge) return squared_hinge(t, y);
  if constexpr (F == Pointwise::kDivergence) return divergence(t, y);
  if constexpr (F == Pointwise::kCrossentropy) return crossentropy(t, y);
  if constexpr (F == Pointwise::kCrossentropyOfLogits)
    return crossentropy_of_logits(t, y, Logistic(y));
  if constexpr (F == Pointwise::kFocal)
    return focal(t, y, 1.0F - y, broadcast(1.0F), crossentropy(t, y), o);
  if constexpr (F == Pointwise::kFocalOfLogits) {
    const Logistic s(y);
    return focal(t, s.value, s.rest, s.value * s.rest, crossentropy_of_logits(t, y, s), o);
  }
}

float sum_of(Vec v) {
  float total = 0.0F;
  for (int i = 0; i < kLanes; ++i) total += v[i];
  return total;
}

template <Pointwise F>
float run(const PointwiseOptions& o, std::int64_t n, const float* t, const float* y, float scale,
          float* dy) {
  Vec total = zero();
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Vec target = simd::fma(simd::load(t + i), broadcast(o.keep), broadcast(o.add));
    const Result result = evaluate<F>(target, simd::load(y + i), o);
    total += result.loss;
    if (dy != nullptr) simd::store(dy + i, scale * result.gradient);
  }
  const int rest = static_cast<int>(n - i);
  if (rest == 0) return sum_of(total);
  const Vec loaded = simd::load_partial(t + i, rest);
  const Vec target = simd::fma(loaded, broadcast(o.keep), broadcast(o.add));
  const Result result = evaluate<F>(target, simd::load_partial(y + i, rest), o);
  float part[kLanes];
  simd::store(part, result.loss);
  total += simd::load_partial(part, rest);
  if (dy != nullptr) simd::store_partial(dy + i, scale * result.gradient, rest);
  return sum_of(total);
}

using Function = float (*)(const PointwiseOptions&, std::int64_t, const float*, const float*, float,
                           float*);

constexpr Function kFunctions[] = {
    run<Pointwise::kSquaredError>,    run<Pointwise::kAbsoluteError>,
    run<Pointwise::kPercentageError>, run<Pointwise::kLogarithmicError>,
    run<Pointwise::kHuber>,           run<Pointwise::kLogCosh>,
    run<Pointwise::kPoisson>,         run<Pointwise::kHinge>,
    run<Pointwise::kSquaredHinge>,    run<Pointwise::kDivergence>,
    run<Pointwise::kCrossentropy>,    run<Pointwise::kCrossentropyOfLogits>,
    run<Pointwise::kFocal>,           run<Pointwise::kFocalOfLogits>,
};

}  // namespace

float pointwise_loss(Pointwise f, const PointwiseOptions& options, std::int64_t n, const float* t,
                     const float* y, float scale, float* dy) {
  return kFunctions[static_cast<std::size_t>(f)](options, n, t, y, scale, dy);
}

}  // namespace convlet
