// Activation functions of single numbers, and their gradients. Single-threaded.
//
// Each function f is a struct with
//   operator()(x)        y = f(x)
//   gradient(y, dy)      dx = dy f'(x), where the output is enough; else
//   gradient(x, y, dy)   dx = dy f'(x)
// At a kink the gradient is TensorFlow's, and so is what becomes of NaN.
#pragma once

#include <cstdint>

#include "simd/math.hpp"
#include "simd/vec.hpp"

namespace convlet {

namespace activation {

using simd::broadcast;
using simd::Vec;
using simd::zero;

inline Vec one() { return broadcast(1.0F); }

struct Linear {
  Vec operator()(Vec x) const { return x; }
  Vec gradient(Vec, Vec dy) const { return dy; }
};

// max(x, 0)
struct Relu {
  Vec operator()(Vec x) const { return x <= 0.0F ? zero() : x; }
  Vec gradient(Vec y, Vec dy) const { return y > 0.0F ? dy : zero(); }
};

// min(max(x, 0), 6); no gradient at 6.
struct Relu6 {
  Vec operator()(Vec x) const { return simd::clamp(x, 0.0F, 6.0F); }
  Vec gradient(Vec y, Vec dy) const {
    const Vec capped = y < 6.0F ? dy : zero();
    return y > 0.0F ? capped : zero();
  }
};

// x above the threshold, at most max_value; up to it negative_slope (x - threshold). There is no
// gradient at the threshold itself. NaN is not above a threshold, and so gives 0 where there is
// one but no slope.
struct ClippedRelu {
  float negative_slope;
  float max_value;  // infinity: none
  float threshold;

  Vec operator()(Vec x) const {
    const Vec above = simd::min(broadcast(max_value), x);
    const Vec flat = threshold != 0.0F ? zero() : Relu{}(simd::min(zero(), x));
    // Without a slope minus infinity must give 0.
    const Vec below = negative_slope != 0.0F ? negative_slope * (x - threshold) : flat;
    return x > threshold ? above : below;
  }
  Vec gradient(Vec x, Vec, Vec dy) const {
    const Vec below = x < threshold ? negative_slope * dy : zero();
    const Vec above = x <= max_value ? dy : zero();
    return x > threshold ? above : below;
  }
};

struct LeakyRelu {
  float negative_slope;

  Vec operator()(Vec x) const { return x > 0.0F ? x : negative_slope * x; }
  Vec gradient(Vec x, Vec, Vec dy) const { return x > 0.0F ? dy : negative_slope * dy; }
};

struct Sigmoid {
  Vec operator()(Vec x) const { return simd::sigmoid(x); }
  Vec gradient(Vec y, Vec dy) const { return dy * y * (1.0F - y); }
};

// log(sigmoid(x)) = -softplus(-x)
struct LogSigmoid {
  Vec operator()(Vec x) const { return -simd::softplus(-x); }
  Vec gradient(Vec x, Vec, Vec dy) const { return dy * simd::sigmoid(-x); }
};

// (x + 1) / 2, from 0 to 1; no gradient at the ends.
struct SparseSigmoid {
  Vec operator()(Vec x) const { return simd::clamp(0.5F * (x + 1.0F), 0.0F, 1.0F); }
  Vec gradient(Vec x, Vec, Vec dy) const { return simd::abs(x) >= 1.0F ? zero() : 0.5F * dy; }
};

struct Tanh {
  Vec operator()(Vec x) const { return simd::tanh(x); }
  Vec gradient(Vec y, Vec dy) const { return dy * (1.0F - y * y); }
};

// x - tanh(x)
struct TanhShrink {
  Vec operator()(Vec x) const { return x - simd::tanh(x); }
  Vec gradient(Vec x, Vec, Vec dy) const {
    const Vec t = simd::tanh(x);
    return dy * t * t;
  }
};

// x, from -1 to 1; the ends themselves have a gradient.
struct HardTanh {
  Vec operator()(Vec x) const { return simd::clamp(x, -1.0F, 1.0F); }
  Vec gradient(Vec x, Vec, Vec dy) const { return simd::abs(x) <= 1.0F ? dy : zero(); }
};

// alpha (e^x - 1) for negative x
struct Elu {
  float alpha;

  Vec operator()(Vec x) const { return x > 0.0F ? x : alpha * simd::expm1(x); }
  Vec gradient(Vec x, Vec y, Vec dy) const { return x > 0.0F ? dy : dy * (y + alpha); }
};

// Klambauer et al. (2017): ELU with alpha and scale such that mean 0 and variance 1 persist.
struct Selu {
  static constexpr float kScale = 1.05070099F;
  static constexpr float kScaledAlpha = 1.75809934F;

  Vec operator()(Vec x) const { return x > 0.0F ? kScale * x : kScaledAlpha * simd::expm1(x); }
  Vec gradient(Vec x, Vec y, Vec dy) const {
    return x < 0.0F ? dy * (y + kScaledAlpha) : kScale * dy;
  }
};

// alpha (e^(x / alpha) - 1) for negative x
struct Celu {
  float alpha;

  Vec operator()(Vec x) const { return x > 0.0F ? x : alpha * simd::expm1(x / alpha); }
  Vec gradient(Vec x, Vec, Vec dy) const { return x > 0.0F ? dy : dy * simd::exp(x / alpha); }
};

struct Exponential {
  Vec operator()(Vec x) const { return simd::exp(x); }
  Vec gradient(Vec y, Vec dy) const { return dy * y; }
};

struct Softplus {
  Vec operator()(Vec x) const { return simd::softplus(x); }
  Vec gradient(Vec x, Vec, Vec dy) const { return dy * simd::sigmoid(x); }
};

// x / (1 + |x|)
struct Softsign {
  Vec operator()(Vec x) const { return x / (1.0F + simd::abs(x)); }
  Vec gradient(Vec x, Vec, Vec dy) const {
    const Vec r = 1.0F / (1.0F + simd::abs(x));
    return dy * r * r;
  }
};

// x sigmoid(x)
struct Silu {
  Vec operator()(Vec x) const { return x * simd::sigmoid(x); }
  Vec gradient(Vec x, Vec, Vec dy) const {
    const Vec s = simd::sigmoid(x);
    return dy * s * simd::fma(x, 1.0F - s, one());
  }
};

// x tanh(softplus(x)) = x n / (n + 2) with n = e^x (e^x + 2); beyond 20 the quotient is 1.
struct Mish {
  Vec operator()(Vec x) const {
    const Vec e = exponential(x);
    const Vec n = e * (e + 2.0F);
    return x * (n / (n + 2.0F));
  }
  Vec gradient(Vec x, Vec, Vec dy) const {
    const Vec e = exponential(x);
    const Vec n = e * (e + 2.0F);
    const Vec r = 1.0F / (n + 2.0F);
    return dy * simd::fma(x, 4.0F * e * r * (1.0F + e) * r, n * r);
  }

 private:
  static Vec exponential(Vec x) { return simd::exp(simd::min(broadcast(20.0F), x)); }
};

// x Phi(x), with the normal distribution's Phi
struct Gelu {
  Vec operator()(Vec x) const { return x * simd::normal(x).below; }
  Vec gradient(Vec x, Vec, Vec dy) const {
    const simd::Normal normal = simd::normal(x);
    return dy * simd::fma(x, normal.density, normal.below);
  }
};

// x (1 + tanh(u)) / 2 = x sigmoid(2 u) with u = sqrt(2 / pi) (x + 0.044715 x^3)
struct ApproximateGelu {
  static constexpr float kSlope = 1.59576912F;  // 2 sqrt(2 / pi)
  static constexpr float kCubic = 0.044715F;

  Vec operator()(Vec x) const { return x * gate(x); }
  Vec gradient(Vec x, Vec, Vec dy) const {
    const Vec s = gate(x);
    const Vec near = simd::clamp(x, -12.0F, 12.0F);  // farther out s (1 - s) is zero
    const Vec slope = kSlope * simd::fma(3.0F * kCubic * near, near, one());
    return dy * s * simd::fma(near * slope, 1.0F - s, one());
  }

 private:
  static Vec gate(Vec x) { return simd::sigmoid(kSlope * x * simd::fma(kCubic * x, x, one())); }
};

// relu6(x + 3) / 6
struct HardSigmoid {
  Vec operator()(Vec x) const { return simd::clamp(x + 3.0F, 0.0F, 6.0F) / 6.0F; }
  Vec gradient(Vec x, Vec, Vec dy) const { return simd::abs(x) < 3.0F ? dy / 6.0F : zero(); }
};

// x hard_sigmoid(x)
struct HardSilu {
  Vec operator()(Vec x) const { return x * HardSigmoid{}(x); }
  Vec gradient(Vec x, Vec y, Vec dy) const {
    return simd::fma(dy, HardSigmoid{}(x), x * HardSigmoid{}.gradient(x, y, dy));
  }
};

// (x + sqrt(x^2 + b)) / 2; for negative x the same as (b / 2) / (sqrt(x^2 + b) - x), where nothing
// cancels.
struct Squareplus {
  float b;

  Vec operator()(Vec x) const {
    const Vec sum = simd::sqrt(simd::fma(x, x, broadcast(b))) + simd::abs(x);
    return x < 0.0F ? 0.5F * b / sum : 0.5F * sum;
  }
  Vec gradient(Vec x, Vec y, Vec dy) const {
    return dy * (y / simd::sqrt(simd::fma(x, x, broadcast(b))));
  }
};

// 0 up to -1, (x + 1)^2 / 4 up to 1, then x
struct SparsePlus {
  Vec operator()(Vec x) const {
    const Vec parabola = 0.25F * (x + 1.0F) * (x + 1.0F);
    const Vec upper = x >= 1.0F ? x : parabola;
    return x <= -1.0F ? zero() : upper;
  }
  Vec gradient(Vec x, Vec, Vec dy) const { return dy * SparseSigmoid{}(x); }
};

// x where |x| is above the threshold, less the threshold; else 0
struct SoftShrink {
  float threshold;

  Vec operator()(Vec x) const {
    const Vec lower = x < -threshold ? x + threshold : zero();
    return x > threshold ? x - threshold : lower;
  }
  Vec gradient(Vec y, Vec dy) const { return simd::abs(y) > 0.0F ? dy : zero(); }
};

// x where |x| is above the threshold, else 0
struct HardShrink {
  float threshold;

  Vec operator()(Vec x) const { return simd::abs(x) > threshold ? x : zero(); }
  Vec gradient(Vec x, Vec, Vec dy) const { return simd::abs(x) > threshold ? dy : zero(); }
};

// x above the threshold, else default_value
struct Threshold {
  float threshold;
  float default_value;

  Vec operator()(Vec x) const { return x > threshold ? x : broadcast(default_value); }
  Vec gradient(Vec x, Vec, Vec dy) const { return x > threshold ? dy : zero(); }
};

template <class F>
concept FromOutput = requires(const F& f, Vec v) { f.gradient(v, v); };

}  // namespace activation

// y = f(x) for `size` floats; y may be x.
template <class F>
void map(const F& f, std::int64_t size, const float* x, float* y) {
  std::int64_t i = 0;
  for (; i + simd::kLanes <= size; i += simd::kLanes) simd::store(y + i, f(simd::load(x + i)));
  const int rest = static_cast<int>(size - i);
  if (rest > 0) simd::store_partial(y + i, f(simd::load_partial(x + i, rest)), rest);
}

// dx = dy f'(x) for `size` floats, where y = f(x); dx may be dy. x is not read, and may be nullptr,
// where the output is enough.
template <class F>
void map_gradient(const F& f, std::int64_t size, const float* x, const float* y, const float* dy,
                  float* dx) {
  const auto gradient = [&](auto&& load, std::int64_t at) {
    if constexpr (activation::FromOutput<F>) {
      return f.gradient(load(y + at), load(dy + at));
    } else {
      return f.gradient(load(x + at), load(y + at), load(dy + at));
    }
  };
  std::int64_t i = 0;
  const auto whole = [](const float* p) { return simd::load(p); };
  for (; i + simd::kLanes <= size; i += simd::kLanes) simd::store(dx + i, gradient(whole, i));
  const int rest = static_cast<int>(size - i);
  const auto part = [rest](const float* p) { return simd::load_partial(p, rest); };
  if (rest > 0) simd::store_partial(dx + i, gradient(part, i), rest);
}

}  // namespace convlet
