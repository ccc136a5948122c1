#include "kernels/max_pooling2d.hpp"

#include <algorithm>

#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::IntVec;
using simd::kLanes;
using simd::Vec;

// The part of a window that lies inside the image.
struct Window {
  std::int64_t y0, y1, x0, x1;
};

Window window_at(const Pool2D& g, std::int64_t oy, std::int64_t ox) {
  const std::int64_t y = oy * g.sh - g.top;
  const std::int64_t x = ox * g.sw - g.left;
  return {std::max<std::int64_t>(y, 0), std::min(y + g.kh, g.ih), std::max<std::int64_t>(x, 0),
          std::min(x + g.kw, g.iw)};
}

// Calls f(offset of each of the window's pixels in the image) in row-major order.
template <class F>
void for_each_pixel(const Pool2D& g, const Window& w, F&& f) {
  for (std::int64_t y = w.y0; y < w.y1; ++y) {
    for (std::int64_t x = w.x0; x < w.x1; ++x) f((y * g.iw + x) * g.c);
  }
}

// Calls f(window, offset of its result in the output image).
template <class F>
void for_each_window(const Pool2D& g, F&& f) {
  for (std::int64_t oy = 0; oy < g.oh; ++oy) {
    for (std::int64_t ox = 0; ox < g.ow; ++ox) f(window_at(g, oy, ox), (oy * g.ow + ox) * g.c);
  }
}

// Calls f(first channel, number of channels) for each vector of channels.
template <class F>
void for_each_vector(std::int64_t channels, F&& f) {
  for (std::int64_t c = 0; c < channels; c += kLanes) {
    f(c, static_cast<int>(std::min<std::int64_t>(kLanes, channels - c)));
  }
}

}  // namespace

void max_pooling2d(const Pool2D& g, std::int64_t images, const float* x, float* y) {
  for (std::int64_t image = 0; image < images;
       ++image, x += g.ih * g.iw * g.c, y += g.oh * g.ow * g.c) {
    for_each_window(g, [&](const Window& w, std::int64_t out) {
      const float* first = x + (w.y0 * g.iw + w.x0) * g.c;
      for_each_vector(g.c, [&](std::int64_t c, int count) {
        Vec best = simd::load_partial(first + c, count);
        for_each_pixel(g, w, [&](std::int64_t pixel) {
          const Vec v = simd::load_partial(x + pixel + c, count);
          best = (best >= v) | (best != best) ? best : v;
        });
        simd::store_partial(y + out + c, best, count);
      });
    });
  }
}

void max_pooling2d_backward(const Pool2D& g, std::int64_t images, const float* x, const float* y,
                            const float* dy, float* dx) {
  const std::int64_t in = g.ih * g.iw * g.c;
  const std::int64_t out_size = g.oh * g.ow * g.c;
  std::fill_n(dx, images * in, 0.0F);
  for (std::int64_t image = 0; image < images;
       ++image, x += in, dx += in, y += out_size, dy += out_size) {
    for_each_window(g, [&](const Window& w, std::int64_t out) {
      for_each_vector(g.c, [&](std::int64_t c, int count) {
        const Vec best = simd::load_partial(y + out + c, count);
        const Vec gradient = simd::load_partial(dy + out + c, count);
        IntVec waiting = simd::broadcast(std::int32_t{-1});
        for_each_pixel(g, w, [&](std::int64_t pixel) {
          const Vec v = simd::load_partial(x + pixel + c, count);
          const IntVec hit = waiting & ((v == best) | (v != v));
          waiting &= ~hit;
          float* to = dx + pixel + c;
          simd::store_partial(to, simd::load_partial(to, count) + (hit ? gradient : simd::zero()),
                              count);
        });
      });
    });
  }
}

}  // namespace convlet
