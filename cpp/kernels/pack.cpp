#include "kernels/pack.hpp"

#include <algorithm>

#include "kernels/tile.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::kLanes;
using simd::Vec;

// to[c * to_stride + r] = from[r * from_stride + c] for rows x columns elements. Whole squares of
// kLanes go through registers: element by element, packing the weights of a wide Dense layer took a
// tenth of a training step.
template <class Put>
void transpose(std::int64_t rows, std::int64_t columns, const float* from, std::int64_t from_stride,
               float* to, std::int64_t to_stride, Put&& put) {
  const std::int64_t whole_rows = rows / kLanes * kLanes;
  const std::int64_t whole_columns = columns / kLanes * kLanes;
  const auto one = [&](std::int64_t r, std::int64_t c) {
    put(to + c * to_stride + r, from[r * from_stride + c]);
  };
  for (std::int64_t r = 0; r < whole_rows; r += kLanes) {
    for (std::int64_t c = 0; c < whole_columns; c += kLanes) {
      Vec square[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) square[i] = simd::load(from + (r + i) * from_stride + c);
      simd::transpose(square);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) put(to + (c + i) * to_stride + r, square[i]);
    }
    for (std::int64_t i = r; i < r + kLanes; ++i) {
      for (std::int64_t c = whole_columns; c < columns; ++c) one(i, c);
    }
  }
  for (std::int64_t r = whole_rows; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) one(r, c);
  }
}

struct Assign {
  void operator()(float* to, float value) const { *to = value; }
  void operator()(float* to, Vec value) const { simd::store(to, value); }
};

struct Add {
  void operator()(float* to, float value) const { *to += value; }
  void operator()(float* to, Vec value) const { simd::store(to, simd::load(to) + value); }
};

}  // namespace

void pack_tap(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t depth,
              std::int64_t first_row, float* packed) {
  for (std::int64_t n0 = 0; n0 < tap.oc; n0 += kPanel) {
    const std::int64_t count = std::min<std::int64_t>(kPanel, tap.oc - n0);
    for (std::int64_t i = begin; i < end; ++i) {
      const float* from = tap.w + i * tap.row + n0;
      float* to = packed + packed_index(depth, tap.oc, first_row + i, n0);
      std::int64_t c = 0;
      for (; c + kLanes <= count; c += kLanes) simd::store(to + c, simd::load(from + c));
      for (; c < count; ++c) to[c] = from[c];
    }
  }
}

void pack_tap_transposed(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t depth,
                         std::int64_t first_row, float* packed) {
  std::int64_t next = begin;
  for (std::int64_t i = begin; i < end; i = next) {
    next = std::min(end, i / kPanel * kPanel + kPanel);
    const std::int64_t width = panel_width(tap.ic, i / kPanel * kPanel);
    transpose(next - i, tap.oc, tap.w + i * tap.row, tap.row,
              packed + packed_index(depth, tap.ic, first_row, i), width, Assign{});
  }
}

void transpose_tap(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t stride,
                   float* rows) {
  transpose(end - begin, tap.oc, tap.w + begin * tap.row, tap.row, rows + begin, stride, Assign{});
}

void add_transposed(const float* rows, std::int64_t stride, std::int64_t ic, std::int64_t oc,
                    float* w) {
  transpose(oc, ic, rows, stride, w, oc, Add{});
}

}  // namespace convlet
