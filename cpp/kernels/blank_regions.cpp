#include "kernels/blank_regions.hpp"

#include <algorithm>

#include "kernels/epilogue.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

// Bit i is set where x[i] is not zero.
std::uint64_t mark_row(std::int64_t columns, const float* x) {
  std::uint64_t marks = 0;
  for (std::int64_t i = 0; i < columns; i += simd::kLanes) {
    const int count = static_cast<int>(std::min<std::int64_t>(simd::kLanes, columns - i));
    marks |= std::uint64_t{simd::nonzero_bits(load_columns(x + i, count))} << i;
  }
  return marks;
}

}  // namespace

std::int64_t blank_regions_last(const RegionGrid& g, const float* x, std::int32_t* order) {
  std::uint64_t marks[RegionGrid::kMost];  // of the rows of a region, round and round
  std::int64_t marked = 0;
  std::int64_t slot = 0;
  std::int64_t first = 0;           // the next place for a region that is not blank
  std::int64_t last = g.regions();  // behind the next place for one that is
  std::int32_t region = 0;
  for (std::int64_t y = 0; y < g.down; ++y) {
    for (; marked < y * g.step_y + g.height; ++marked) {
      marks[slot] = mark_row(g.columns, x + marked * g.columns);
      slot = slot + 1 < g.height ? slot + 1 : 0;
    }
    std::uint64_t seen = 0;
    for (std::int64_t i = 0; i < g.height; ++i) seen |= marks[i];
    std::uint64_t starts = 0;  // bit i: of a region whose first column is i
    for (std::int64_t i = 0; i < g.width; ++i) starts |= seen >> i;
    for (std::int64_t i = 0; i < g.across; ++i, ++region, starts >>= g.step_x) {
      const auto is_seen = static_cast<std::int64_t>(starts & 1);
      order[first] = region;
      order[last - 1] = region;
      first += is_seen;
      last -= 1 - is_seen;
    }
  }
  return first;
}

}  // namespace convlet
