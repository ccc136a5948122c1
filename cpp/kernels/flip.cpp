#include "kernels/flip.hpp"

#include <algorithm>

namespace convlet {

void flip(std::int64_t h, std::int64_t w, std::int64_t c, bool horizontal, bool vertical,
          const float* x, float* y) {
  for (std::int64_t i = 0; i < h; ++i, y += w * c) {
    const float* row = x + (vertical ? h - 1 - i : i) * w * c;
    if (!horizontal) {
      std::copy_n(row, w * c, y);
    } else if (c == 1) {
      std::reverse_copy(row, row + w, y);
    } else {
      for (std::int64_t j = 0; j < w; ++j) std::copy_n(row + (w - 1 - j) * c, c, y + j * c);
    }
  }
}

}  // namespace convlet
