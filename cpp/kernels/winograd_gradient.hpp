// The gradient of a 3x3 convolution with respect to its weights by Winograd's F(3x3, 3x3) or
// F(4x4, 3x3): with
//   Y = At [ (G g Gt) * (Bt d B) ] A  for each tile (winograd.hpp),
//   dg = Gt [ sum over tiles of (A dY At) * (Bt d B) ] G,
// 25 products a tile in place of 81, or 36 in place of 144. Single-threaded, allocation-free.
//
// Rounding: |error| <= (tiles + r) eps |Gt| [ (|A| |dY| |At|) * (|Bt| |d| |B|) summed over the
// tiles ] |G|, r = 24 with 3x3 outputs, 40 with 4x4.
#pragma once

#include <cstdint>

#include "kernels/winograd.hpp"

namespace convlet {

// Floats of the sums over tiles, [products][ic][oc].
std::int64_t winograd_sums_size(int side, std::int64_t ic, std::int64_t oc);
std::int64_t winograd_gradient_scratch_size(int side, std::int64_t ic, std::int64_t oc);

// sums += the tiles' products; dz: images of y's shape, readable one vector past their end.
void winograd_add_products(const WinogradProduct& g, std::int64_t images, const float* x,
                           const float* dz, float* scratch, float* sums);

// dw [3][3][ic][oc] += what the sums amount to; they are zero afterwards.
void winograd_finish_gradient(int side, std::int64_t ic, std::int64_t oc, float* sums, float* dw);

}  // namespace convlet
