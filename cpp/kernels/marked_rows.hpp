// Products of rows of which many elements are zero: which of them are not is marked by bits, and
// the products of the others alone are made. The same bits as from all products, in the same order:
// one that is left out would have added zero. A NaN or an infinity in the other factor that met
// such a zero does not appear.
//
// The pixels of a digit and the activations behind a ReLU are such rows. Rows that share a tile
// rarely have their zeros in the same places, so each row is by itself, as wide as the registers
// allow: kMarkedPanels panels, whose weights are read from the first-level cache.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <type_traits>

#include "kernels/epilogue.hpp"
#include "kernels/micro_kernel.hpp"
#include "kernels/tile.hpp"
#include "simd/vec.hpp"

namespace convlet {

inline constexpr int kMarkedPanels = 4;
inline constexpr int kMarkedColumns = kMarkedPanels * kPanel;
static_assert(kMarkedPanels * kTileVectors + 2 <= simd::kRegisters);

// Elements that one word marks: so many that their weights take half of a first-level cache.
inline constexpr int kMarked = simd::kLanes == 16 ? 32 : 64;
using Marks = std::conditional_t<kMarked == 64, std::uint64_t, std::uint32_t>;

constexpr std::int64_t mark_words(std::int64_t elements) {
  return (elements + kMarked - 1) / kMarked;
}

// Whether the marked ones are few enough for their products to be made one by one: these cost up to
// twice as much as those of a full tile (measured with AVX2 on Zen 3: 1.6 times).
constexpr bool are_few(std::int64_t marked, std::int64_t elements) { return 2 * marked < elements; }

// Bit i is set where x[i] is not zero; NaN is not. count <= kMarked.
inline Marks mark(const float* x, int count) {
  Marks marks = 0;
  for (int i = 0; i < count; i += simd::kLanes) {
    const simd::Vec v = load_columns(x + i, std::min(simd::kLanes, count - i));
    marks |= Marks{simd::nonzero_bits(v)} << i;
  }
  return marks;
}

// sums[p][:] += sum over the marked i of value(i) * panel[p][i][:].
template <class Value>
[[gnu::always_inline]] inline void accumulate_marked(Sums<kMarkedPanels, kTileVectors>& sums,
                                                     Marks marks,
                                                     const float* const (&panel)[kMarkedPanels],
                                                     Value&& value) {
  for (; marks != 0; marks &= marks - 1) {
    const int i = std::countr_zero(marks);
    const simd::Vec v = simd::broadcast(value(i));
#pragma GCC unroll 4
    for (int p = 0; p < kMarkedPanels; ++p) {
#pragma GCC unroll 4
      for (int n = 0; n < kTileVectors; ++n) {
        const simd::Vec row = simd::load(panel[p] + i * kPanel + n * simd::kLanes);
        sums[p][n] = simd::fma(v, row, sums[p][n]);
      }
    }
  }
}

}  // namespace convlet
