// Mirror images. Single-threaded, allocation-free.
#pragma once

#include <cstdint>

namespace convlet {

// y = the image x [h][w][c], left and right exchanged with `horizontal`, top and bottom with
// `vertical`. y must not be x.
void flip(std::int64_t h, std::int64_t w, std::int64_t c, bool horizontal, bool vertical,
          const float* x, float* y);

}  // namespace convlet
