// Which pixel of a 2x2 max pooling window wins, and whether a sum passes a ReLU, where that is so
// close that the rounding of Winograd's larger tiles could decide it otherwise than the direct
// sums: each time it does, a gradient takes another way through the network. One sum in ten
// thousand is as close as that; these are made directly.
#pragma once

#include <cstdint>

#include "kernels/epilogue.hpp"
#include "kernels/vectors.hpp"
#include "kernels/winograd.hpp"
#include "simd/math.hpp"
#include "simd/vec.hpp"

namespace convlet::winograd {

using simd::Vec;

class CloseCalls {
 public:
  // Of one call of winograd_product or winograd_product_max4. w: [3][3][ic][oc].
  CloseCalls(const WinogradProduct& g, const float* x, const float* w, bool relu)
      : g_(g), x_(x), w_(w), relu_(relu) {}

  // What is closer than this is settled: eight times the tiles' error, root mean square, of which
  // these sums are all, or about as large as all.
  template <int N>
  static Vec closeness(const Vec* sums) {
    constexpr float kError = 5e-7F;  // relative to the largest sum
    Vec largest[4] = {};             // of every fourth: a chain of them all would take longer
    int q = 0;
    for (; q + 4 <= N; q += 4) {
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) largest[j] = simd::max(largest[j], simd::abs(sums[q + j]));
    }
    for (; q < N; ++q) largest[0] = simd::max(largest[0], simd::abs(sums[q]));
    return 8 * kError *
           simd::max(simd::max(largest[0], largest[1]), simd::max(largest[2], largest[3]));
  }

  // best: the maximum of a window's four sums, in rows of `across`, without the bias.
  [[gnu::always_inline]] bool is_close(const Vec* sums, int across, Vec best, Vec bias,
                                       Vec close) const {
    const Vec* next = sums + across;
    const Vec losers = simd::max(simd::min(sums[1], sums[0]), simd::min(next[1], next[0]));
    const Vec winners = simd::min(simd::max(next[1], next[0]), simd::max(sums[1], sums[0]));
    Vec margin = best - simd::max(losers, winners);
    if (relu_) margin = simd::min(margin, simd::abs(best + bias));
    return simd::has_less(margin, close);
  }

  // Puts what the direct sums would decide in the place of a window's four sums. Pixels that see
  // the same, as on blank ground, become equal; others that are close to the best one are summed.
  // Of `count` columns from `column` on; the window's patch starts at x.
  [[gnu::noinline]] void settle_window(Vec* sums, int across, Vec bias, Vec close, const float* x,
                                       std::int64_t column, int count) {
    const Twins& twins = twins_of(x);
    Vec four[4];
    for (int j = 0; j < 4; ++j) four[j] = sums[twins.of[j] / 2 * across + twins.of[j] % 2];
    const Vec best = simd::max(simd::max(four[0], four[1]), simd::max(four[2], four[3]));
    simd::IntVec candidates{};  // less their number
    for (int j = 0; j < 4; ++j) {
      if (twins.of[j] == j) candidates += best - four[j] < close;
    }
    simd::IntVec near = candidates < -1;
    if (relu_) near |= is_near_zero(best + bias, close);
    if (simd::bits_of(near) != 0) put_direct_sums(four, near, x, column, count);
    for (int j = 0; j < 4; ++j) sums[j / 2 * across + j % 2] = four[j];
  }

  // The same of the sum of one pixel in front of a ReLU.
  [[gnu::always_inline]] void settle_pixel(Vec& sum, Vec bias, Vec close, const float* x,
                                           std::int64_t column, int count) const {
    const simd::IntVec near = is_near_zero(sum + bias, close);
    if (simd::bits_of(near) == 0) [[likely]]
      return;
    Vec one[1] = {sum};
    put_direct_sums(one, near, x, column, count);
    sum = one[0];
  }

 private:
  // Of each pixel of a window the first one that sees the same.
  struct Twins {
    const float* x = nullptr;  // of the window's patch
    std::int8_t of[4];
  };

  // Zero itself is exact: the sum of a blank patch.
  static simd::IntVec is_near_zero(Vec v, Vec close) {
    return (simd::abs(v) < close) & (v != simd::zero());
  }

  // Where in a window's patch what pixel j sees begins.
  std::int64_t pixel(int j) const { return j / 2 * g_.x_row + j % 2 * g_.ic; }

  // Remembered: the same windows come again for other columns.
  const Twins& twins_of(const float* x) {
    Twins& twins = known_[(x - x_) / g_.ic % kKnown];
    if (twins.x == x) return twins;
    twins.x = x;
    for (int j = 0; j < 4; ++j) {
      std::int8_t i = 0;
      while (i < j && !see_the_same(x + pixel(i), x + pixel(j))) ++i;
      twins.of[j] = i;
    }
    return twins;
  }

  // Bit by bit.
  bool see_the_same(const float* a, const float* b) const {
    const auto bits = [](const float* from, int count) {
      return reinterpret_cast<simd::IntVec>(load_columns(from, count));
    };
    for (int row = 0; row < 3; ++row, a += g_.x_row, b += g_.x_row) {
      simd::IntVec differing{};
      for_vectors(3 * g_.ic, [&](std::int64_t at, int count) {
        differing |= bits(a + at, count) ^ bits(b + at, count);
      });
      if (simd::bits_of(differing != 0) != 0) return false;
    }
    return true;
  }

  // The sums of N pixels of a patch, where they are `near`, in patch_product's order.
  template <int N>
  [[gnu::noinline]] void put_direct_sums(Vec (&sums)[N], simd::IntVec near, const float* x,
                                         std::int64_t column, int count) const {
    Vec direct[N] = {};
    const float* w = w_ + column;
    for (int tap = 0; tap < 9; ++tap) {
      const float* from = x + tap / 3 * g_.x_row + tap % 3 * g_.ic;
      for (std::int64_t c = 0; c < g_.ic; ++c, w += g_.oc) {
        const Vec weights = load_columns(w, count);
        for (int j = 0; j < N; ++j)
          direct[j] = simd::fma(simd::broadcast(from[pixel(j) + c]), weights, direct[j]);
      }
    }
    for (int j = 0; j < N; ++j) sums[j] = near ? direct[j] : sums[j];
  }

  const WinogradProduct& g_;
  const float* x_;
  const float* w_;
  bool relu_;
  static constexpr std::int64_t kKnown = 256;
  Twins known_[kKnown] = {};
};

}  // namespace convlet::winograd
