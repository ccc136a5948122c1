// Winograd's F(2x2, 3x3) (Lavin and Gray, 2015, arXiv 1509.09308): the 2x2 outputs of a 3x3
// convolution with stride 1 from a 4x4 input patch with 16 products per channel instead of 36,
//   Y = At [ (G g Gt) * (Bt d B) ] A.
// The 2x2 outputs may be the window of the max pooling behind the convolution. Single-threaded,
// allocation-free.
//
// Rounding: |error| <= (ic + 18) eps |At| [ (|G| |g| |Gt|) * (|Bt| |d| |B|) ] |A| summed over the
// channels, about three times the bound of the direct sum. An infinity in x or w comes out as NaN.
#pragma once

#include <cstdint>
#include <span>

namespace convlet {

// One 2x2 block of outputs.
struct WinogradTile {
  std::int32_t x;  // where in an image of x its 4x4 patch starts
  std::int32_t y;  // where in an image of y its results start
  // Rows and columns of the block that exist: 1 at the end of an odd image. Values of x that only
  // the others see have no influence on these.
  std::int8_t rows;
  std::int8_t columns;
};

struct WinogradProduct {
  std::span<const WinogradTile> tiles;  // of one image
  std::int64_t x_row;                   // floats from one row of an image of x to the next
  std::int64_t y_row;                   // the same for y; unused with pooling
  std::int64_t x_image;                 // and from one image to the next
  std::int64_t y_image;
  std::int64_t ic;
  std::int64_t oc;
};

std::int64_t winograd_packed_size(std::int64_t ic, std::int64_t oc);
std::int64_t winograd_scratch_size(std::int64_t ic, std::int64_t oc);

// Transforms the weights w [3][3][ic][oc] of input channels [begin, end).
void winograd_pack(std::int64_t begin, std::int64_t end, std::int64_t ic, std::int64_t oc,
                   const float* w, float* packed);
// The same for the gradient with respect to the data, the product of dz (oc channels) with the
// weights turned round and transposed: columns [begin, end) of its ic.
void winograd_pack_transposed(std::int64_t begin, std::int64_t end, std::int64_t ic,
                              std::int64_t oc, const float* w, float* packed);

// y = relu(x * w + bias), as patch_product (patch_product.hpp).
void winograd_product(const WinogradProduct& g, std::int64_t images, const float* x,
                      const float* packed, const float* bias, bool relu, float* scratch, float* y);

// y = relu(max of the tile's 2x2 outputs + bias) and argmax, as patch_product_max4.
void winograd_product_max4(const WinogradProduct& g, std::int64_t images, const float* x,
                           const float* packed, const float* bias, bool relu, float* scratch,
                           float* y, std::uint8_t* argmax);

}  // namespace convlet
