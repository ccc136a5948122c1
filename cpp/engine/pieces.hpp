// Ranges in pieces.
#pragma once

#include <algorithm>
#include <cstdint>

namespace convlet {

// f(first, count) for pieces of [begin, end) of at most `most`.
template <class F>
void for_pieces(std::int64_t begin, std::int64_t end, std::int64_t most, F&& f) {
  for (std::int64_t first = begin; first < end; first += most)
    f(first, std::min(most, end - first));
}

}  // namespace convlet
