// Winograd's F(2x2, 3x3) and F(3x3, 3x3) (Lavin and Gray, 2015, arXiv 1509.09308): a tile of 2x2 or
// 3x3 outputs of a 3x3 convolution with stride 1 from a patch of 4x4 or 5x5 inputs with 16 or 25
// products per channel instead of 36 or 81,
//   Y = At [ (G g Gt) * (Bt d B) ] A.
// The 2x2 outputs may be the window of the max pooling behind the convolution. Single-threaded,
// allocation-free.
//
// Rounding: |error| <= (ic + 18) eps |At| [ (|G| |g| |Gt|) * (|Bt| |d| |B|) ] |A| summed over the
// channels; with 3x3 outputs 24 in place of 18. An infinity in x or w comes out as NaN.
#pragma once

#include <cstdint>
#include <span>

namespace convlet {

// One square of outputs.
struct WinogradTile {
  std::int32_t x;  // where in an image of x its patch starts
  std::int32_t y;  // where in an image of y its results start
  // Rows and columns of it that exist: fewer at the end of an image. Values of x that only the
  // others see have no influence on these.
  std::int8_t rows;
  std::int8_t columns;
};

struct WinogradProduct {
  int side;                             // of a tile: 2 or 3
  std::span<const WinogradTile> tiles;  // of one image
  std::int64_t x_row;                   // floats from one row of an image of x to the next
  std::int64_t y_row;                   // the same for y; unused with pooling
  std::int64_t x_image;                 // and from one image to the next
  std::int64_t y_image;
  std::int64_t ic;
  std::int64_t oc;
};

std::int64_t winograd_packed_size(int side, std::int64_t ic, std::int64_t oc);
std::int64_t winograd_scratch_size(int side, std::int64_t ic, std::int64_t oc);

// Transforms the weights w [3][3][ic][oc] of input channels [begin, end).
void winograd_pack(int side, std::int64_t begin, std::int64_t end, std::int64_t ic, std::int64_t oc,
                   const float* w, float* packed);
// The same for the gradient with respect to the data, the product of dz (oc channels) with the
// weights turned round and transposed: columns [begin, end) of its ic.
void winograd_pack_transposed(int side, std::int64_t begin, std::int64_t end, std::int64_t ic,
                              std::int64_t oc, const float* w, float* packed);

// The same for winograd_add_data_gradient, which does not turn the weights round.
void winograd_pack_adjoint(int side, std::int64_t begin, std::int64_t end, std::int64_t ic,
                           std::int64_t oc, const float* w, float* packed);

// y = relu(x * w + bias), as patch_product (patch_product.hpp).
void winograd_product(const WinogradProduct& g, std::int64_t images, const float* x,
                      const float* packed, const float* bias, bool relu, float* scratch, float* y);

// y = relu(max of the tile's 2x2 outputs + bias) and argmax, as patch_product_max4. side: 2.
void winograd_product_max4(const WinogradProduct& g, std::int64_t images, const float* x,
                           const float* packed, const float* bias, bool relu, float* scratch,
                           float* y, std::uint8_t* argmax);

// dx += the gradient of winograd_product with respect to x, tile by tile as that has them:
//   dD = B [ (G g Gt) * (A dY At) summed over the output channels ] Bt.
// One product for each of the forward one's, fewer than winograd_product of the turned weights has
// where an image is not padded and small: 5x5 inputs are one tile of 3x3 gradients, but four of
// their own. dz: images of y's shape, dx: of x's, which the tiles must not exceed. packed and
// scratch: of winograd_packed_size(side, oc, ic) and the like.
//
// Rounding: |error| <= (oc + 18, or 24, + tiles that overlap) eps |B| [ (|G| |g| |Gt|) * (|A| |dY|
// |At|) ] |Bt| summed over the channels and the tiles.
void winograd_add_data_gradient(const WinogradProduct& g, std::int64_t images, const float* dz,
                                const float* packed, float* scratch, float* dx);

}  // namespace convlet
