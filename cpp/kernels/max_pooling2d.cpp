#include "kernels/max_pooling2d.hpp"

#include <algorithm>

#include "kernels/vectors.hpp"
#include "simd/vec.hpp"

namespace convlet {

using simd::IntVec;
using simd::Vec;

void max_pooling2d(const Pool2D& g, std::int64_t images, const float* x, float* y) {
  for (std::int64_t image = 0; image < images; ++image, x += g.in_size(), y += g.out_size()) {
    for_each_window(g, [&](const PoolWindow& w, std::int64_t out) {
      const float* first = x + (w.y0 * g.iw + w.x0) * g.c;
      for_each_vector(g.c, [&](std::int64_t c, auto count) {
        Vec best = simd::load_partial(first + c, count);
        for_each_pixel(g, w, [&](std::int64_t pixel) {
          const Vec v = simd::load_partial(x + pixel + c, count);
          best = ((best >= v) | (best != best)) ? best : v;
        });
        simd::store_partial(y + out + c, best, count);
      });
    });
  }
}

namespace {

// Hands each window's gradient to its maximum: adds it there or, where windows lie apart, writes it
// and zeros beside it.
template <bool Apart>
void backward(const Pool2D& g, std::int64_t images, const float* x, const float* y, const float* dy,
              float* dx) {
  for (std::int64_t image = 0; image < images;
       ++image, x += g.in_size(), dx += g.in_size(), y += g.out_size(), dy += g.out_size()) {
    for_each_window(g, [&](const PoolWindow& w, std::int64_t out) {
      for_each_vector(g.c, [&](std::int64_t c, auto count) {
        const Vec best = simd::load_partial(y + out + c, count);
        const Vec gradient = simd::load_partial(dy + out + c, count);
        IntVec waiting = simd::broadcast(std::int32_t{-1});
        for_each_pixel(g, w, [&](std::int64_t pixel) {
          const Vec v = simd::load_partial(x + pixel + c, count);
          const IntVec hit = waiting & ((v == best) | (v != v));
          waiting &= ~hit;
          float* to = dx + pixel + c;
          Vec part = hit ? gradient : simd::zero();
          if constexpr (!Apart) part += simd::load_partial(to, count);
          simd::store_partial(to, part, count);
        });
      });
    });
  }
}

}  // namespace

void max_pooling2d_backward(const Pool2D& g, std::int64_t images, const float* x, const float* y,
                            const float* dy, float* dx) {
  if (!g.is_apart() || !g.covers_image()) std::fill_n(dx, images * g.in_size(), 0.0F);
  if (g.is_apart()) {
    backward<true>(g, images, x, y, dy, dx);
  } else {
    backward<false>(g, images, x, y, dy, dx);
  }
}

}  // namespace convlet
