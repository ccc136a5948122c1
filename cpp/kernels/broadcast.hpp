// Arrays that are repeated along some axes, as numpy broadcasts them, and back. Single-threaded,
// allocation-free.
#pragma once

#include <cstdint>
#include <span>

namespace convlet {

// How one row of x fills one row of y, which is cut into runs of equal length. A run is as many
// neighbouring numbers of x, from source[run] on, or, where `spread`, x[source[run]] alone.
struct Broadcast {
  std::span<const std::int32_t> source;
  std::int64_t run;
  bool spread;
  std::int64_t x_size;  // of one row

  std::int64_t y_size() const { return static_cast<std::int64_t>(source.size()) * run; }
};

// y[r][i] = the number of x[r] that comes to stand at i. Overwrites y.
void broadcast(const Broadcast& g, std::int64_t rows, const float* x, float* y);

// dx[r][j] = sum of dy[r][i] over all i where x[r][j] stands, in their order. Overwrites dx.
void broadcast_backward(const Broadcast& g, std::int64_t rows, const float* dy, float* dx);

}  // namespace convlet
