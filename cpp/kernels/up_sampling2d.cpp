#include "kernels/up_sampling2d.hpp"

#include <algorithm>

#include "kernels/vectors.hpp"

namespace convlet {

using simd::Vec;

namespace {

// The four neighbours of an output pixel: offsets in the image, and how much further than the first
// one the pixel lies.
struct Neighbours {
  std::int64_t top_left, top_right, bottom_left, bottom_right;
  Vec right, down;
};

// Calls f(neighbours, offset in the output image) for each output pixel.
template <class F>
void for_each_place(const UpSampling2D& g, F&& f) {
  for (std::int64_t i = 0; i < g.oh(); ++i) {
    const Between& y = g.rows[i];
    for (std::int64_t j = 0; j < g.ow(); ++j) {
      const Between& x = g.columns[j];
      const Neighbours n{(y.lower * g.w + x.lower) * g.c, (y.lower * g.w + x.upper) * g.c,
                         (y.upper * g.w + x.lower) * g.c, (y.upper * g.w + x.upper) * g.c,
                         simd::broadcast(x.weight),       simd::broadcast(y.weight)};
      f(n, (i * g.ow() + j) * g.c);
    }
  }
}

}  // namespace

Between place_between(std::int64_t out, std::int64_t factor, std::int64_t size) {
  // In units of half an output pixel; an input pixel is 2 factor of them.
  const std::int64_t place =
      std::clamp<std::int64_t>(2 * out + 1 - factor, 0, 2 * factor * (size - 1));
  const std::int64_t lower = place / (2 * factor);
  const std::int64_t rest = place % (2 * factor);
  return {lower, rest == 0 ? lower : lower + 1,
          static_cast<float>(rest) / static_cast<float>(2 * factor)};
}

void nearest_up_sampling2d(const UpSampling2D& g, std::int64_t images, const float* x, float* y) {
  const std::int64_t row = g.ow() * g.c;
  for (std::int64_t i = 0; i < images * g.h; ++i) {
    const float* first = y;
    for (std::int64_t j = 0; j < g.w; ++j, x += g.c) {
      for (std::int64_t v = 0; v < g.sw; ++v) y = std::copy_n(x, g.c, y);
    }
    for (std::int64_t u = 1; u < g.sh; ++u) y = std::copy_n(first, row, y);
  }
}

void nearest_up_sampling2d_backward(const UpSampling2D& g, std::int64_t images, const float* dy,
                                    float* dx) {
  const std::int64_t row = g.ow() * g.c;
  for (std::int64_t i = 0; i < images * g.h; ++i, dy += g.sh * row) {
    for (std::int64_t j = 0; j < g.w; ++j, dx += g.c) {
      const float* block = dy + j * g.sw * g.c;
      for_each_vector(g.c, [&](std::int64_t c, auto count) {
        Vec sum = simd::zero();
        for (std::int64_t u = 0; u < g.sh; ++u) {
          for (std::int64_t v = 0; v < g.sw; ++v)
            sum += simd::load_partial(block + u * row + v * g.c + c, count);
        }
        simd::store_partial(dx + c, sum, count);
      });
    }
  }
}

void bilinear_up_sampling2d(const UpSampling2D& g, std::int64_t images, const float* x, float* y) {
  for (std::int64_t image = 0; image < images; ++image, x += g.size(), y += g.out_size()) {
    for_each_place(g, [&](const Neighbours& n, std::int64_t out) {
      for_each_vector(g.c, [&](std::int64_t c, auto count) {
        const auto at = [&](std::int64_t pixel) {
          return simd::load_partial(x + pixel + c, count);
        };
        const Vec left = at(n.top_left);
        const Vec bottom_left = at(n.bottom_left);
        const Vec top = simd::fma(at(n.top_right) - left, n.right, left);
        const Vec bottom = simd::fma(at(n.bottom_right) - bottom_left, n.right, bottom_left);
        simd::store_partial(y + out + c, simd::fma(bottom - top, n.down, top), count);
      });
    });
  }
}

void bilinear_up_sampling2d_backward(const UpSampling2D& g, std::int64_t images, const float* dy,
                                     float* dx) {
  std::fill_n(dx, images * g.size(), 0.0F);
  const Vec one = simd::broadcast(1.0F);
  for (std::int64_t image = 0; image < images; ++image, dx += g.size(), dy += g.out_size()) {
    for_each_place(g, [&](const Neighbours& n, std::int64_t out) {
      for_each_vector(g.c, [&](std::int64_t c, auto count) {
        const auto add = [&](std::int64_t pixel, Vec part) {
          float* to = dx + pixel + c;
          simd::store_partial(to, simd::load_partial(to, count) + part, count);
        };
        const Vec whole = simd::load_partial(dy + out + c, count);
        const Vec top = whole * (one - n.down);
        const Vec bottom = whole * n.down;
        add(n.top_left, top * (one - n.right));
        add(n.top_right, top * n.right);
        add(n.bottom_left, bottom * (one - n.right));
        add(n.bottom_right, bottom * n.right);
      });
    });
  }
}

}  // namespace convlet
