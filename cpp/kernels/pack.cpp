#include "kernels/pack.hpp"

#include <algorithm>

#include "kernels/bfloat16.hpp"
#include "kernels/tile.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::kLanes;
using simd::Vec;

// A matrix whose rows lie `stride` floats apart.
struct Matrix {
  const float* at;
  std::int64_t stride;

  float one(std::int64_t r, std::int64_t c) const { return at[r * stride + c]; }
  Vec vector(std::int64_t r, std::int64_t c) const { return simd::load(at + r * stride + c); }
};

// The same matrix, of pairs of neighbours: `stride` columns, in bits.
struct PairMatrix {
  const float* at;
  std::int64_t stride;

  float one(std::int64_t r, std::int64_t c) const { return pairs(r, c, 1)[0]; }
  Vec vector(std::int64_t r, std::int64_t c) const { return pairs(r, c, kLanes); }

 private:
  Vec pairs(std::int64_t r, std::int64_t c, std::int64_t count) const {
    alignas(simd::kVecBytes) simd::Pair to[kLanes] = {};
    pair_channels(1, std::min(2 * count, stride - 2 * c), at + r * stride + 2 * c, to);
    return reinterpret_cast<Vec>(simd::load(to));
  }
};

// to[c * to_stride + r] = from(r, c) for rows x columns elements. Whole squares of kLanes go
// through registers: element by element, packing the weights of a wide Dense layer took a tenth of
// a training step.
template <class From, class Put>
void transpose(std::int64_t rows, std::int64_t columns, const From& from, float* to,
               std::int64_t to_stride, Put&& put) {
  const std::int64_t whole_rows = rows / kLanes * kLanes;
  const std::int64_t whole_columns = columns / kLanes * kLanes;
  const auto one = [&](std::int64_t r, std::int64_t c) {
    put(to + c * to_stride + r, from.one(r, c));
  };
  for (std::int64_t r = 0; r < whole_rows; r += kLanes) {
    for (std::int64_t c = 0; c < whole_columns; c += kLanes) {
      Vec square[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) square[i] = from.vector(r + i, c);
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

// row(i, n0, count, to) for rows [begin, end) of each panel, which is columns n0 .. n0 + count.
template <class Item, class Row>
void pack_rows(std::int64_t begin, std::int64_t end, std::int64_t n, std::int64_t depth,
               std::int64_t first_row, Item* packed, Row&& row) {
  for (std::int64_t n0 = 0; n0 < n; n0 += kPanel) {
    const std::int64_t count = std::min<std::int64_t>(kPanel, n - n0);
    for (std::int64_t i = begin; i < end; ++i) {
      row(i, n0, count, packed + packed_index(depth, n, first_row + i, n0));
    }
  }
}

// The panels of a tap's `rows` rows, which are the columns of From's matrix.
template <class From>
void pack_columns(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t depth,
                  std::int64_t first_row, std::int64_t rows, float* packed) {
  std::int64_t next = begin;
  for (std::int64_t i = begin; i < end; i = next) {
    next = std::min(end, i / kPanel * kPanel + kPanel);
    const std::int64_t width = panel_width(tap.ic, i / kPanel * kPanel);
    transpose(next - i, rows, From{tap.w + i * tap.row, tap.row},
              packed + packed_index(depth, tap.ic, first_row, i), width, Assign{});
  }
}

}  // namespace

void pack_tap(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t depth,
              std::int64_t first_row, float* packed) {
  pack_rows(begin, end, tap.oc, depth, first_row, packed,
            [&](std::int64_t i, std::int64_t n0, std::int64_t count, float* to) {
              const float* from = tap.w + i * tap.row + n0;
              std::int64_t c = 0;
              for (; c + kLanes <= count; c += kLanes) simd::store(to + c, simd::load(from + c));
              for (; c < count; ++c) to[c] = from[c];
            });
}

void pack_tap(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t depth,
              std::int64_t first_row, simd::Pair* packed) {
  pack_rows(begin / 2, pairs_of(end), tap.oc, depth, first_row, packed,
            [&](std::int64_t i, std::int64_t n0, std::int64_t count, simd::Pair* to) {
              const float* from = tap.w + 2 * i * tap.row + n0;
              pair_rows(count, from, 2 * i + 1 < tap.ic ? from + tap.row : nullptr, to);
            });
}

void pack_tap_transposed(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t depth,
                         std::int64_t first_row, float* packed) {
  pack_columns<Matrix>(tap, begin, end, depth, first_row, tap.oc, packed);
}

void pack_tap_transposed(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t depth,
                         std::int64_t first_row, simd::Pair* packed) {
  pack_columns<PairMatrix>(tap, begin, end, depth, first_row, pairs_of(tap.oc),
                           reinterpret_cast<float*>(packed));
}

void transpose_tap(const Tap& tap, std::int64_t begin, std::int64_t end, std::int64_t stride,
                   float* rows) {
  transpose(end - begin, tap.oc, Matrix{tap.w + begin * tap.row, tap.row}, rows + begin, stride,
            Assign{});
}

void add_transposed(const float* rows, std::int64_t stride, std::int64_t ic, std::int64_t oc,
                    float* w) {
  transpose(oc, ic, Matrix{rows, stride}, w, oc, Add{});
}

}  // namespace convlet
