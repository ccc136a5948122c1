#include "ops/window2d.hpp"

#include <algorithm>

namespace convlet {
namespace {

struct Axis {
  std::int64_t out;
  std::int64_t before;
  std::int64_t padded;
};

Axis make_axis(std::int64_t in, std::int64_t cells, std::int64_t s, std::int64_t d, bool same) {
  const std::int64_t k = extent(cells, d);
  if (!same) return {in < k ? 0 : (in - k) / s + 1, 0, in};
  const std::int64_t out = (in + s - 1) / s;
  const std::int64_t total = std::max<std::int64_t>((out - 1) * s + k - in, 0);
  return {out, total / 2, in + total};
}

// ", `dilation_rate=(2, 2)`" where there is one.
std::string dilation_text(const std::vector<std::int64_t>& d) {
  return d == std::vector<std::int64_t>{1, 1} ? "" : "`, `dilation_rate=" + tuple_string(d);
}

}  // namespace

Window2D make_window2d(const Attributes& attributes, const std::string& window_name,
                       const Shape& input) {
  if (input.size() != 3) {
    throw ValueError(
        "Expected images of shape (None, height, width, channels). Received: inputs shape=" +
        batch_string(input));
  }
  const auto k = attributes.positive_pair(window_name);
  const auto s = attributes.positive_pair("strides");
  const auto d = attributes.has("dilation_rate") ? attributes.positive_pair("dilation_rate")
                                                 : std::vector<std::int64_t>{1, 1};
  const std::string& padding = attributes.text("padding");
  if (padding != "valid" && padding != "same") {
    throw ValueError("`padding` must be 'valid' or 'same'. Received: padding='" + padding + "'");
  }
  const Axis y = make_axis(input[0], k[0], s[0], d[0], padding == "same");
  const Axis x = make_axis(input[1], k[1], s[1], d[1], padding == "same");
  if (y.out <= 0 || x.out <= 0 || input[2] <= 0) {
    throw ValueError("Computed output size would be zero or negative. Received `inputs shape=" +
                     batch_string(input) + "`, `" + window_name + "=" + tuple_string(k) +
                     dilation_text(d) + "`, `strides=" + tuple_string(s) + "`, `padding='" +
                     padding + "'`");
  }
  elements({y.padded, x.padded, input[2]});  // offsets into the padded image fit
  return {input[0], input[1], input[2], k[0],     k[1],     s[0], s[1], y.out,
          x.out,    y.before, x.before, y.padded, x.padded, d[0], d[1]};
}

}  // namespace convlet
