// One row of the user's data as floats. Single-threaded, allocation-free.
#pragma once

#include <cstdint>

namespace convlet {

// y = scale * x + offset over `size` values.
void convert(std::int64_t size, const float* x, float scale, float offset, float* y);
void convert(std::int64_t size, const std::uint8_t* x, float scale, float offset, float* y);

}  // namespace convlet
