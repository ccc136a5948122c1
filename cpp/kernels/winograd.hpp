// Winograd's F(2x2, 3x3) (Lavin and Gray, 2015, arXiv 1509.09308): the 2x2 outputs of a 3x3
// convolution with stride 1 from a 4x4 input patch with 16 products per channel instead of 36,
//   Y = At [ (G g Gt) * (Bt d B) ] A.
// Here the 2x2 outputs are the window of the max pooling behind the convolution. Single-threaded,
// allocation-free.
//
// Rounding: |error| <= (ic + 18) eps |At| [ (|G| |g| |Gt|) * (|Bt| |d| |B|) ] |A| summed over the
// channels, about three times the bound of the direct sum. An infinity in x or w comes out as NaN.
#pragma once

#include <cstdint>
#include <span>

namespace convlet {

struct WinogradProduct {
  std::span<const std::int32_t> tile;  // where in an image of x each 4x4 patch starts
  std::span<const std::int32_t> out;   // where in an image of y each tile's row starts
  std::int64_t row;                    // floats from one row of an image of x to the next
  std::int64_t x_image;                // and from one image to the next
  std::int64_t y_image;
  std::int64_t ic;
  std::int64_t oc;
};

std::int64_t winograd_packed_size(std::int64_t ic, std::int64_t oc);
std::int64_t winograd_scratch_size(std::int64_t ic);

// Transforms the weights w [3][3][ic][oc] of input channels [begin, end).
void winograd_pack(std::int64_t begin, std::int64_t end, std::int64_t ic, std::int64_t oc,
                   const float* w, float* packed);

// y = relu(max of the tile's 2x2 outputs + bias) and argmax, as patch_product_max4
// (patch_product.hpp).
void winograd_product_max4(const WinogradProduct& g, std::int64_t images, const float* x,
                           const float* packed, const float* bias, bool relu, float* scratch,
                           float* y, std::uint8_t* argmax);

}  // namespace convlet
