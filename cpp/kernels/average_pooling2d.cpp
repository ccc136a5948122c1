#include "kernels/average_pooling2d.hpp"

#include <algorithm>

#include "kernels/vectors.hpp"

namespace convlet {

using simd::Vec;

namespace {

Vec one_of(const PoolWindow& w) { return simd::broadcast(1.0F / static_cast<float>(w.cells())); }

}  // namespace

void average_pooling2d(const Pool2D& g, std::int64_t images, const float* x, float* y) {
  for (std::int64_t image = 0; image < images; ++image, x += g.in_size(), y += g.out_size()) {
    for_each_window(g, [&](const PoolWindow& w, std::int64_t out) {
      for_each_vector(g.c, [&](std::int64_t c, auto count) {
        Vec sum = simd::zero();
        for_each_pixel(
            g, w, [&](std::int64_t pixel) { sum += simd::load_partial(x + pixel + c, count); });
        simd::store_partial(y + out + c, sum * one_of(w), count);
      });
    });
  }
}

namespace {

// Hands each window's gradient to its pixels: adds it there or, where windows lie apart, writes it.
template <bool Apart>
void backward(const Pool2D& g, std::int64_t images, const float* dy, float* dx) {
  for (std::int64_t image = 0; image < images; ++image, dx += g.in_size(), dy += g.out_size()) {
    for_each_window(g, [&](const PoolWindow& w, std::int64_t out) {
      for_each_vector(g.c, [&](std::int64_t c, auto count) {
        const Vec part = simd::load_partial(dy + out + c, count) * one_of(w);
        for_each_pixel(g, w, [&](std::int64_t pixel) {
          float* to = dx + pixel + c;
          simd::store_partial(to, Apart ? part : simd::load_partial(to, count) + part, count);
        });
      });
    });
  }
}

}  // namespace

void average_pooling2d_backward(const Pool2D& g, std::int64_t images, const float* dy, float* dx) {
  if (!g.is_apart() || !g.covers_image()) std::fill_n(dx, images * g.in_size(), 0.0F);
  if (g.is_apart()) {
    backward<true>(g, images, dy, dx);
  } else {
    backward<false>(g, images, dy, dx);
  }
}

}  // namespace convlet
