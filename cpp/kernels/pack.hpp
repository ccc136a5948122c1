// Weight matrices as the kernels read them. Each function handles the input channels [begin, end)
// of one tap of a convolution (a Dense layer is one tap), so that threads can share the packing of
// a layer. Padding columns stay as they are: zero, from the start.
#pragma once

#include <cstdint>

#include "simd/vec.hpp"

namespace convlet {

// The weights of one tap, w: [ic][oc], of rows `row` floats apart.
struct Tap {
  const float* w;
  std::int64_t ic;
  std::int64_t oc;
  std::int64_t row;
};

// Panels of the forward product's matrix [depth][oc] (tile.hpp): input channel i is row first_row +
// i.
void pack_tap(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t depth,
              std::int64_t first_row, float* packed);

// Panels of the data gradient's matrix [depth][ic]: output channel o is row first_row + o.
void pack_tap_transposed(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t depth,
                         std::int64_t first_row, float* packed);

// The same in pairs of bfloat16. pack_tap: input channels 2 * i and 2 * i + 1, neither in another
// range, are row first_row + i. pack_tap_transposed: output channels 2 * o and 2 * o + 1 are row
// first_row + o. In place of what lies behind an odd number of channels are zeros.
void pack_tap(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t depth,
              std::int64_t first_row, simd::Pair* packed);
void pack_tap_transposed(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t depth,
                         std::int64_t first_row, simd::Pair* packed);

// rows[o * stride + i] = w[i][o].
void transpose_tap(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t stride,
                   float* rows);

// w[i][o] += rows[o * stride + i] for all i and o: the way back, for gradients.
void add_transposed(const float* rows, std::int64_t stride, std::int64_t ic, std::int64_t oc,
                    float* w);

}  // namespace convlet
