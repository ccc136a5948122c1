#include "kernels/row_product.hpp"

#include <algorithm>

#include "kernels/patch_product.hpp"

namespace convlet {
namespace {

using simd::kLanes;

void dense_product(const RowProduct& g, std::int64_t rows, const float* x, const float* packed_w,
                   const float* bias, bool relu, float* y) {
  patch_product({row_patch(g.depth), kOnePixel, g.depth, g.y_row, g.n}, rows, x, packed_w, bias,
                relu, y);
}

// marks[word][row] of rows of x. Returns how many elements are marked.
std::int64_t mark_rows(std::int64_t depth, std::int64_t rows, const float* x, Marks* marks) {
  std::int64_t marked = 0;
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t k = 0, word = 0; k < depth; k += kMarked, ++word) {
      const auto count = static_cast<int>(std::min<std::int64_t>(kMarked, depth - k));
      const Marks bits = mark(x + row * depth + k, count);
      marks[word * rows + row] = bits;
      marked += std::popcount(bits);
    }
  }
  return marked;
}

// The kMarkedColumns columns of y whose panels start at `packed_w`, word by word: the sums of all
// rows wait in memory while the next word's weights come into the cache.
void marked_columns(const RowProduct& g, std::int64_t rows, const float* x, const Marks* marks,
                    const float* packed_w, const float* bias, const StoreSum& store) {
  alignas(simd::kVecBytes) float waiting[kRowsMeasured][kMarkedColumns];
  const std::int64_t words = mark_words(g.depth);
  for (std::int64_t word = 0; word < words; ++word) {
    const float* panel[kMarkedPanels];
    for (int p = 0; p < kMarkedPanels; ++p)
      panel[p] = packed_w + (p * g.depth + word * kMarked) * kPanel;
    for (std::int64_t row = 0; row < rows; ++row) {
      Sums<kMarkedPanels, kTileVectors> sums{};
      float* between = waiting[row];
      const auto each = [&](auto&& f) {
#pragma GCC unroll 8
        for (int v = 0; v < kMarkedPanels * kTileVectors; ++v)
          f(sums[v / kTileVectors][v % kTileVectors], v * kLanes);
      };
      if (word > 0) each([&](simd::Vec& sum, int at) { sum = simd::load(between + at); });
      const float* of_row = x + row * g.depth + word * kMarked;
      accumulate_marked(sums, marks[word * rows + row], panel, [&](int i) { return of_row[i]; });
      if (word + 1 < words) {
        each([&](const simd::Vec& sum, int at) { simd::store(between + at, sum); });
      } else {
        each([&](const simd::Vec& sum, int at) {
          store(sum, bias_of(bias, at), row * g.y_row + at, kLanes);
        });
      }
    }
  }
}

}  // namespace

void row_product(const RowProduct& g, std::int64_t rows, const float* x, const float* packed_w,
                 const float* bias, bool relu, Marks* marks, float* y) {
  const std::int64_t most = g.n / kMarkedColumns * kMarkedColumns;  // columns in whole blocks
  if (most == 0) return dense_product(g, rows, x, packed_w, bias, relu, y);
  for (std::int64_t row = 0; row < rows; row += kRowsMeasured) {
    const std::int64_t count = std::min(kRowsMeasured, rows - row);
    const float* from = x + row * g.depth;
    float* to = y + row * g.y_row;
    const std::int64_t marked = mark_rows(g.depth, count, from, marks);
    const std::int64_t alone = are_few(marked, count * g.depth) ? most : 0;
    for (std::int64_t n0 = 0; n0 < alone; n0 += kMarkedColumns) {
      marked_columns(g, count, from, marks, packed_w + n0 * g.depth,
                     bias != nullptr ? bias + n0 : nullptr, {bias, relu, to + n0});
    }
    if (alone == g.n) continue;
    dense_product({g.depth, g.n - alone, g.y_row}, count, from, packed_w + alone * g.depth,
                  bias != nullptr ? bias + alone : nullptr, relu, to + alone);
  }
}

}  // namespace convlet
