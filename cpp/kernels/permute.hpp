// Other orders of axes. Single-threaded, allocation-free.
#pragma once

#include <array>
#include <cstdint>

namespace convlet {

inline constexpr std::size_t kPermutedAxes = 4;

// By axis of the output.
struct Permutation {
  std::array<std::int64_t, kPermutedAxes> size;
  std::array<std::int64_t, kPermutedAxes> stride;  // in the input; each axis of it is here once

  std::int64_t elements() const { return size[0] * size[1] * size[2] * size[3]; }
};

// y[i][j][k][l], its last axis fastest, = x[i stride[0] + j stride[1] + k stride[2] + l stride[3]].
void permute(const Permutation& p, std::int64_t rows, const float* x, float* y);

}  // namespace convlet
