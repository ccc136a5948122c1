#include "kernels/broadcast.hpp"

#include <algorithm>

#include "kernels/vectors.hpp"

namespace convlet {

void broadcast(const Broadcast& g, std::int64_t rows, const float* x, float* y) {
  for (std::int64_t row = 0; row < rows; ++row, x += g.x_size) {
    for (const std::int32_t source : g.source) {
      if (g.spread) {
        std::fill_n(y, g.run, x[source]);
      } else {
        std::copy_n(x + source, g.run, y);
      }
      y += g.run;
    }
  }
}

void broadcast_backward(const Broadcast& g, std::int64_t rows, const float* dy, float* dx) {
  for (std::int64_t row = 0; row < rows; ++row, dx += g.x_size) {
    std::fill_n(dx, g.x_size, 0.0F);
    for (const std::int32_t source : g.source) {
      float* to = dx + source;
      if (g.spread) {
        *to += sum_over_vectors(
            g.run, [dy](std::int64_t at, int count) { return load_first(dy + at, count); });
      } else {
        for (std::int64_t i = 0; i < g.run; ++i) to[i] += dy[i];
      }
      dy += g.run;
    }
  }
}

}  // namespace convlet
