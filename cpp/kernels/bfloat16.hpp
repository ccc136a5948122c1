// float32 numbers as bfloat16, the operands of mixed precision. Single-threaded, allocation-free.
#pragma once

#include <cstdint>

#include "simd/vec.hpp"

namespace convlet {

// y = x with each value rounded as simd::round_bfloat16 does; y may be x.
void round_bfloat16(std::int64_t size, const float* x, float* y);

// Pairs that hold `size` numbers.
constexpr std::int64_t pairs_of(std::int64_t size) { return (size + 1) / 2; }

// y[p][i] = (x[p][2 * i], x[p][2 * i + 1]), rounded; zero in place of what lies behind an odd
// number of channels. x: [pixels][channels], y: [pixels][pairs_of(channels)].
void pair_channels(std::int64_t pixels, std::int64_t channels, const float* x, simd::Pair* y);

// y[i] = (a[i], b[i]), rounded; b nullptr: zeros.
void pair_rows(std::int64_t size, const float* a, const float* b, simd::Pair* y);

}  // namespace convlet
