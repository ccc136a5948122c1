// The innermost loop of every forward product. An item is a float or a pair of bfloat16 numbers,
// whose two products are one.
#pragma once

#include <cstdint>

#include "simd/vec.hpp"

namespace convlet {

// A tile of results in registers: MR rows of NR vectors.
template <int MR, int NR>
using Sums = simd::Vec[MR][NR];

// Where the patches of Pixels neighbouring pixels start, relative to the first: the same for every
// group of them.
template <int Pixels>
using Offsets = std::int64_t[Pixels];

// sums[m][:] += sum over k in [begin, end) of patch(m)[k] * w[k - begin][:], where patch(q * Pixels
// + j) = x[q] + offset[j]: per k NR loads of weights, MR broadcasts and MR * NR multiply-adds. w:
// NR vectors a row. Returns the row behind the last one. MR / Pixels pointers and Pixels offsets
// stay in registers where MR pointers would not.
template <int MR, int NR, int Pixels, class Item>
[[gnu::always_inline]] inline const Item* accumulate(Sums<MR, NR>& sums,
                                                     const Item* const (&x)[MR / Pixels],
                                                     const Offsets<Pixels>& offset,
                                                     std::int64_t begin, std::int64_t end,
                                                     const Item* w) {
  using Items = decltype(simd::load(w));
  for (std::int64_t k = begin; k < end; ++k) {
    Items weights[NR];
#pragma GCC unroll 4
    for (int n = 0; n < NR; ++n) weights[n] = simd::load(w + n * simd::kLanes);
#pragma GCC unroll 16
    for (int m = 0; m < MR; ++m) {
      const Items value = simd::broadcast(x[m / Pixels][offset[m % Pixels] + k]);
#pragma GCC unroll 4
      for (int n = 0; n < NR; ++n) sums[m][n] = simd::fma(value, weights[n], sums[m][n]);
    }
    w += NR * simd::kLanes;
  }
  return w;
}

}  // namespace convlet
