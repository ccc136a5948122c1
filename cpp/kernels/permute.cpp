#include "kernels/permute.hpp"

#include <algorithm>

namespace convlet {
namespace {

constexpr std::int64_t kTile = 16;  // floats of a cache line

struct Axis {
  std::int64_t size, from, to;  // strides in input and output
};

// A matrix whose rows are contiguous in the input and whose columns are in the output, tile by
// tile: of each only kTile cache lines are in use at a time.
void transpose(const Axis& rows, const Axis& columns, const float* x, float* y) {
  for (std::int64_t i0 = 0; i0 < rows.size; i0 += kTile) {
    const std::int64_t i1 = std::min(i0 + kTile, rows.size);
    for (std::int64_t j0 = 0; j0 < columns.size; j0 += kTile) {
      const std::int64_t j1 = std::min(j0 + kTile, columns.size);
      for (std::int64_t j = j0; j < j1; ++j) {
        for (std::int64_t i = i0; i < i1; ++i) y[j * columns.to + i] = x[j + i * rows.from];
      }
    }
  }
}

}  // namespace

void permute(const Permutation& p, std::int64_t rows, const float* x, float* y) {
  std::array<Axis, kPermutedAxes> axes{};
  std::int64_t to = 1;
  for (std::size_t a = kPermutedAxes; a-- > 0; to *= p.size[a])
    axes[a] = {p.size[a], p.stride[a], to};
  // The axis that is contiguous in the input; of several (sizes of 1) the last one.
  std::size_t fast = kPermutedAxes - 1;
  while (p.stride[fast] != 1) --fast;
  const Axis last = axes.back();
  const Axis fastest = axes[fast];
  // What a call of copy or transpose does not walk along.
  axes[fast].size = 1;
  axes.back().size = 1;
  for (std::int64_t row = 0; row < rows; ++row, x += p.elements(), y += p.elements()) {
    for (std::int64_t i = 0; i < axes[0].size; ++i) {
      for (std::int64_t j = 0; j < axes[1].size; ++j) {
        for (std::int64_t k = 0; k < axes[2].size; ++k) {
          const float* from = x + i * axes[0].from + j * axes[1].from + k * axes[2].from;
          float* into = y + i * axes[0].to + j * axes[1].to + k * axes[2].to;
          if (last.from == 1) {
            std::copy_n(from, last.size, into);
          } else {
            transpose(last, fastest, from, into);
          }
        }
      }
    }
  }
}

}  // namespace convlet
