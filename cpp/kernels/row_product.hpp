// y = epilogue(x * w + b) for the rows of a matrix x, which are images of one pixel in a
// patch_product: Dense forward and its gradient with respect to the data. Where most elements of x
// are zero, their products are left out (marked_rows.hpp). Single-threaded, allocation-free.
#pragma once

#include <cstdint>

#include "kernels/marked_rows.hpp"

namespace convlet {

struct RowProduct {
  std::int64_t depth;  // elements of a row of x, which follow each other
  std::int64_t n;      // columns of y to be computed
  std::int64_t y_row;  // floats from one row of y to the next
};

// Rows that are measured, and multiplied, together: their sums and their part of x stay in the
// first-level cache beside the weights.
inline constexpr std::int64_t kRowsMeasured = 48;

// Words of marks that a product needs.
constexpr std::int64_t row_product_marks(std::int64_t depth) {
  return kRowsMeasured * mark_words(depth);
}

// packed_w: panels of [depth][n] (tile.hpp). bias: n floats rounded up to whole vectors, or
// nullptr. y: overwritten.
void row_product(const RowProduct& g, std::int64_t rows, const float* x, const float* packed_w,
                 const float* bias, bool relu, Marks* marks, float* y);

}  // namespace convlet
