// patch_product_max4 (patch_product.hpp) for images of one channel and few filters, which would
// leave more than half of a vector's lanes empty: each sum is a vector of two neighbouring pixels'
// results. Their patches are one float apart, so that one load brings both pixels' values of a tap.
// Single-threaded, allocation-free.
#pragma once

#include <cstdint>

#include "kernels/patch_product.hpp"
#include "simd/vec.hpp"

namespace convlet {

// Whether so many filters fit.
constexpr bool fits_twins(std::int64_t n) { return 2 * n <= simd::kLanes; }

// Floats of the packed weights.
constexpr std::int64_t packed_twins_size(std::int64_t depth) { return depth * simd::kLanes; }

// packed[k * kLanes + 2 * i] = packed[k * kLanes + 2 * i + 1] = w[k][i], w: [depth][n]. The other
// lanes stay as they are.
void pack_twins(std::int64_t depth, std::int64_t n, const float* w, float* packed);

// The right pixels of a window are one float behind the left ones.
void twin_product_max4(const PatchProduct& g, std::int64_t images, const float* x,
                       const float* packed_w, const float* bias, bool relu, float* y,
                       std::uint8_t* argmax);

}  // namespace convlet
