#include "kernels/patch_product.hpp"

#include <algorithm>

#include "kernels/epilogue.hpp"
#include "kernels/micro_kernel.hpp"
#include "kernels/tile.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::kLanes;
using simd::Vec;

// How a tile of sums becomes output rows: one row a pixel.
struct EachPixel {
  static constexpr int kPixels = 1;
  StoreSum store;

  template <int MR, int NR>
  [[gnu::always_inline]] void operator()(const Sums<MR, NR>& sums, const std::int64_t (&out)[MR],
                                         int rows, Columns columns) const {
#pragma GCC unroll 4
    for (int n = 0; n < NR; ++n) {
      const std::int64_t column = columns.first + n * kLanes;
      const Vec b = bias_of(store.bias, column);
      const int count = columns.in_vector(n);
#pragma GCC unroll 16
      for (int m = 0; m < MR; ++m) {
        if (m < rows) store(sums[m][n], b, out[m] + column, count);
      }
    }
  }
};

// One row a 2x2 window.
struct EachWindow {
  static constexpr int kPixels = 4;
  StoreMax4 store;

  template <int MR, int NR>
  [[gnu::always_inline]] void operator()(const Sums<MR, NR>& sums,
                                         const std::int64_t (&out)[MR / 4], int rows,
                                         Columns columns) const {
#pragma GCC unroll 4
    for (int n = 0; n < NR; ++n) {
      const std::int64_t column = columns.first + n * kLanes;
      const Vec b = bias_of(store.bias, column);
#pragma GCC unroll 4
      for (int q = 0; q < MR / 4; ++q) {
        if (q >= rows) break;
        const Vec four[4] = {sums[4 * q][n], sums[4 * q + 1][n], sums[4 * q + 2][n],
                             sums[4 * q + 3][n]};
        store(four, b, out[q] + column, columns.in_vector(n));
      }
    }
  }
};

// Walks the output rows (pixels or windows) of all images in order.
template <int Pixels, class Item>
class Cursor {
 public:
  Cursor(const PatchProduct& g, const Item* x) : g_(g), x_(x) {
    for (std::size_t j = 0; j < Pixels; ++j) {
      offset_[j] = g.patches.pixel.empty() ? 0 : g.patches.pixel[j] - g.patches.pixel[0];
    }
  }

  const Offsets<Pixels>& offset() const { return offset_; }

  // Where the first patch of the next row starts, and its results.
  [[gnu::always_inline]] void next(const Item*& x, std::int64_t& out) {
    const std::size_t row = g_.row(row_);
    x = x_ + g_.patches.pixel[row * Pixels];
    out = y_ + g_.out[row];
    if (++row_ == g_.rows()) {
      row_ = 0;
      x_ += g_.x_image;
      y_ += g_.y_image;
    }
  }

 private:
  const PatchProduct& g_;
  const Item* x_;
  Offsets<Pixels> offset_;
  std::int64_t y_ = 0;
  std::int64_t row_ = 0;
};

// One tile of MR / kPixels output rows; `rows` of them are real, the others repeat the last one.
template <int MR, int NR, class Epilogue, class Item>
[[gnu::always_inline]] inline void tile(const PatchProduct& g,
                                        Cursor<Epilogue::kPixels, Item>& cursor, int rows,
                                        const Item* panel, Columns columns,
                                        const Epilogue& epilogue) {
  constexpr int kPixels = Epilogue::kPixels;
  constexpr int kRows = MR / kPixels;
  const Item* x[kRows];
  std::int64_t out[kRows];
#pragma GCC unroll 16
  for (int q = 0; q < kRows; ++q) {
    if (q < rows) {
      cursor.next(x[q], out[q]);
    } else {
      x[q] = x[q - 1];
      out[q] = out[q - 1];
    }
  }
  Sums<MR, NR> sums{};
  for (const std::int32_t run : g.patches.run) {
    panel = accumulate<MR, NR, kPixels>(sums, x, cursor.offset(), run, run + g.patches.run_length,
                                        panel);
  }
  epilogue.template operator()<MR, NR>(sums, out, rows, columns);
}

// The last, smaller tile: the smallest of a few heights that holds it, among them those that are
// left of 32 and 64 rows.
template <int MR, int NR, class Epilogue, class Item>
void last_tile(const PatchProduct& g, Cursor<Epilogue::kPixels, Item>& cursor, int rows,
               const Item* panel, Columns columns, const Epilogue& epilogue) {
  constexpr int kLess = MR - std::max(Epilogue::kPixels, MR > 8 ? 4 : 2);
  if constexpr (kLess > 0) {
    if (rows * Epilogue::kPixels <= kLess)
      return last_tile<kLess, NR>(g, cursor, rows, panel, columns, epilogue);
  }
  tile<MR, NR>(g, cursor, rows, panel, columns, epilogue);
}

template <int NR, class Epilogue, class Item>
void panel_product(const PatchProduct& g, std::int64_t images, const Item* x, const Item* panel,
                   Columns columns, const Epilogue& epilogue) {
  constexpr int kMR = kRowsOfTile<NR> / Epilogue::kPixels * Epilogue::kPixels;
  constexpr int kRows = kMR / Epilogue::kPixels;
  std::int64_t rows = images * g.rows();
  Cursor<Epilogue::kPixels, Item> cursor(g, x);
  for (; rows >= kRows; rows -= kRows) tile<kMR, NR>(g, cursor, kRows, panel, columns, epilogue);
  if (rows > 0) last_tile<kMR, NR>(g, cursor, static_cast<int>(rows), panel, columns, epilogue);
}

template <class Epilogue, class Item>
void product(const PatchProduct& g, std::int64_t images, const Item* x, const Item* packed_w,
             const Epilogue& epilogue) {
  if constexpr (simd::kMultiplies<Item>) {
    for (std::int64_t n0 = 0; n0 < g.n; n0 += kPanel) {
      const Item* panel = packed_w + n0 * g.patches.depth();
      const Columns columns{n0, static_cast<int>(std::min<std::int64_t>(g.n - n0, kPanel))};
      if (panel_width(g.n, n0) == kPanel) {
        panel_product<kTileVectors>(g, images, x, panel, columns, epilogue);
      } else {
        panel_product<1>(g, images, x, panel, columns, epilogue);
      }
    }
  }
}

// The results that sums of zero would have.
template <class Epilogue>
void fill(const PatchProduct& g, const Epilogue& epilogue) {
  for (std::int64_t i = 0; i < g.rows(); ++i) {
    const std::int64_t out[] = {g.out[g.row(i)]};
    for (std::int64_t n = 0; n < g.n; n += kLanes) {
      const Columns columns{n, static_cast<int>(std::min<std::int64_t>(g.n - n, kLanes))};
      epilogue.template operator()<Epilogue::kPixels, 1>({}, out, 1, columns);
    }
  }
}

}  // namespace

template <class Item>
void patch_product(const PatchProduct& g, std::int64_t images, const Item* x, const Item* packed_w,
                   const float* bias, bool relu, float* y) {
  product(g, images, x, packed_w, EachPixel{{bias, relu, y}});
}

template <class Item>
void patch_product_max4(const PatchProduct& g, std::int64_t images, const Item* x,
                        const Item* packed_w, const float* bias, bool relu, float* y,
                        std::uint8_t* argmax) {
  product(g, images, x, packed_w, EachWindow{{bias, relu, y, argmax}});
}

void patch_product_of_zeros(const PatchProduct& g, const float* bias, bool relu, float* y) {
  fill(g, EachPixel{{bias, relu, y}});
}

void patch_product_max4_of_zeros(const PatchProduct& g, const float* bias, bool relu, float* y,
                                 std::uint8_t* argmax) {
  fill(g, EachWindow{{bias, relu, y, argmax}});
}

template void patch_product(const PatchProduct&, std::int64_t, const float*, const float*,
                            const float*, bool, float*);
template void patch_product(const PatchProduct&, std::int64_t, const simd::Pair*, const simd::Pair*,
                            const float*, bool, float*);
template void patch_product_max4(const PatchProduct&, std::int64_t, const float*, const float*,
                                 const float*, bool, float*, std::uint8_t*);
template void patch_product_max4(const PatchProduct&, std::int64_t, const simd::Pair*,
                                 const simd::Pair*, const float*, bool, float*, std::uint8_t*);

}  // namespace convlet
