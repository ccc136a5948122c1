// Convolution gradients from the non-zeros of dz alone. Behind a ReLU and, above all, behind max
// pooling most of dz is exactly zero; both products become sums over the list of what is left
// (SparseTrain, Gong et al. 2019, arXiv 1911.10175, does this for ReLU). Exact: only products with
// a zero of dz are left out, so a NaN or an infinity in x or w that met such a zero does not
// appear. Single-threaded, allocation-free.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/patches.hpp"

namespace convlet {

// Lists of non-zeros of dz: for each its value and where its patch of x starts, in floats. List i
// is value[i * capacity .. + count[i]) and at[...] alike; capacity includes one vector of slack.
struct NonZeroLists {
  float* value;
  std::int32_t* at;
  std::int32_t* count;
  std::int64_t capacity;

  NonZeroLists from(std::int64_t first) const {
    return {value + first * capacity, at + first * capacity, count + first, capacity};
  }
};

// dz of (part of) one image, from dy [sources][n]: each source is a pixel (argmax == nullptr), or a
// 2x2 max pooling window of which only pixel 4*q + argmax[q][n] has a gradient. dy and argmax are
// readable one vector past their end.
struct SparseGradient {
  std::int64_t sources;
  std::int64_t n;
  const float* dy;
  const std::uint8_t* argmax;
  std::int64_t row;  // floats from one source to the next: n, or more in a group of channels

  std::int64_t pixels_per_source() const { return argmax != nullptr ? 4 : 1; }
  SparseGradient part(std::int64_t first, std::int64_t count) const {
    return {count, n, dy + first * row, argmax != nullptr ? argmax + first * row : nullptr, row};
  }
  SparseGradient channels(std::int64_t first, std::int64_t count) const {
    return {sources, count, dy + first, argmax != nullptr ? argmax + first : nullptr, row};
  }
};

// One list per channel, `at` = base + pixel[p], the start of the pixel's patch in x; appended to
// what the lists hold. Of the chosen sources alone.
void list_by_channel(const SparseGradient& dz, std::span<const std::int32_t> chosen,
                     const std::int32_t* pixel, std::int32_t base, const NonZeroLists& lists);

// Which of at most kMostMarked channels' dz is not zero, pixel by pixel: bit c.
constexpr std::int64_t kMostMarked = 64;
void mark_by_pixel(const SparseGradient& dz, std::uint64_t* marks);

// Non-zeros among `size` floats; NaN is one.
std::int64_t count_non_zeros(std::int64_t size, const float* dy);

// dw[n][k] += value * x[at + run[r] + i] over channel n's list: channel-major, run by run padded to
// whole vectors (sparse_row floats a channel). x is readable one vector past its end.
void sparse_weight_gradient(const Patches& patches, std::int64_t n, const NonZeroLists& by_channel,
                            const float* x, float* dw);

// dx[pixel + run[r] + i] += dz[pixel][c] * w[r][c][i] over the channels that are marked. dz: of the
// pixels of `patches`, and of at most kMostMarked of n channels. w: [runs][n][run_length rounded up
// to whole vectors].
void sparse_data_gradient(const Patches& patches, std::int64_t n, const SparseGradient& dz,
                          const std::uint64_t* marks, const float* w, float* dx);

// Floats of a run padded to whole vectors, and of all runs of a channel.
std::int64_t padded_run(const Patches& patches);
std::int64_t sparse_row(const Patches& patches);

}  // namespace convlet
