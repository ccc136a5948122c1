#include "kernels/pad2d.hpp"

#include <algorithm>

namespace convlet {

void pad2d(const Pad2D& g, std::int64_t images, const float* x, float* y) {
  const std::int64_t row = g.w * g.c;
  const std::int64_t gap =
      (g.pw - g.w) * g.c;  // from the end of one image row to the start of the next
  const std::int64_t before = (g.top * g.pw + g.left) * g.c;
  const std::int64_t after = g.padded_size() - before - g.h * g.pw * g.c + gap;
  for (std::int64_t image = 0; image < images; ++image) {
    y = std::fill_n(y, before, 0.0F);
    for (std::int64_t i = 0; i < g.h; ++i, x += row) {
      y = std::copy_n(x, row, y);
      y = std::fill_n(y, i + 1 < g.h ? gap : after, 0.0F);
    }
  }
}

void crop2d(const Pad2D& g, std::int64_t images, const float* y, float* x) {
  const std::int64_t row = g.w * g.c;
  for (std::int64_t image = 0; image < images; ++image, y += g.padded_size()) {
    const float* from = y + (g.top * g.pw + g.left) * g.c;
    for (std::int64_t i = 0; i < g.h; ++i) x = std::copy_n(from + i * g.pw * g.c, row, x);
  }
}

}  // namespace convlet
