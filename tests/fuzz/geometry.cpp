#include "geometry.hpp"

#include <algorithm>
#include <cmath>

namespace convlet::fuzz {
namespace {

Term term(std::int64_t out, std::int64_t in, std::int64_t weight, double coefficient = 1.0) {
  return {static_cast<std::int32_t>(out), static_cast<std::int32_t>(in),
          static_cast<std::int32_t>(weight), coefficient};
}

// f(window, pixel it meets, tap) for all cells that lie inside; a pixel or
// window is its number in row-major order.
template <class F>
void for_cells(const Slide& y, const Slide& x, F&& f) {
  for (std::int64_t oy = 0; oy < y.out; ++oy) {
    for (std::int64_t ox = 0; ox < x.out; ++ox) {
      for (std::int64_t ky = 0; ky < y.cells; ++ky) {
        for (std::int64_t kx = 0; kx < x.cells; ++kx) {
          const std::int64_t iy = y.at(oy, ky);
          const std::int64_t ix = x.at(ox, kx);
          if (iy >= 0 && ix >= 0) f(oy * x.out + ox, iy * x.in + ix, ky * x.cells + kx);
        }
      }
    }
  }
}

// The inputs that an output of up-sampling along one axis is made of.
struct Share {
  std::int64_t in;
  double part;
};

std::vector<Share> shares(std::int64_t out, std::int64_t factor, std::int64_t size, bool bilinear) {
  if (!bilinear) return {{out / factor, 1.0}};
  const double place =
      std::clamp((static_cast<double>(out) + 0.5) / static_cast<double>(factor) - 0.5, 0.0,
                 static_cast<double>(size - 1));
  std::vector<Share> all;
  for (std::int64_t in = 0; in < size; ++in) {
    const double part = 1.0 - std::abs(place - static_cast<double>(in));
    if (part > 0.0) all.push_back({in, part});
  }
  return all;
}

}  // namespace

Slide slide(std::int64_t in, std::int64_t cells, std::int64_t stride, std::int64_t dilation,
            bool same) {
  const std::int64_t extent = (cells - 1) * dilation + 1;
  Slide s{in, cells, stride, dilation, 0, 0};
  for (std::int64_t at = 0; at + (same ? 1 : extent) <= in; at += stride) ++s.out;
  if (same) s.before = std::max<std::int64_t>((s.out - 1) * stride + extent - in, 0) / 2;
  return s;
}

Slide transposed_slide(std::int64_t in, std::int64_t cells, std::int64_t stride,
                       std::int64_t dilation, bool same, std::int64_t extra) {
  const std::int64_t extent = (cells - 1) * dilation + 1;
  const std::int64_t begin = (in - 1) * stride;
  std::int64_t made = begin + (extra < 0 ? std::max(extent, stride) : extent + extra);
  if (same) made = extra < 0 ? in * stride : begin + extent % 2 + extra;
  const std::int64_t before = same ? std::max<std::int64_t>(begin + extent - made, 0) / 2 : 0;
  return {made, cells, stride, dilation, in, before};
}

std::vector<Term> convolution_terms(const Slide& y, const Slide& x, std::int64_t c,
                                    std::int64_t filters, std::int64_t groups) {
  std::vector<Term> terms;
  const std::int64_t group_c = c / groups;
  const std::int64_t group_filters = filters / groups;
  for_cells(y, x, [&](std::int64_t window, std::int64_t pixel, std::int64_t tap) {
    for (std::int64_t i = 0; i < group_c; ++i) {
      for (std::int64_t o = 0; o < filters; ++o) {
        terms.push_back(term(window * filters + o, pixel * c + o / group_filters * group_c + i,
                             (tap * group_c + i) * filters + o));
      }
    }
  });
  return terms;
}

std::vector<Term> depthwise_terms(const Slide& y, const Slide& x, std::int64_t c,
                                  std::int64_t multiplier) {
  std::vector<Term> terms;
  for_cells(y, x, [&](std::int64_t window, std::int64_t pixel, std::int64_t tap) {
    for (std::int64_t o = 0; o < c * multiplier; ++o) {
      terms.push_back(
          term(window * c * multiplier + o, pixel * c + o / multiplier, tap * c * multiplier + o));
    }
  });
  return terms;
}

std::vector<Term> transposed_terms(const Slide& y, const Slide& x, std::int64_t c,
                                   std::int64_t filters) {
  std::vector<Term> terms;
  for_cells(y, x, [&](std::int64_t window, std::int64_t pixel, std::int64_t tap) {
    for (std::int64_t o = 0; o < filters; ++o) {
      for (std::int64_t i = 0; i < c; ++i) {
        terms.push_back(term(pixel * filters + o, window * c + i, (tap * filters + o) * c + i));
      }
    }
  });
  return terms;
}

std::vector<Term> dense_terms(std::int64_t rows, std::int64_t in, std::int64_t units) {
  std::vector<Term> terms;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t i = 0; i < in; ++i) {
      for (std::int64_t u = 0; u < units; ++u)
        terms.push_back(term(r * units + u, r * in + i, i * units + u));
    }
  }
  return terms;
}

std::vector<std::vector<std::int32_t>> windows(const Slide& y, const Slide& x, std::int64_t c) {
  std::vector<std::vector<std::int32_t>> all(static_cast<std::size_t>(y.out * x.out * c));
  for_cells(y, x, [&](std::int64_t window, std::int64_t pixel, std::int64_t) {
    for (std::int64_t i = 0; i < c; ++i) {
      all[static_cast<std::size_t>(window * c + i)].push_back(
          static_cast<std::int32_t>(pixel * c + i));
    }
  });
  return all;
}

std::vector<Term> average_terms(const Slide& y, const Slide& x, std::int64_t c) {
  std::vector<Term> terms;
  const auto all = windows(y, x, c);
  for (std::size_t out = 0; out < all.size(); ++out) {
    for (const std::int32_t in : all[out]) {
      terms.push_back(
          term(static_cast<std::int64_t>(out), in, -1, 1.0 / static_cast<double>(all[out].size())));
    }
  }
  return terms;
}

std::vector<Term> border_terms(const Shape& small, const Shape& large, std::int64_t top,
                               std::int64_t left, bool crop) {
  std::vector<Term> terms;
  for (std::int64_t y = 0; y < small[0]; ++y) {
    for (std::int64_t i = 0; i < small[1] * small[2]; ++i) {
      const std::int64_t inside = y * small[1] * small[2] + i;
      const std::int64_t outside = ((y + top) * large[1] + left) * large[2] + i;
      terms.push_back(crop ? term(inside, outside, -1) : term(outside, inside, -1));
    }
  }
  return terms;
}

std::vector<Term> up_sampling_terms(const Shape& image, std::int64_t sh, std::int64_t sw,
                                    bool bilinear) {
  std::vector<Term> terms;
  for (std::int64_t oy = 0; oy < image[0] * sh; ++oy) {
    for (std::int64_t ox = 0; ox < image[1] * sw; ++ox) {
      for (const Share& y : shares(oy, sh, image[0], bilinear)) {
        for (const Share& x : shares(ox, sw, image[1], bilinear)) {
          for (std::int64_t c = 0; c < image[2]; ++c) {
            terms.push_back(term((oy * image[1] * sw + ox) * image[2] + c,
                                 (y.in * image[1] + x.in) * image[2] + c, -1, y.part * x.part));
          }
        }
      }
    }
  }
  return terms;
}

std::vector<Term> permutation_terms(const Shape& shape, const Shape& dims) {
  std::vector<Term> terms;
  std::vector<std::int64_t> at(shape.size(), 0);  // of the input
  for (std::int64_t in = 0; in < elements(shape); ++in) {
    std::int64_t out = 0;
    for (const std::int64_t dim : dims) {
      const auto axis = static_cast<std::size_t>(dim - 1);
      out = out * shape[axis] + at[axis];
    }
    terms.push_back(term(out, in, -1));
    for (std::size_t axis = shape.size(); axis-- > 0;) {
      if (++at[axis] < shape[axis]) break;
      at[axis] = 0;
    }
  }
  return terms;
}

std::vector<Term> identity_terms(std::int64_t size) {
  std::vector<Term> terms;
  for (std::int64_t i = 0; i < size; ++i) terms.push_back(term(i, i, -1));
  return terms;
}

}  // namespace convlet::fuzz
