#include "kernels/softmax.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/vectors.hpp"
#include "simd/math.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::kLanes;
using simd::Vec;

float largest_of(Vec v) {
  float best = v[0];
  for (int i = 1; i < kLanes; ++i) best = std::max(best, v[i]);
  return best;
}

// One axis of neighbours in memory.
struct Contiguous {
  static float largest(std::int64_t n, const float* x) {
    Vec best = simd::broadcast(-__builtin_inff());
    for_vectors(n, [&](std::int64_t at, int count) {
      best = simd::max(best, filled(load_first(x + at, count), count, -__builtin_inff()));
    });
    return largest_of(best);
  }

  static void softmax(std::int64_t n, const float* x, float* y) {
    const float top = largest(n, x);
    Vec total = simd::zero();
    for_vectors(n, [&](std::int64_t at, int count) {
      const Vec e = simd::exp(load_first(x + at, count) - top);
      store_first(y + at, e, count);
      total += filled(e, count, 0.0F);
    });
    const float factor = 1.0F / sum_of(total);
    for_vectors(n, [&](std::int64_t at, int count) {
      store_first(y + at, load_first(y + at, count) * factor, count);
    });
  }

  static void log_softmax(std::int64_t n, const float* x, float* y) {
    const float top = largest(n, x);
    Vec total = simd::zero();
    for_vectors(n, [&](std::int64_t at, int count) {
      total += filled(simd::exp(load_first(x + at, count) - top), count, 0.0F);
    });
    const float log_total = std::log(sum_of(total));
    for_vectors(n, [&](std::int64_t at, int count) {
      store_first(y + at, load_first(x + at, count) - top - log_total, count);
    });
  }

  static void softmax_backward(std::int64_t n, const float* y, const float* dy, float* dx) {
    Vec dot = simd::zero();
    for_vectors(n, [&](std::int64_t at, int count) {
      dot = simd::fma(load_first(y + at, count), load_first(dy + at, count), dot);
    });
    const float sum = sum_of(dot);
    for_vectors(n, [&](std::int64_t at, int count) {
      store_first(dx + at, load_first(y + at, count) * (load_first(dy + at, count) - sum), count);
    });
  }

  static void log_softmax_backward(std::int64_t n, const float* y, const float* dy, float* dx) {
    Vec total = simd::zero();
    for_vectors(n, [&](std::int64_t at, int count) { total += load_first(dy + at, count); });
    const float sum = sum_of(total);
    for_vectors(n, [&](std::int64_t at, int count) {
      store_first(dx + at, load_first(dy + at, count) - simd::exp(load_first(y + at, count)) * sum,
                  count);
    });
  }

  static void sparsemax(std::int64_t n, const float* x, float* y) {
    const float top = largest(n, x);
    const float threshold = sparsemax_threshold(n, x, top);
    for_vectors(n, [&](std::int64_t at, int count) {
      store_first(y + at, simd::max(simd::zero(), load_first(x + at, count) - top - threshold),
                  count);
    });
  }

  static void sparsemax_backward(std::int64_t n, const float* x, const float* dy, float* dx) {
    const float top = largest(n, x);
    const float threshold = sparsemax_threshold(n, x, top);
    Vec total = simd::zero();
    Vec members = simd::zero();
    for_vectors(n, [&](std::int64_t at, int count) {
      const Vec below = load_first(x + at, count) - top;
      total += filled(below < threshold ? simd::zero() : load_first(dy + at, count), count, 0.0F);
      members += filled(not_at_most(below, threshold), count, 0.0F);
    });
    const float mean = sum_of(total) / sum_of(members);
    for_vectors(n, [&](std::int64_t at, int count) {
      const Vec below = load_first(x + at, count) - top;
      const Vec own = below < threshold ? simd::zero() : load_first(dy + at, count);
      store_first(dx + at, own - (below <= threshold ? simd::zero() : simd::broadcast(mean)),
                  count);
    });
  }

 private:
  // 1 where v > bound, or either is NaN; else 0.
  static Vec not_at_most(Vec v, float bound) {
    return v <= bound ? simd::zero() : simd::broadcast(1.0F);
  }

  // Sparsemax's t, less the largest x. No x - top of at most -1 takes part, as the others sum to 1
  // alone; from there on the mean of those that take part, less 1 / k, is the next t, and who is
  // below it takes no part any more (Michelot, 1986): mostly a few rounds, and no sorting.
  static float sparsemax_threshold(std::int64_t n, const float* x, float top) {
    float threshold = -1.0F;
    float members_before = __builtin_inff();
    for (;;) {
      Vec total = simd::zero();
      Vec members = simd::zero();
      for_vectors(n, [&](std::int64_t at, int count) {
        const Vec below = load_first(x + at, count) - top;
        total += filled(below <= threshold ? simd::zero() : below, count, 0.0F);
        members += filled(not_at_most(below, threshold), count, 0.0F);
      });
      const float k = sum_of(members);
      threshold = (sum_of(total) - 1.0F) / k;
      if (k >= members_before) return threshold;
      members_before = k;
    }
  }
};

// Up to kLanes axes side by side, `stride` floats from one element to the next.
struct SideBySide {
  std::int64_t n;
  std::int64_t stride;
  int count;

  Vec at(const float* p, std::int64_t i) const { return load_first(p + i * stride, count); }
  void put(float* p, std::int64_t i, Vec v) const { store_first(p + i * stride, v, count); }

  Vec largest(const float* x) const {
    Vec best = at(x, 0);
    for (std::int64_t i = 1; i < n; ++i) best = simd::max(best, at(x, i));
    return best;
  }

  void softmax(const float* x, float* y) const {
    const Vec top = largest(x);
    Vec total = simd::zero();
    for (std::int64_t i = 0; i < n; ++i) {
      const Vec e = simd::exp(at(x, i) - top);
      put(y, i, e);
      total += e;
    }
    const Vec factor = 1.0F / total;
    for (std::int64_t i = 0; i < n; ++i) put(y, i, at(y, i) * factor);
  }

  void softmax_backward(const float* y, const float* dy, float* dx) const {
    Vec dot = simd::zero();
    for (std::int64_t i = 0; i < n; ++i) dot = simd::fma(at(y, i), at(dy, i), dot);
    for (std::int64_t i = 0; i < n; ++i) put(dx, i, at(y, i) * (at(dy, i) - dot));
  }
};

template <class F>
void for_axes(const AxisView& view, F&& f) {
  for (std::int64_t o = 0; o < view.outer; ++o) f(o * view.n * view.inner);
}

template <class F>
void for_bundles(const AxisView& view, F&& f) {
  for_axes(view, [&](std::int64_t begin) {
    for_vectors(view.inner, [&](std::int64_t at, int count) {
      f(SideBySide{view.n, view.inner, count}, begin + at);
    });
  });
}

}  // namespace

void softmax(const AxisView& view, const float* x, float* y) {
  if (view.inner == 1) {
    for_axes(view, [&](std::int64_t at) { Contiguous::softmax(view.n, x + at, y + at); });
  } else {
    for_bundles(view,
                [&](const SideBySide& axes, std::int64_t at) { axes.softmax(x + at, y + at); });
  }
}

void softmax_backward(const AxisView& view, const float* y, const float* dy, float* dx) {
  if (view.inner == 1) {
    for_axes(view, [&](std::int64_t at) {
      Contiguous::softmax_backward(view.n, y + at, dy + at, dx + at);
    });
  } else {
    for_bundles(view, [&](const SideBySide& axes, std::int64_t at) {
      axes.softmax_backward(y + at, dy + at, dx + at);
    });
  }
}

void log_softmax(std::int64_t rows, std::int64_t n, const float* x, float* y) {
  for (std::int64_t r = 0; r < rows; ++r) Contiguous::log_softmax(n, x + r * n, y + r * n);
}

void log_softmax_backward(std::int64_t rows, std::int64_t n, const float* y, const float* dy,
                          float* dx) {
  for (std::int64_t r = 0; r < rows; ++r) {
    Contiguous::log_softmax_backward(n, y + r * n, dy + r * n, dx + r * n);
  }
}

void sparsemax(std::int64_t rows, std::int64_t n, const float* x, float* y) {
  for (std::int64_t r = 0; r < rows; ++r) Contiguous::sparsemax(n, x + r * n, y + r * n);
}

void sparsemax_backward(std::int64_t rows, std::int64_t n, const float* x, const float* dy,
                        float* dx) {
  for (std::int64_t r = 0; r < rows; ++r) {
    Contiguous::sparsemax_backward(n, x + r * n, dy + r * n, dx + r * n);
  }
}

}  // namespace convlet
