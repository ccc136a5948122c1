// Winograd's F(2x2, 3x3), F(3x3, 3x3), F(4x4, 3x3) and F(5x5, 3x3) (Lavin and Gray, 2015, arXiv
// 1509.09308): a tile of m x n outputs of a 3x3 convolution with stride 1 from a patch of (m + 2) x
// (n + 2) inputs, with as many products per channel instead of 9 m n,
//   Y = At [ (G g Gt) * (Bt d B) ] A.
// The outputs may be pooled, in the windows of the max pooling behind the convolution.
// Single-threaded, allocation-free.
//
// Rounding: |error| <= (ic + r) eps |At| [ (|G| |g| |Gt|) * (|Bt| |d| |B|) ] |A| summed over the
// channels, where r = 18 for 2x2 outputs, 24 for 3x3 and 40 for more. Outputs that see only zeros
// are exact. An infinity in x or w comes out as NaN; a NaN, or an infinity in x, does so in all
// outputs of the tile.
#pragma once

#include <cstdint>
#include <span>

namespace convlet {

// One rectangle of outputs.
struct WinogradTile {
  std::int32_t x;  // where in an image of x its patch starts
  std::int32_t y;  // where in an image of y its results start
  // Rows and columns of it that exist: fewer at the end of an image. Values of x that only the
  // others see have no influence on these.
  std::int8_t rows;
  std::int8_t columns;
  std::int8_t quarter = 0;  // of four that winograd_product_max4 pools together
};

struct WinogradProduct {
  int side;                             // of a tile: 3, 4; with pooling 2, 4, 5
  std::span<const WinogradTile> tiles;  // of one image
  std::int64_t x_row;                   // floats from one row of an image of x to the next
  std::int64_t y_row;                   // the same for y
  std::int64_t x_image;                 // and from one image to the next
  std::int64_t y_image;
  std::int64_t ic;
  std::int64_t oc;
};

// How many tiles winograd_product_max4 pools together: those of an odd side share windows.
constexpr int pooled_together(int side) { return side % 2 == 0 ? 1 : 4; }

std::int64_t winograd_packed_size(int side, std::int64_t ic, std::int64_t oc);
std::int64_t winograd_scratch_size(int side, std::int64_t ic, std::int64_t oc);

// Transforms the weights w [3][3][ic][oc] of input channels [begin, end).
void winograd_pack(int side, std::int64_t begin, std::int64_t end, std::int64_t ic, std::int64_t oc,
                   const float* w, float* packed);
// The same for the gradient with respect to the data, columns [begin, end) of its ic. turned: that
// is winograd_product of dz (oc channels) with the weights turned round and transposed, else
// winograd_add_data_gradient.
void winograd_pack_transposed(int side, bool turned, std::int64_t begin, std::int64_t end,
                              std::int64_t ic, std::int64_t oc, const float* w, float* packed);

// y = relu(x * w + bias), as patch_product (patch_product.hpp). w: the weights as they are packed;
// with them, what is close is decided by the direct sums (close_calls.hpp). nullptr: it need not
// be, as where no gradient follows.
void winograd_product(const WinogradProduct& g, std::int64_t images, const float* x, const float* w,
                      const float* packed, const float* bias, bool relu, float* scratch, float* y);

// y = relu(max of the 2x2 windows of outputs + bias) and argmax, as patch_product_max4. Tiles of
// 5x5 are whole and come in fours, 2x2 of them with windows in common.
void winograd_product_max4(const WinogradProduct& g, std::int64_t images, const float* x,
                           const float* w, const float* packed, const float* bias, bool relu,
                           float* scratch, float* y, std::uint8_t* argmax);

// dx += the gradient of winograd_product with respect to x, tile by tile as that has them:
//   dD = B [ (G g Gt) * (A dY At) summed over the output channels ] Bt.
// One product for each of the forward one's, fewer than winograd_product of the turned weights has
// where an image is not padded and small: 5x5 inputs are one tile of 3x3 gradients, but four of
// their own. dz: images of y's shape, dx: of x's, which the tiles must not exceed. packed and
// scratch: of winograd_packed_size(side, oc, ic) and the like.
//
// Rounding: |error| <= (oc + r + tiles that overlap) eps |B| [ (|G| |g| |Gt|) * (|A| |dY|
// |At|) ] |Bt| summed over the channels and the tiles.
void winograd_add_data_gradient(const WinogradProduct& g, std::int64_t images, const float* dz,
                                const float* packed, float* scratch, float* dx);

}  // namespace convlet
