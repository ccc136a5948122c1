// The transform of an input patch, Bt d B, which Winograd's forward product and its gradient with
// respect to the weights share (winograd.hpp).
#pragma once

#include <cstdint>

#include "simd/vec.hpp"

namespace convlet {

inline constexpr int kProducts = 16;  // of a transformed patch with transformed weights

// Bt d: one column of a patch. The same function over rows gives Bt d B.
[[gnu::always_inline]] inline void transform_patch(const simd::Vec (&d)[4], simd::Vec (&t)[4]) {
  t[0] = d[0] - d[2];
  t[1] = d[1] + d[2];
  t[2] = d[2] - d[1];
  t[3] = d[1] - d[3];
}

// v[p * stride] = product p's factor from one vector of channels of the patch at x.
template <class Load>
[[gnu::always_inline]] inline void patch_to_factors(const float* x, std::int64_t row,
                                                    std::int64_t pixel, float* v,
                                                    std::int64_t stride, Load&& load) {
  simd::Vec columns[4][4];  // [column][row]
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const simd::Vec d[4] = {load(x + j * pixel), load(x + row + j * pixel),
                            load(x + 2 * row + j * pixel), load(x + 3 * row + j * pixel)};
    transform_patch(d, columns[j]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const simd::Vec d[4] = {columns[0][i], columns[1][i], columns[2][i], columns[3][i]};
    simd::Vec t[4];
    transform_patch(d, t);
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) simd::store(v + (4 * i + j) * stride, t[j]);
  }
}

// The factors of one patch, all channels: v[p][tile][channel], product p at distance `stride`.
inline void transform_tile(std::int64_t ic, std::int64_t x_row, const float* x, float* v,
                           std::int64_t stride) {
  std::int64_t c = 0;
  for (; c + simd::kLanes <= ic; c += simd::kLanes) {
    patch_to_factors(x + c, x_row, ic, v + c, stride, [](const float* p) { return simd::load(p); });
  }
  const int rest = static_cast<int>(ic - c);
  if (rest == 0) return;
  patch_to_factors(x + c, x_row, ic, v + c, stride,
                   [rest](const float* p) { return simd::load_partial(p, rest); });
}

}  // namespace convlet
