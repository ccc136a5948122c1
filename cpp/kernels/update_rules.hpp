// What each optimizer does to one vector of parameters w with the gradient g, as Keras defines it
// (keras/src/optimizers). Slots are in the order of the optimizer's list. `f(1.0 - x)` is rounded
// to float only after the subtraction, where Keras does so. Arguments by reference are updated.
#pragma once

#include <cmath>

#include "simd/math.hpp"
#include "simd/vec.hpp"

namespace convlet {

// -1, 0 or 1; of NaN NaN.
inline simd::Vec sign(simd::Vec v) {
  const simd::Vec one = simd::broadcast(1.0F);
  return v > simd::zero() ? one : (v < simd::zero() ? -one : v);
}

inline simd::Vec absolute(simd::Vec v) { return v < simd::zero() ? -v : v; }

// v moved into [low, high]; NaN stays NaN.
inline simd::Vec clamp(simd::Vec v, simd::Vec low, simd::Vec high) {
  return v < low ? low : (v > high ? high : v);
}

// w -= learning_rate g
struct Sgd {
  float learning_rate;

  void operator()(simd::Vec g, simd::Vec& w) const { w -= simd::broadcast(learning_rate) * g; }
};

// m = mu m - learning_rate g;  w += m, or (Nesterov, 1983) w += mu m - learning_rate g
template <bool Nesterov>
struct SgdMomentum {
  float learning_rate, momentum;

  void operator()(simd::Vec g, simd::Vec& w, simd::Vec& m) const {
    const simd::Vec mu = simd::broadcast(momentum);
    const simd::Vec step = simd::broadcast(learning_rate) * g;
    m = mu * m - step;
    if constexpr (Nesterov) {
      w += mu * m - step;
    } else {
      w += m;
    }
  }
};

// Tieleman and Hinton, 2012, lecture 6.5; epsilon inside the root.
//   v = rho v + (1 - rho) g^2
//   a = rho a + (1 - rho) g                           (Centered)
//   step = learning_rate g / sqrt(v - a^2 + epsilon)
//   m = mu m + step, step = m                         (Momentum)
//   w -= step
template <bool Momentum, bool Centered>
struct Rmsprop {
  float learning_rate, rho, one_minus_rho, momentum, epsilon;

  void operator()(simd::Vec g, simd::Vec& w, simd::Vec& v) const
    requires(!Momentum && !Centered)
  {
    w -= step(g, v, nullptr);
  }
  void operator()(simd::Vec g, simd::Vec& w, simd::Vec& v, simd::Vec& last) const {
    if constexpr (Momentum) {
      last = simd::broadcast(momentum) * last + step(g, v, nullptr);
      w -= last;
    } else {
      w -= step(g, v, &last);
    }
  }
  void operator()(simd::Vec g, simd::Vec& w, simd::Vec& v, simd::Vec& m, simd::Vec& a) const {
    m = simd::broadcast(momentum) * m + step(g, v, &a);
    w -= m;
  }

 private:
  [[gnu::always_inline]] simd::Vec step(simd::Vec g, simd::Vec& v, simd::Vec* a) const {
    const simd::Vec keep = simd::broadcast(rho);
    const simd::Vec rest = simd::broadcast(one_minus_rho);
    v = keep * v + rest * g * g;
    simd::Vec denominator = v + simd::broadcast(epsilon);
    if constexpr (Centered) {
      *a = keep * *a + rest * g;
      denominator -= *a * *a;
    }
    return simd::broadcast(learning_rate) * g * simd::reciprocal_sqrt(denominator);
  }
};

// Kingma and Ba, 2014; epsilon outside the root.
//   alpha = learning_rate sqrt(1 - beta_2^t) / (1 - beta_1^t)
//   m += (1 - beta_1) (g - m);  v += (1 - beta_2) (g^2 - v)
//   w -= alpha m / (sqrt(v) + epsilon), or AMSGrad (Reddi et al., 2018) with v_hat = max(v_hat, v)
struct Adam {
  float alpha, one_minus_beta_1, one_minus_beta_2, epsilon;

  void operator()(simd::Vec g, simd::Vec& w, simd::Vec& m, simd::Vec& v) const {
    average(g, m, v);
    move(w, m, v);
  }
  void operator()(simd::Vec g, simd::Vec& w, simd::Vec& m, simd::Vec& v, simd::Vec& v_hat) const {
    average(g, m, v);
    v_hat = simd::max(v_hat, v);
    move(w, m, v_hat);
  }

 private:
  void average(simd::Vec g, simd::Vec& m, simd::Vec& v) const {
    m += (g - m) * simd::broadcast(one_minus_beta_1);
    v += (g * g - v) * simd::broadcast(one_minus_beta_2);
  }
  void move(simd::Vec& w, simd::Vec m, simd::Vec v) const {
    w -= m * simd::broadcast(alpha) / (simd::fast_sqrt(v) + simd::broadcast(epsilon));
  }
};

// Dozat, 2015, with m and v as in Adam:
//   w -= learning_rate (of_m m + of_g g) / (sqrt(v / (1 - beta_2^t)) + epsilon)
struct Nadam {
  float learning_rate, one_minus_beta_1, one_minus_beta_2, epsilon;
  float of_m;      // u_{t+1} / (1 - u_1 ... u_{t+1})
  float of_g;      // (1 - u_t) / (1 - u_1 ... u_t)
  float unbiased;  // 1 - beta_2^t

  void operator()(simd::Vec g, simd::Vec& w, simd::Vec& m, simd::Vec& v) const {
    m += (g - m) * simd::broadcast(one_minus_beta_1);
    v += (g * g - v) * simd::broadcast(one_minus_beta_2);
    const simd::Vec m_hat = simd::broadcast(of_m) * m + simd::broadcast(of_g) * g;
    const simd::Vec root = simd::fast_sqrt(v / simd::broadcast(unbiased));
    w -= m_hat * simd::broadcast(learning_rate) / (root + simd::broadcast(epsilon));
  }
};

// Duchi et al., 2011: a += g^2;  w -= learning_rate g / sqrt(a + epsilon)
struct Adagrad {
  float learning_rate, epsilon;

  void operator()(simd::Vec g, simd::Vec& w, simd::Vec& a) const {
    a += g * g;
    w -= simd::broadcast(learning_rate) * g * simd::reciprocal_sqrt(a + simd::broadcast(epsilon));
  }
};

// Zeiler, 2012:
//   a = rho a + (1 - rho) g^2;  step = sqrt(d + epsilon) g / sqrt(a + epsilon)
//   d = rho d + (1 - rho) step^2;  w -= learning_rate step
struct Adadelta {
  float learning_rate, rho, one_minus_rho, epsilon;

  void operator()(simd::Vec g, simd::Vec& w, simd::Vec& a, simd::Vec& d) const {
    const simd::Vec keep = simd::broadcast(rho);
    const simd::Vec rest = simd::broadcast(one_minus_rho);
    const simd::Vec small = simd::broadcast(epsilon);
    a = keep * a + rest * g * g;
    const simd::Vec step = simd::fast_sqrt(d + small) * g * simd::reciprocal_sqrt(a + small);
    d = keep * d + rest * step * step;
    w -= simd::broadcast(learning_rate) * step;
  }
};

// Kingma and Ba, 2014, section 7.1:
//   m += (1 - beta_1) (g - m);  u = max(beta_2 u, |g|)
//   w -= learning_rate m / ((1 - beta_1^t) (u + epsilon))
struct Adamax {
  float learning_rate, one_minus_beta_1, beta_2, epsilon;
  float unbiased;  // 1 - beta_1^t

  void operator()(simd::Vec g, simd::Vec& w, simd::Vec& m, simd::Vec& u) const {
    m += (g - m) * simd::broadcast(one_minus_beta_1);
    u = simd::max(simd::broadcast(beta_2) * u, absolute(g));
    w -= simd::broadcast(learning_rate) * m /
         (simd::broadcast(unbiased) * (u + simd::broadcast(epsilon)));
  }
};

// Chen et al., 2023: w -= learning_rate sign(beta_1 m + (1 - beta_1) g)
//                    m = beta_2 m + (1 - beta_2) g
struct Lion {
  float learning_rate, beta_1, one_minus_beta_1, beta_2, one_minus_beta_2;

  void operator()(simd::Vec g, simd::Vec& w, simd::Vec& m) const {
    w -= simd::broadcast(learning_rate) *
         sign(m * simd::broadcast(beta_1) + g * simd::broadcast(one_minus_beta_1));
    m = m * simd::broadcast(beta_2) + g * simd::broadcast(one_minus_beta_2);
  }
};

// McMahan et al., 2013, p = -learning_rate_power:
//   h = g + 2 shrinkage w;  b = a + g^2
//   l += h - (b^p - a^p) w / learning_rate;  a = b
//   w = (clamp(l, -l1, l1) - l) / (b^p / learning_rate + 2 l2)
struct Ftrl {
  float learning_rate, power, l1, twice_l2, twice_shrinkage;

  void operator()(simd::Vec g, simd::Vec& w, simd::Vec& a, simd::Vec& l) const {
    const simd::Vec rate = simd::broadcast(learning_rate);
    const simd::Vec bound = simd::broadcast(l1);
    const simd::Vec before = raise(a);
    a += g * g;
    const simd::Vec after = raise(a);
    l += g + simd::broadcast(twice_shrinkage) * w - (after - before) / rate * w;
    w = (clamp(l, -bound, bound) - l) / (after / rate + simd::broadcast(twice_l2));
  }

 private:
  simd::Vec raise(simd::Vec v) const {
    if (power == 0.5F) return simd::sqrt(v);
    for (int i = 0; i < simd::kLanes; ++i) v[i] = std::pow(v[i], power);
    return v;
  }
};

}  // namespace convlet
