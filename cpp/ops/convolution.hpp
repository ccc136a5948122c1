// What Conv2D and its fused forms share: geometry, parameters, packing, the padded input and the
// gradients.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/patch_product.hpp"
#include "kernels/patches.hpp"
#include "kernels/sparse_gradient.hpp"
#include "kernels/winograd.hpp"
#include "ops/op.hpp"
#include "ops/pair_products.hpp"
#include "ops/window2d.hpp"

namespace convlet {

// Sizes and parameters of a convolution. The kernel is [kh][kw][ic][oc] (HWIO), the bias [oc]
// behind it.
struct Convolution {
  Window2D window;
  std::int64_t oc;
  bool bias;
  bool relu;
  bool pairs;     // products are of pairs of bfloat16
  bool winograd;  // allowed

  Convolution(const Attributes& attributes, const Shape& input);

  std::vector<ParameterSpec> parameters() const;
  std::int64_t taps() const { return window.kh * window.kw; }
  std::int64_t depth() const { return taps() * window.ic; }
  // Items of a product that so many channels are, and the window over an image of them.
  std::int64_t items(std::int64_t channels) const { return pairs ? pairs_of(channels) : channels; }
  Window2D item_window() const;
  std::int64_t kernel_size() const { return depth() * oc; }
  // Behind the kernel, on the next cache line.
  std::int64_t bias_offset() const { return parameter_stride(kernel_size()); }
  const float* bias_of(const float* parameters) const;
  float* bias_gradient_of(float* gradient) const { return gradient + bias_offset(); }

  // Units of the parameters are input channels; the bias goes with the last one.
  std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end) const;
  void pack_forward(std::int64_t begin, std::int64_t end, const float* parameters,
                    float* packed) const;
};

// Offsets of the patches of chosen output pixels in the padded input image.
class PatchTable {
 public:
  // Pixels in row-major order, or 2x2 window by 2x2 window (a last odd row or column is left out).
  enum class Order { kRows, kWindows };
  PatchTable(const Window2D& window, Order order);

  Patches patches() const { return {pixel_, run_, run_length_}; }

 private:
  std::vector<std::int32_t> pixel_;
  std::vector<std::int32_t> run_;
  std::int32_t run_length_;
};

// About what a product by Winograd costs, relative to the direct one.
inline constexpr double kWinogradCost = 0.6;
// Whether Winograd's F(2x2, 3x3) beats the direct product for outputs of oh x ow.
bool winograd_pays(const Convolution& convolution, std::int64_t oh, std::int64_t ow);

// Winograd's tiles over oh x ow outputs from a padded image of pw columns of ic floats. Results of
// a tile start y_row floats after those of the tile above and y_tile after those of the one before.
std::vector<WinogradTile> winograd_tiles(std::int64_t oh, std::int64_t ow, std::int64_t pw,
                                         std::int64_t ic, std::int64_t y_row, std::int64_t y_tile);

// Images to work on at once so that together they fill the kernels' tiles.
std::int64_t images_together(std::int64_t pixels);

// dx = the convolution's input gradient from a dense dz. A gradient with strides falls into sh * sw
// phases: input pixels whose distance to the window grid is the same see the same taps; each phase
// is a stride-1 convolution of the padded dz with those taps, turned round and transposed.
class DataGradient {
 public:
  explicit DataGradient(const Convolution& convolution);

  std::int64_t packed_size() const { return packed_size_; }
  std::int64_t scratch_size() const;
  // About the work of this gradient, relative to the direct product.
  double relative_cost() const { return tiles_.empty() ? 1.0 : kWinogradCost; }
  void pack(std::int64_t begin, std::int64_t end, const float* parameters, float* packed) const;
  void operator()(std::int64_t images, const float* packed, const float* dz, float* scratch,
                  float* dx) const;

 private:
  struct Phase {
    std::vector<std::int32_t> pixel;  // patches in the padded dz
    std::vector<std::int32_t> out;    // pixels of dx
    std::vector<std::int32_t> run;
    std::int32_t run_length;
    std::vector<std::int64_t> tap;  // the taps in the order of the packed rows
    std::int64_t packed_at;
  };
  void add_phase(std::int64_t fy, std::int64_t fx);
  void multiply(std::int64_t images, const float* packed, float* scratch, float* dx) const;
  template <class Item>
  void multiply_phases(std::int64_t images, const Item* packed, const Item* dz, float* dx) const;

  Convolution convolution_;
  Pad2D dz_pad_;
  std::vector<Phase> phases_;
  std::vector<WinogradTile> tiles_;  // in place of the one phase of a 3x3 convolution
  bool covers_all_;                  // every input pixel belongs to a phase that has taps
  std::int64_t packed_size_ = 0;
  std::int64_t images_together_;
};

}  // namespace convlet
