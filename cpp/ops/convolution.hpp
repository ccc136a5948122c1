// What Conv2D, its fused forms and its relatives share: geometry, parameters, packing, the padded
// input and the gradients.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/patch_product.hpp"
#include "kernels/patches.hpp"
#include "kernels/sparse_gradient.hpp"
#include "kernels/tile.hpp"
#include "kernels/winograd.hpp"
#include "ops/gradient_phases.hpp"
#include "ops/op.hpp"
#include "ops/pair_products.hpp"
#include "ops/window2d.hpp"

namespace convlet {

// Sizes and parameters of a convolution. The kernel is [kh][kw][ic / groups][oc] (HWIO), the bias
// [oc] behind it. Each of the groups of output channels sees the group of input channels at its
// place; one group is the usual convolution.
struct Convolution {
  Window2D window;
  std::int64_t oc;
  std::int64_t groups;
  bool bias;
  bool relu;
  bool pairs;     // products are of pairs of bfloat16
  bool winograd;  // allowed

  Convolution(const Attributes& attributes, const Shape& input);
  Convolution(const Attributes& attributes, const Window2D& window, std::int64_t oc,
              std::int64_t groups);

  std::vector<ParameterSpec> parameters() const;
  std::int64_t taps() const { return window.kh * window.kw; }
  std::int64_t group_ic() const { return window.ic / groups; }
  std::int64_t group_oc() const { return oc / groups; }
  // Calls f(group, its first input channel, its first output channel).
  template <class F>
  void for_groups(F&& f) const {
    for (std::int64_t g = 0; g < groups; ++g) f(g, g * group_ic(), g * group_oc());
  }
  // Whether each channel is a group: a depthwise convolution.
  bool is_depthwise() const { return groups > 1 && groups == window.ic; }
  std::int64_t depth() const { return taps() * group_ic(); }
  // Items of a product that so many channels are, and the window over an image of them.
  std::int64_t items(std::int64_t channels) const { return pairs ? pairs_of(channels) : channels; }
  Window2D item_window() const;
  std::int64_t kernel_size() const { return depth() * oc; }
  // Behind the kernel, on the next cache line.
  std::int64_t bias_offset() const { return parameter_stride(kernel_size()); }
  const float* bias_of(const float* parameters) const;
  float* bias_gradient_of(float* gradient) const { return gradient + bias_offset(); }

  // Units of the parameters are input channels; the bias goes with the last one.
  std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end) const {
    return unit_spans(begin, end, oc);
  }
  // The same with a bias of another size.
  std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end, std::int64_t biases) const;
  // The forward product's weights, group by group.
  std::int64_t packed_size() const { return groups * group_packed_size(); }
  std::int64_t group_packed_size() const {
    return convlet::packed_size(taps() * items(group_ic()), group_oc());
  }
  void pack_forward(std::int64_t begin, std::int64_t end, const float* parameters,
                    float* packed) const;
};

// A convolution of as many groups as input channels, in depthwise_conv2d.cpp.
std::unique_ptr<Op> make_depthwise_conv2d(const Attributes& attributes, const Convolution& c);

// Offsets of the patches of chosen output pixels in the padded input image.
class PatchTable {
 public:
  // Pixels in row-major order, or 2x2 window by 2x2 window (a last odd row or column is left out).
  enum class Order { kRows, kWindows };
  // `by_tap`: each tap is a run of its own, also where those of a row could be one.
  PatchTable(const Window2D& window, Order order, std::int64_t groups, bool by_tap = false);

  Patches patches() const { return {pixel_, run_, run_length_}; }

 private:
  std::vector<std::int32_t> pixel_;
  std::vector<std::int32_t> run_;
  std::int32_t run_length_;
};

// The side of Winograd's tiles over outputs of oh x ow, whose 2x2 windows are pooled; 0: the
// direct product is faster.
int winograd_side(const Convolution& convolution, std::int64_t oh, std::int64_t ow, bool pool);
// About what the product costs with such tiles, relative to the direct one.
double relative_cost(int side, std::int64_t oh, std::int64_t ow);

// Winograd's tiles over oh x ow outputs from a padded image of pw columns of ic floats. Results of
// a tile start y_row floats after those of the tile above and y_tile after those of the one before.
std::vector<WinogradTile> winograd_tiles(int side, std::int64_t oh, std::int64_t ow,
                                         std::int64_t pw, std::int64_t ic, std::int64_t y_row,
                                         std::int64_t y_tile);
// The same where results are the 2x2 windows of a pooling, [oh / 2][ow / 2][oc]. As many as are
// pooled together go to one thread.
std::vector<WinogradTile> pooled_winograd_tiles(int side, std::int64_t oh, std::int64_t ow,
                                                std::int64_t pw, std::int64_t ic, std::int64_t oc);

// Images to work on at once so that together they fill the kernels' tiles.
std::int64_t images_together(std::int64_t pixels);

// dx = the convolution's input gradient from a dense dz: the products of the phases of
// gradient_phases.hpp, or Winograd's. `alone`: without a bias, a ReLU or parts, so that it may also
// be the adjoint of the forward product.
class DataGradient {
 public:
  explicit DataGradient(const Convolution& convolution, bool alone = false);

  std::int64_t packed_size() const { return packed_size_; }
  std::int64_t scratch_size() const;
  // About the work of this gradient, relative to the direct product.
  double relative_cost() const { return relative_cost_; }
  void pack(std::int64_t begin, std::int64_t end, const float* parameters, float* packed) const;
  void operator()(std::int64_t images, const float* packed, const float* dz, float* scratch,
                  float* dx) const {
    (*this)(images, packed, dz, nullptr, false, {}, scratch, dx);
  }
  // A part of dx = relu(the gradient + bias), as Conv2DTranspose has it. Every part pads all of dz
  // for itself.
  void operator()(std::int64_t images, const float* packed, const float* dz, const float* bias,
                  bool relu, Part part, float* scratch, float* dx) const;

 private:
  std::int64_t group_packed_size(const GradientPhase& phase) const;
  bool becomes_adjoint();
  void multiply(std::int64_t images, const float* packed, const float* bias, bool relu, Part part,
                float* scratch, float* dx) const;
  template <class Item>
  void multiply_phases(std::int64_t images, const Item* packed, const Item* dz, const float* bias,
                       bool relu, Part part, float* dx) const;

  Convolution convolution_;
  Pad2D dz_pad_;
  std::vector<GradientPhase> phases_;
  std::vector<std::int64_t> packed_at_;  // of each phase
  int side_;                             // of Winograd's tiles, or 0
  bool adjoint_ = false;                 // the tiles are the forward product's
  double relative_cost_;
  std::vector<WinogradTile> tiles_;  // in place of the one phase of a 3x3 convolution
  std::int64_t packed_size_ = 0;
  std::int64_t images_together_;
};

}  // namespace convlet
