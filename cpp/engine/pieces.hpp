// Ranges in pieces.
#pragma once

#include <algorithm>
#include <cstdint>

namespace convlet {

// The size of the largest of the fewest nearly equal pieces of `count` of at most `most`.
constexpr std::int64_t piece_of(std::int64_t count, std::int64_t most) {
  if (count <= most) return count;
  const std::int64_t pieces = (count + most - 1) / most;
  return (count + pieces - 1) / pieces;
}

// f(first, count) for pieces of [begin, end) of at most `most`.
template <class F>
void for_pieces(std::int64_t begin, std::int64_t end, std::int64_t most, F&& f) {
  for (std::int64_t first = begin; first < end; first += most)
    f(first, std::min(most, end - first));
}

}  // namespace convlet
