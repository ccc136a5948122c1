// Where the operands of a convolution lie: the one description that forward, data-gradient and
// weight-gradient kernels share, for any kernel size, stride and dilation; a Dense layer is the
// case of one pixel and one run.
#pragma once

#include <cstdint>
#include <span>

namespace convlet {

// Output pixel p of an image sees the patch
//   x[pixel[p] + run[r] + i],  0 <= r < runs, 0 <= i < run_length,
// in the order k = r * run_length + i of the rows of its weight matrix. All offsets count
// items (floats, or pairs of bfloat16 numbers) from the image's start.
struct Patches {
  std::span<const std::int32_t> pixel;
  std::span<const std::int32_t> run;
  std::int32_t run_length;

  std::int64_t pixels() const { return static_cast<std::int64_t>(pixel.size()); }
  std::int64_t depth() const { return static_cast<std::int64_t>(run.size()) * run_length; }
};

// A matrix product as one of patches: each row is an image of one pixel, its patch one run.
inline constexpr std::int32_t kOnePixel[] = {0};
inline Patches row_patch(std::int64_t depth) {
  return {kOnePixel, kOnePixel, static_cast<std::int32_t>(depth)};
}

}  // namespace convlet
