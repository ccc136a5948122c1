// Register tiles and weight panels: the two sizes on which every matrix product of the house
// agrees.
//
// A *tile* is the block of results one micro-kernel keeps in registers: kTileRows x kTileVectors
// vectors. A *panel* is the packed copy of kPanel = kTileVectors * kLanes neighbouring columns of a
// weight matrix [k][n]: for each k its kPanel values lie together, so that the micro-kernel reads
// weights as one stream. The last panel is one vector wide where that is enough; columns past n are
// zeros.
#pragma once

#include <cstdint>

#include "simd/vec.hpp"

namespace convlet {

inline constexpr int kTileVectors = 2;
inline constexpr int kPanel = kTileVectors * simd::kLanes;

// 32 registers: 12 x 2 sums; 16 registers: 6 x 2.
inline constexpr int kTileRows = simd::kRegisters >= 32 ? 12 : 6;

// Sums, the weights of one k, one broadcast input value and (without FMA) one product.
static_assert(kTileRows * kTileVectors + kTileVectors + 1 + (simd::kLanes == 4 ? 1 : 0) <=
              simd::kRegisters);

// Rows of a tile that is NR vectors wide. One vector by 6 rows would wait for its sums: a
// multiply-add takes four cycles, in which a core could make eight.
template <int NR>
inline constexpr int kRowsOfTile = NR == kTileVectors ? kTileRows : 12;
static_assert(kRowsOfTile<1> + 2 + (simd::kLanes == 4 ? 1 : 0) <= simd::kRegisters);

constexpr std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

// Floats of a packed matrix [k][n].
constexpr std::int64_t packed_size(std::int64_t k, std::int64_t n) {
  return k * round_up(n, simd::kLanes);
}

// Columns (a whole number of vectors) of the panel that starts at column n0.
constexpr int panel_width(std::int64_t n, std::int64_t n0) {
  return n - n0 > simd::kLanes ? kPanel : simd::kLanes;
}

// Where element (k, column) of a packed matrix [depth][n] lies.
constexpr std::int64_t packed_index(std::int64_t depth, std::int64_t n, std::int64_t k,
                                    std::int64_t column) {
  const std::int64_t n0 = column / kPanel * kPanel;
  return n0 * depth + k * panel_width(n, n0) + (column - n0);
}

}  // namespace convlet
