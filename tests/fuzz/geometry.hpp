// The definitions of the linear ops and of maxima, as lists of terms for one row; see oracle.hpp.
#pragma once

#include <string>
#include <vector>

#include "ops/shape.hpp"
#include "oracle.hpp"

namespace convlet::fuzz {

// How a window slides along one axis; of a transposed one, `in` is the axis that is made.
struct Slide {
  std::int64_t in;
  std::int64_t cells, stride, dilation;
  std::int64_t out;
  std::int64_t before;  // cells of padding

  // Where cell k of window i lies; -1: in the padding.
  std::int64_t at(std::int64_t i, std::int64_t k) const {
    const std::int64_t place = i * stride + k * dilation - before;
    return place < in ? place : -1;
  }
};

// `same`: as many windows as strides begin inside, and the smaller half of the padding before.
// out is 0 where no window fits.
Slide slide(std::int64_t in, std::int64_t cells, std::int64_t stride, std::int64_t dilation,
            bool same);
// `in` windows reach `in` of the result; extra: the output padding, -1 for none.
Slide transposed_slide(std::int64_t in, std::int64_t cells, std::int64_t stride,
                       std::int64_t dilation, bool same, std::int64_t extra);

// Kernel [kh][kw][c / groups][filters].
std::vector<Term> convolution_terms(const Slide& y, const Slide& x, std::int64_t c,
                                    std::int64_t filters, std::int64_t groups);
// Kernel [kh][kw][c][multiplier].
std::vector<Term> depthwise_terms(const Slide& y, const Slide& x, std::int64_t c,
                                  std::int64_t multiplier);
// Kernel [kh][kw][filters][c].
std::vector<Term> transposed_terms(const Slide& y, const Slide& x, std::int64_t c,
                                   std::int64_t filters);
// Kernel [in][units], on the last axis of `rows` rows.
std::vector<Term> dense_terms(std::int64_t rows, std::int64_t in, std::int64_t units);
std::vector<Term> average_terms(const Slide& y, const Slide& x, std::int64_t c);
std::vector<std::vector<std::int32_t>> windows(const Slide& y, const Slide& x, std::int64_t c);
// Images h x w x c inside larger ones, their first pixel at (top, left); `crop`: the other way.
std::vector<Term> border_terms(const Shape& small, const Shape& large, std::int64_t top,
                               std::int64_t left, bool crop);
std::vector<Term> up_sampling_terms(const Shape& image, std::int64_t sh, std::int64_t sw,
                                    bool bilinear);
// dims: from 1.
std::vector<Term> permutation_terms(const Shape& shape, const Shape& dims);
std::vector<Term> identity_terms(std::int64_t size);

}  // namespace convlet::fuzz
