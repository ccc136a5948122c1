// How a two-dimensional window slides over an image: output sizes and padding, as TensorFlow and
// Keras define them.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/pad2d.hpp"
#include "kernels/pool2d.hpp"
#include "ops/attributes.hpp"

namespace convlet {

// From the first cell of a window to its last one, d steps apart.
constexpr std::int64_t extent(std::int64_t cells, std::int64_t d) { return (cells - 1) * d + 1; }

struct Window2D {
  std::int64_t ih, iw, ic;  // input image
  std::int64_t kh, kw;      // window
  std::int64_t sh, sw;      // strides
  std::int64_t oh, ow;      // output image
  std::int64_t top, left;   // zero rows above, columns to the left
  std::int64_t ph, pw;      // input with all its padding
  std::int64_t dh, dw;      // steps from one cell of the window to the next

  bool padded() const { return ph != ih || pw != iw; }
  Pad2D pad() const { return {ih, iw, ic, ph, pw, top, left}; }
  Pool2D pool() const { return {ih, iw, ic, oh, ow, kh, kw, sh, sw, top, left}; }
};

// valid: out = floor((in - k) / s) + 1, where k is the extent of the window, (cells - 1) d + 1;
// same: out = ceil(in / s), total padding max((out - 1) s + k
// - in, 0), the smaller half before. ValueError for another padding, an input that is no image or
// an empty output; `window_name` is what the error calls the window. The attribute `dilation_rate`,
// d, may be missing.
Window2D make_window2d(const Attributes& attributes, const std::string& window_name,
                       const Shape& input);

}  // namespace convlet
