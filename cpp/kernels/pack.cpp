#include "kernels/pack.hpp"

#include <algorithm>

#include "kernels/tile.hpp"

namespace convlet {

void pack_tap(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t depth,
              std::int64_t first_row, float* packed) {
  for (std::int64_t n0 = 0; n0 < tap.oc; n0 += kPanel) {
    const std::int64_t count = std::min<std::int64_t>(kPanel, tap.oc - n0);
    for (std::int64_t i = begin; i < end; ++i) {
      std::copy_n(tap.w + i * tap.oc + n0, count,
                  packed + packed_index(depth, tap.oc, first_row + i, n0));
    }
  }
}

void pack_tap_transposed(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t depth,
                         std::int64_t first_row, float* packed) {
  std::int64_t next = begin;
  for (std::int64_t i = begin; i < end; i = next) {
    next = std::min(end, i / kPanel * kPanel + kPanel);
    const std::int64_t width = panel_width(tap.ic, i / kPanel * kPanel);
    float* to = packed + packed_index(depth, tap.ic, first_row, i);
    for (std::int64_t o = 0; o < tap.oc; ++o) {
      for (std::int64_t j = i; j < next; ++j) to[o * width + j - i] = tap.w[j * tap.oc + o];
    }
  }
}

void transpose_tap(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t stride,
                   float* rows) {
  for (std::int64_t o = 0; o < tap.oc; ++o) {
    for (std::int64_t i = begin; i < end; ++i) rows[o * stride + i] = tap.w[i * tap.oc + o];
  }
}

void add_transposed(const float* rows, std::int64_t stride, std::int64_t ic, std::int64_t oc,
                    float* w) {
  for (std::int64_t i = 0; i < ic; ++i) {
    for (std::int64_t o = 0; o < oc; ++o) w[i * oc + o] += rows[o * stride + i];
  }
}

}  // namespace convlet
