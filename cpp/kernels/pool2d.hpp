// How a window slides over NHWC images: what max and average pooling share.
#pragma once

#include <algorithm>
#include <cstdint>

namespace convlet {

struct Pool2D {
  std::int64_t ih, iw, c;  // input image
  std::int64_t oh, ow;     // output image
  std::int64_t kh, kw;     // window
  std::int64_t sh, sw;     // strides
  std::int64_t top, left;  // padding, never read: a window is cut to the image

  // Whether no pixel lies in two windows, and whether each lies in one.
  bool is_apart() const { return sh >= kh && sw >= kw; }
  bool covers_image() const {
    return sh <= kh && sw <= kw && (oh - 1) * sh - top + kh >= ih &&
           (ow - 1) * sw - left + kw >= iw;
  }

  std::int64_t in_size() const { return ih * iw * c; }
  std::int64_t out_size() const { return oh * ow * c; }
};

// The part of a window that lies inside the image.
struct PoolWindow {
  std::int64_t y0, y1, x0, x1;

  std::int64_t cells() const { return (y1 - y0) * (x1 - x0); }
};

// Calls f(window, offset of its result in the output image).
template <class F>
void for_each_window(const Pool2D& g, F&& f) {
  for (std::int64_t oy = 0; oy < g.oh; ++oy) {
    const std::int64_t y = oy * g.sh - g.top;
    for (std::int64_t ox = 0; ox < g.ow; ++ox) {
      const std::int64_t x = ox * g.sw - g.left;
      const PoolWindow window{std::max<std::int64_t>(y, 0), std::min(y + g.kh, g.ih),
                              std::max<std::int64_t>(x, 0), std::min(x + g.kw, g.iw)};
      f(window, (oy * g.ow + ox) * g.c);
    }
  }
}

// Calls f(offset of each of the window's pixels in the image) in row-major order.
template <class F>
void for_each_pixel(const Pool2D& g, const PoolWindow& w, F&& f) {
  for (std::int64_t y = w.y0; y < w.y1; ++y) {
    for (std::int64_t x = w.x0; x < w.x1; ++x) f((y * g.iw + x) * g.c);
  }
}

}  // namespace convlet
