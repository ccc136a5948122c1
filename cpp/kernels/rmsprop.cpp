#include "kernels/rmsprop.hpp"

#include <algorithm>

#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::kLanes;
using simd::Vec;

// One vector of parameters; `Load` and `Save` move whole or partial vectors.
template <bool Momentum, bool Centered, class Load, class Save>
[[gnu::always_inline]] inline void update(const RmspropConstants& c, const float* g, float* w,
                                          float* velocity, float* momentum, float* average,
                                          Load&& load, Save&& save) {
  const Vec rho = simd::broadcast(c.rho);
  const Vec rest = simd::broadcast(c.one_minus_rho);
  const Vec gradient = load(g);
  const Vec v = rho * load(velocity) + rest * gradient * gradient;
  save(velocity, v);
  Vec denominator = v + simd::broadcast(c.epsilon);
  if constexpr (Centered) {
    const Vec a = rho * load(average) + rest * gradient;
    save(average, a);
    denominator -= a * a;
  }
  Vec step = simd::broadcast(c.learning_rate) * gradient / simd::sqrt(denominator);
  if constexpr (Momentum) {
    step += simd::broadcast(c.momentum) * load(momentum);
    save(momentum, step);
  }
  save(w, load(w) - step);
}

template <bool Momentum, bool Centered>
void update_all(const RmspropConstants& c, std::int64_t size, const float* g, float* w,
                float* velocity, float* momentum, float* average) {
  const auto at = [](float* p, std::int64_t i) { return p == nullptr ? nullptr : p + i; };
  const std::int64_t whole = size / kLanes * kLanes;
  for (std::int64_t i = 0; i < whole; i += kLanes) {
    update<Momentum, Centered>(
        c, g + i, w + i, velocity + i, at(momentum, i), at(average, i),
        [](const float* p) { return simd::load(p); }, [](float* p, Vec v) { simd::store(p, v); });
  }
  const int tail = static_cast<int>(size - whole);
  if (tail == 0) return;
  update<Momentum, Centered>(
      c, g + whole, w + whole, velocity + whole, at(momentum, whole), at(average, whole),
      [tail](const float* p) { return simd::load_partial(p, tail); },
      [tail](float* p, Vec v) { simd::store_partial(p, v, tail); });
}

}  // namespace

void rmsprop(const RmspropConstants& c, std::int64_t size, const float* g, float* w,
             float* velocity, float* momentum, float* average) {
  if (momentum != nullptr && average != nullptr) {
    update_all<true, true>(c, size, g, w, velocity, momentum, average);
  } else if (momentum != nullptr) {
    update_all<true, false>(c, size, g, w, velocity, momentum, average);
  } else if (average != nullptr) {
    update_all<false, true>(c, size, g, w, velocity, momentum, average);
  } else {
    update_all<false, false>(c, size, g, w, velocity, momentum, average);
  }
}

}  // namespace convlet
