#include "kernels/update_steps.hpp"

#include "kernels/elementwise.hpp"
#include "kernels/update_rules.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::broadcast;
using simd::Vec;

double total(Vec v) {
  double sum = 0.0;
  for (int i = 0; i < simd::kLanes; ++i) sum += static_cast<double>(v[i]);
  return sum;
}

}  // namespace

double sum_of_squares(std::int64_t size, const float* x) {
  Vec sum{};
  elementwise(size, [&sum](Vec v) { sum += v * v; }, x);
  return total(sum);
}

void scale(std::int64_t size, float factor, float* x) {
  elementwise(size, [factor](Vec& v) { v *= broadcast(factor); }, x);
}

void clip(std::int64_t size, float limit, float* x) {
  elementwise(size, [limit](Vec& v) { v = clamp(v, broadcast(-limit), broadcast(limit)); }, x);
}

double penalty(std::int64_t size, float l1, float l2, const float* w) {
  Vec sum{};
  elementwise(
      size, [&sum, l1, l2](Vec v) { sum += broadcast(l1) * absolute(v) + broadcast(l2) * v * v; },
      w);
  return total(sum);
}

double penalize(std::int64_t size, float l1, float l2, float scale, const float* w, float* g) {
  Vec sum{};
  const auto rule = [&sum, l1, l2, scale](Vec v, Vec& gradient) {
    sum += broadcast(l1) * absolute(v) + broadcast(l2) * v * v;
    gradient += broadcast(scale) * (broadcast(l1) * sign(v) + broadcast(2.0F * l2) * v);
  };
  elementwise(size, rule, w, g);
  return total(sum);
}

void decay(std::int64_t size, float rate, float learning_rate, float* w) {
  const auto rule = [rate, learning_rate](Vec& v) {
    v -= v * broadcast(rate) * broadcast(learning_rate);
  };
  elementwise(size, rule, w);
}

void accumulate(std::int64_t size, float* sum, float* g) {
  const auto rule = [](Vec& s, Vec& gradient) {
    s += gradient;
    gradient = simd::zero();
  };
  elementwise(size, rule, sum, g);
}

void finish_accumulation(std::int64_t size, float steps, float* sum, float* g) {
  const auto rule = [steps](Vec& s, Vec& gradient) {
    gradient = (gradient + s) / broadcast(steps);
    s = simd::zero();
  };
  elementwise(size, rule, sum, g);
}

void moving_average(std::int64_t size, float momentum, const float* w, float* average) {
  const auto rule = [momentum](Vec value, Vec& a) {
    a = broadcast(momentum) * a + broadcast(1.0F - momentum) * value;
  };
  elementwise(size, rule, w, average);
}

void make_non_negative(std::int64_t size, float* w) {
  elementwise(size, [](Vec& v) { v = simd::max(simd::zero(), v); }, w);
}

}  // namespace convlet
