// Which regions of an image are blank, so that what a convolution sees there are zeros: half of the
// windows on a digit of MNIST. Single-threaded, allocation-free.
#pragma once

#include <cstdint>

namespace convlet {

// The regions that the rows of a convolution's output see, in an image of one channel.
struct RegionGrid {
  static constexpr std::int64_t kMost = 64;

  std::int64_t columns;         // of the image, with its padding; at most kMost
  std::int64_t down, across;    // regions
  std::int64_t step_y, step_x;  // from one region to the next; step_x less than kMost
  std::int64_t height, width;   // of a region, at most kMost

  std::int64_t regions() const { return down * across; }
};

// order: the numbers, row by row, of the regions of x in which something is not zero, in ascending
// order, and behind these the others. Returns how many the former are. NaN is not zero.
std::int64_t blank_regions_last(const RegionGrid& g, const float* x, std::int32_t* order);

}  // namespace convlet
