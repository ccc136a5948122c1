// Conv2D (+ bias, + ReLU, + 2x2 MaxPooling2D) as one step. With pooling, forward keeps a window's
// four sums in registers and computes no pixel that pooling drops, and backward visits only the
// pixel that won each window.
#include <algorithm>
#include <concepts>
#include <optional>

#include "kernels/activations.hpp"
#include "kernels/blank_regions.hpp"
#include "kernels/pooled_weight_gradient.hpp"
#include "kernels/tile.hpp"
#include "kernels/twin_product.hpp"
#include "kernels/weight_gradient.hpp"
#include "kernels/winograd.hpp"
#include "kernels/winograd_gradient.hpp"
#include "ops/convolution.hpp"
#include "ops/factories.hpp"
#include "ops/sparse_convolution.hpp"

namespace convlet {
namespace {

// What one non-zero of dz costs in each of the two sparse gradients, in units of what one element
// of dz costs in the dense gradient with respect to the weights. Measured on Sapphire Rapids, 3x3:
// sparse and dense break even at 95 % of non-zeros for 5x5x64 to 64 filters, 60 % for 18x18x64 to
// 64 and 48 % for 34x34x32 to 32, where the formula of sparse_below gave 94, 57 and 53.
constexpr double kNonZeroCost = 2.0;

// Share of dz that is hardly less behind a ReLU alone, where a third to a half is usual. Where the
// dense gradients cost no more than the sparse ones of so many, these are not there at all: their
// weights would be packed at every step.
constexpr double kFewNonZeros = 0.25;

constexpr std::int64_t kMostSums = std::int64_t{1} << 21;  // floats; see winograd_gradient

// Outputs that are computed: all, or those in whole 2x2 windows.
std::int64_t computed(std::int64_t size, bool pool) { return pool ? size / 2 * 2 : size; }

int winograd_side(const Convolution& c, bool pool) {
  return winograd_side(c, computed(c.window.oh, pool), computed(c.window.ow, pool), pool);
}

// The convolution with its input padded to whole tiles where Winograd needs that.
Convolution with_whole_tiles(Convolution c, bool pool) {
  const int side = winograd_side(c, pool);
  if (side == 0) return c;
  Window2D& w = c.window;
  w.ph = std::max(w.ph, round_up(computed(w.oh, pool), side) + w.kh - 1);
  w.pw = std::max(w.pw, round_up(computed(w.ow, pool), side) + w.kw - 1);
  elements({w.ph, w.pw, w.ic});
  return c;
}

// Whether two neighbouring pixels' results go into one vector.
bool uses_twins(const Convolution& c, bool pool) {
  return pool && c.window.ic == 1 && c.window.sw == 1 && fits_twins(c.oc) && !c.pairs &&
         winograd_side(c, pool) == 0;
}

// What the rows of the output, pixels or windows, see of an image that may well be blank in places:
// one of a single channel, as a drawing is.
std::optional<RegionGrid> regions_of(const Convolution& c, bool pool) {
  const Window2D& w = c.window;
  const std::int64_t pixels = pool ? 2 : 1;  // of a row of the output, down and across
  const RegionGrid grid{.columns = w.pw,
                        .down = w.oh / pixels,
                        .across = w.ow / pixels,
                        .step_y = pixels * w.sh,
                        .step_x = pixels * w.sw,
                        .height = extent(w.kh, w.dh) + (pixels - 1) * w.sh,
                        .width = extent(w.kw, w.dw) + (pixels - 1) * w.sw};
  const bool fits =
      std::max({grid.columns, grid.height, grid.width, grid.step_x + 1}) <= RegionGrid::kMost;
  if (w.ic != 1 || c.pairs || !fits) return {};
  return grid;
}

class Conv2D final : public Op {
 public:
  Conv2D(const Convolution& convolution, bool pool)
      : Op(output_of(convolution, pool), convolution.parameters()),
        c_(with_whole_tiles(convolution, pool)),
        pool_(pool),
        pad_(c_.window.pad()),
        sources_(elements(output_shape()) / c_.oc),
        table_(c_.window, order_of(pool), c_.groups),
        item_table_(c_.item_window(), order_of(pool), c_.groups),
        side_(winograd_side(c_, pool)),
        twins_(uses_twins(c_, pool)),
        few_taps_(has_pooled_weight_gradient(table_.patches())),
        regions_(regions_of(c_, pool)),
        forward_packed_(forward_packed_size()) {
    const Window2D& w = c_.window;
    images_together_ = w.padded() || c_.pairs ? images_together(w.oh * w.ow) : 1;
    if (side_ > 0 && pool) {
      tiles_ = pooled_winograd_tiles(side_, computed(w.oh, pool), computed(w.ow, pool), w.pw, w.ic,
                                     c_.oc);
    } else if (side_ > 0) {
      tiles_ = winograd_tiles(side_, w.oh, w.ow, w.pw, w.ic, side_ * w.ow * c_.oc, side_ * c_.oc);
    } else {
      for (std::int64_t i = 0; i < sources_; ++i) {
        out_.push_back(static_cast<std::int32_t>(i * c_.oc));
      }
    }
    if (!pool) dense_data_.emplace(c_, true);
    if (pool || (c_.relu && sparse_below().either() >= kFewNonZeros))
      sparse_.emplace(c_, table_.patches(), sources_);
  }

  Storage storage(bool training) const override {
    std::int64_t forward = images_together_ * padded_size();
    if (side_ > 0) forward += winograd_scratch_size(side_, c_.window.ic, c_.oc);
    if (c_.pairs) forward += images_together_ * item_image();
    forward += order_size();
    if (!training) return {.packed = forward_packed_, .scratch = forward};
    Storage storage{.packed = forward_packed_,
                    .saved_per_row = argmax_size() + padded_size() + order_size(),
                    .scratch = forward};
    if (c_.pairs) {
      storage.scratch = std::max(storage.scratch,
                                 paired_weight_gradient_scratch(dense_weights(), images_together_));
    }
    if (sparse_) {
      storage.packed += sparse_->packed_size();
      storage.scratch = std::max(storage.scratch, padded_size() + sparse_->scratch_size());
      if (!few_taps_) storage.workspace = sparse_->workspace_size();
    }
    if (winograd_gradient()) {
      const std::int64_t scratch = winograd_gradient_scratch_size(side_, c_.window.ic, c_.oc);
      storage.scratch = std::max(storage.scratch, scratch);
      storage.workspace += winograd_sums_size(side_, c_.window.ic, c_.oc);
    }
    if (dense_data_) {
      storage.packed += dense_data_->packed_size();
      storage.scratch = std::max(storage.scratch, dense_data_->scratch_size());
    }
    return storage;
  }

  void forward(const ForwardArgs& a) const override {
    if (a.saved == nullptr || !c_.window.padded()) return forward_part(a, {});
    float* padded = a.saved + a.rows * argmax_size();
    pad2d(pad_, a.rows, a.x, padded);
    product(a, {}, a.rows, padded, a.y);
  }

  // Every part pads all of x for itself.
  void forward_part(const ForwardArgs& a, Part part) const override {
    if (!c_.window.padded()) {
      product(a, part, a.rows, a.x, a.y);
    } else {
      for (std::int64_t row = 0; row < a.rows; row += images_together_) {
        const std::int64_t rows = std::min(images_together_, a.rows - row);
        pad2d(pad_, rows, a.x + row * pad_.size(), a.scratch);
        product(a, part, rows, a.scratch, a.y + row * y_size());
      }
    }
  }

  void backward(const BackwardArgs& a) const override {
    if (pool_ && few_taps_ && a.dx == nullptr) return pooled_gradients(a, c_.relu);
    if (c_.relu) activate_backward(Activation::kRelu, a.rows, y_size(), a.y, a.dy, a.dy);
    const Sparse sparse = sparse_gradients(a);
    if (a.gradient != nullptr) parameter_gradients(a, sparse.weights);
    if (a.dx == nullptr) return;
    if (!sparse.data) {
      (*dense_data_)(a.rows, a.packed + dense_packed_at(), a.dy, a.scratch, a.dx);
    } else {
      for (std::int64_t row = 0; row < a.rows; ++row) sparse_data(a, row);
    }
  }

  void finish_gradient(float* workspace, float* gradient) const override {
    if (sparse_ && !few_taps_) sparse_->finish(workspace, gradient);
    if (winograd_gradient()) {
      winograd_finish_gradient(side_, c_.window.ic, c_.oc, winograd_sums(workspace), gradient);
    }
  }

  std::int64_t units() const override { return c_.group_ic(); }
  std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end) const override {
    return c_.unit_spans(begin, end);
  }

  void pack(std::int64_t begin, std::int64_t end, const float* parameters, bool data_gradient,
            float* packed) const override {
    if (side_ > 0) {
      winograd_pack(side_, begin, end, c_.window.ic, c_.oc, parameters, packed);
    } else if (twins_) {
      pack_twins(c_.depth(), c_.oc, parameters, packed);
    } else {
      c_.pack_forward(begin, end, parameters, packed);
    }
    if (!data_gradient) return;
    if (sparse_) sparse_->pack(begin, end, parameters, packed + forward_packed_);
    if (dense_data_) dense_data_->pack(begin, end, parameters, packed + dense_packed_at());
  }

 private:
  static Shape output_of(const Convolution& c, bool pool) {
    const std::int64_t step = pool ? 2 : 1;
    return {c.window.oh / step, c.window.ow / step, c.oc};
  }

  static PatchTable::Order order_of(bool pool) {
    return pool ? PatchTable::Order::kWindows : PatchTable::Order::kRows;
  }

  std::int64_t forward_packed_size() const {
    if (side_ > 0) return winograd_packed_size(side_, c_.window.ic, c_.oc);
    if (twins_) return packed_twins_size(c_.depth());
    return c_.packed_size();
  }
  std::int64_t y_size() const { return sources_ * c_.oc; }
  std::int64_t padded_size() const { return c_.window.padded() ? pad_.padded_size() : 0; }
  std::int64_t item_image() const { return pad_.ph * pad_.pw * c_.items(pad_.c); }
  std::int64_t argmax_size() const { return pool_ ? (y_size() + 3) / 4 : 0; }  // bytes, in floats
  // Integers, in floats: how many rows of y see something, and the order of all.
  std::int64_t order_size() const { return regions_ ? 1 + sources_ : 0; }
  std::int64_t orders_at(std::int64_t rows) const {  // in what is saved of so many rows
    return rows * (argmax_size() + padded_size());
  }
  const std::int32_t* orders_of(const BackwardArgs& a) const {
    return regions_ ? reinterpret_cast<const std::int32_t*>(a.saved + orders_at(a.rows)) : nullptr;
  }
  std::int64_t dense_packed_at() const {
    return forward_packed_ + (sparse_ ? sparse_->packed_size() : 0);
  }
  WeightGradient dense_weights() const {
    return {table_.patches(), pad_.padded_size(), c_.group_oc(), c_.oc};
  }

  WinogradProduct tiles(std::span<const WinogradTile> of) const {
    const Window2D& w = c_.window;
    const std::int64_t y_columns = pool_ ? w.ow / 2 : w.ow;
    return {side_, of, w.pw * w.ic, y_columns * c_.oc, pad_.padded_size(), y_size(), w.ic, c_.oc};
  }
  // Whether the dense gradient of the weights is summed in Winograd's form: 25 or 36 sums for 9
  // weights, which every slice of rows moves through the cache.
  bool winograd_gradient() const {
    return side_ > 0 && !pool_ && winograd_sums_size(side_, c_.window.ic, c_.oc) <= kMostSums;
  }
  float* winograd_sums(float* workspace) const {
    return workspace + (sparse_ && !few_taps_ ? sparse_->workspace_size() : 0);
  }

  void product(const ForwardArgs& a, Part part, std::int64_t rows, const float* x, float* y) const {
    const float* bias = c_.bias_of(a.parameters);
    auto* argmax = reinterpret_cast<std::uint8_t*>(a.saved);
    if (side_ > 0) {
      const WinogradProduct g = tiles(part.of(tiles_, pool_ ? pooled_together(side_) : 1));
      float* scratch = a.scratch + images_together_ * padded_size();
      const float* w = a.saved != nullptr ? a.parameters : nullptr;
      if (pool_) {
        winograd_product_max4(g, rows, x, w, a.packed, bias, c_.relu, scratch, y, argmax);
      } else {
        winograd_product(g, rows, x, w, a.packed, bias, c_.relu, scratch, y);
      }
      return;
    }
    const auto out = part.of(out_);
    if (out.empty()) return;
    const std::int64_t first_pixel = part.begin(sources_) * (pool_ ? 4 : 1);
    PatchProduct g{item_table_.patches(), out, item_image(), y_size(), c_.group_oc()};
    g.patches.pixel = g.patches.pixel.subspan(static_cast<std::size_t>(first_pixel));
    if (c_.pairs) return paired_product(g, a, rows, x, y);
    if (regions_ && part.count == 1) return product_of_regions(g, a, rows, x, y);
    c_.for_groups([&](std::int64_t group, std::int64_t ic, std::int64_t oc) {
      direct(g, rows, x + ic, a.packed + group * c_.group_packed_size(),
             bias != nullptr ? bias + oc : nullptr, y + oc,
             argmax != nullptr ? argmax + oc : nullptr);
    });
  }

  void paired_product(const PatchProduct& g, const ForwardArgs& a, std::int64_t rows,
                      const float* x, float* y) const {
    const float* bias = c_.bias_of(a.parameters);
    auto* argmax = reinterpret_cast<std::uint8_t*>(a.saved);
    const auto* packed = reinterpret_cast<const simd::Pair*>(a.packed);
    for_paired_images(rows, images_together_, pad_.ph * pad_.pw, pad_.c, x,
                      a.scratch + images_together_ * padded_size(),
                      [&](std::int64_t first, std::int64_t count, const simd::Pair* pairs) {
                        const std::int64_t at = first * y_size();
                        direct(g, count, pairs, packed, bias, y + at,
                               argmax != nullptr ? argmax + at : nullptr);
                      });
  }

  // Image by image, without the products of what is blank.
  void product_of_regions(PatchProduct g, const ForwardArgs& a, std::int64_t rows, const float* x,
                          float* y) const {
    const float* bias = c_.bias_of(a.parameters);
    auto* argmax = reinterpret_cast<std::uint8_t*>(a.saved);
    auto* order = reinterpret_cast<std::int32_t*>(
        a.saved != nullptr ? a.saved + orders_at(a.rows)
                           : a.scratch + images_together_ * padded_size());
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::span<std::int32_t> all(order + 1, static_cast<std::size_t>(sources_));
      const std::int64_t seen = blank_regions_last(*regions_, x, all.data());
      *order = static_cast<std::int32_t>(seen);
      g.chosen = all.first(static_cast<std::size_t>(seen));
      if (!g.chosen.empty()) direct(g, 1, x, a.packed, bias, y, argmax);
      g.chosen = all.subspan(static_cast<std::size_t>(seen));
      if (!g.chosen.empty()) {
        if (pool_) {
          patch_product_max4_of_zeros(g, bias, c_.relu, y, argmax);
        } else {
          patch_product_of_zeros(g, bias, c_.relu, y);
        }
      }
      x += pad_.padded_size();
      y += y_size();
      if (argmax != nullptr) argmax += y_size();
      if (a.saved != nullptr) order += order_size();
    }
  }

  template <class Item>
  void direct(const PatchProduct& g, std::int64_t rows, const Item* x, const Item* packed,
              const float* bias, float* y, std::uint8_t* argmax) const {
    if constexpr (std::same_as<Item, float>) {
      if (twins_) return twin_product_max4(g, rows, x, packed, bias, c_.relu, y, argmax);
    }
    if (pool_) {
      patch_product_max4(g, rows, x, packed, bias, c_.relu, y, argmax);
    } else {
      patch_product(g, rows, x, packed, bias, c_.relu, y);
    }
  }

  // The shares of non-zeros in dz below which the sparse gradients cost less than the dense ones.
  // The dense gradient with respect to the data computes every input pixel, not only those dz
  // touches.
  struct Shares {
    double weights;
    double data;

    double either() const { return std::max(weights, data); }
  };
  Shares sparse_below() const {
    const Window2D& w = c_.window;
    const double weights = winograd_gradient() ? relative_cost(side_, w.oh, w.ow) : 1.0;
    const double pixels = static_cast<double>(w.ih * w.iw) / static_cast<double>(sources_);
    return {weights / kNonZeroCost, dense_data_->relative_cost() * pixels / kNonZeroCost};
  }

  // Which gradients are made from the non-zeros of dz alone.
  struct Sparse {
    bool weights;
    bool data;
  };
  Sparse sparse_gradients(const BackwardArgs& a) const {
    if (pool_ || !sparse_) return {pool_, pool_};
    const std::int64_t size = a.rows * y_size();
    const double share =
        static_cast<double>(count_non_zeros(size, a.dy)) / static_cast<double>(size);
    const Shares below = sparse_below();
    return {share < below.weights, share < below.data};
  }

  void parameter_gradients(const BackwardArgs& a, bool sparse) const {
    if (pool_ && few_taps_) return pooled_gradients(a, false);
    if (c_.bias) bias_gradient(a.rows * sources_, c_.oc, a.dy, c_.bias_gradient_of(a.gradient));
    const float* x = x_of(a);
    if (sparse && !few_taps_) {
      sparse_->weights(a.rows, gradient_of(a, 0), x, orders_of(a), a.scratch, a.workspace);
    } else if (winograd_gradient()) {
      winograd_add_products(tiles(tiles_), a.rows, x, a.dy, a.scratch, winograd_sums(a.workspace));
    } else if (c_.pairs) {
      paired_weight_gradient(dense_weights(), a.rows, images_together_, x, a.dy, a.scratch,
                             a.gradient);
    } else {
      c_.for_groups([&](std::int64_t, std::int64_t ic, std::int64_t oc) {
        weight_gradient(dense_weights(), a.rows, x + ic, a.dy + oc, a.gradient + oc);
      });
    }
  }

  // Image by image, of dy through the ReLU or of what has passed it.
  void pooled_gradients(const BackwardArgs& a, bool relu) const {
    if (a.gradient == nullptr) return;
    const float* x = x_of(a);
    const std::int32_t* order = orders_of(a);
    std::span<const std::int32_t> seen = sparse_->sources();
    std::span<const std::int32_t> blank;
    for (std::int64_t row = 0; row < a.rows; ++row, x += pad_.padded_size()) {
      if (order != nullptr) {
        const std::span<const std::int32_t> all(order + 1, static_cast<std::size_t>(sources_));
        seen = all.first(static_cast<std::size_t>(*order));
        blank = all.subspan(seen.size());
        order += order_size();
      }
      c_.for_groups([&](std::int64_t, std::int64_t ic, std::int64_t oc) {
        const std::int64_t at = row * y_size() + oc;
        float* bias = c_.bias ? c_.bias_gradient_of(a.gradient) + oc : nullptr;
        pooled_weight_gradient(dense_weights(), seen, blank, x + ic,
                               {a.dy + at, argmax_of(a) + at, relu ? a.y + at : nullptr},
                               a.gradient + oc, bias);
      });
    }
  }

  const float* x_of(const BackwardArgs& a) const {
    return c_.window.padded() ? a.saved + a.rows * argmax_size() : a.x;
  }

  const std::uint8_t* argmax_of(const BackwardArgs& a) const {
    return pool_ ? reinterpret_cast<const std::uint8_t*>(a.saved) : nullptr;
  }

  SparseGradient gradient_of(const BackwardArgs& a, std::int64_t row) const {
    const std::int64_t at = row * y_size();
    return {sources_, c_.oc, a.dy + at, pool_ ? argmax_of(a) + at : nullptr, c_.oc};
  }

  // Into the padded image, where there is one, and from there into dx.
  void sparse_data(const BackwardArgs& a, std::int64_t row) const {
    float* dx = a.dx + row * pad_.size();
    float* image = c_.window.padded() ? a.scratch + sparse_->scratch_size() : dx;
    std::fill_n(image, pad_.padded_size(), 0.0F);
    sparse_->data(gradient_of(a, row), a.packed + forward_packed_, a.scratch, image);
    if (image != dx) crop2d(pad_, 1, image, dx);
  }

  Convolution c_;
  bool pool_;
  Pad2D pad_;
  std::int64_t sources_;  // rows of y: pixels, or windows
  PatchTable table_;
  PatchTable item_table_;  // of the direct product's operands
  int side_;               // of Winograd's tiles; 0: the product is direct
  bool twins_;             // two pixels' results to a vector
  bool few_taps_;          // the gradient of the weights comes from all of dz
  std::optional<RegionGrid> regions_;
  std::int64_t forward_packed_;
  std::vector<std::int32_t> out_;  // the results' places in the direct product
  std::vector<WinogradTile> tiles_;
  std::int64_t images_together_;  // that forward pads at once
  std::optional<SparseConvolution> sparse_;
  std::optional<DataGradient> dense_data_;
};

}  // namespace

std::unique_ptr<Op> make_conv2d(const Attributes& attributes, const Shape& input) {
  const Convolution convolution(attributes, input);
  if (convolution.is_depthwise()) return make_depthwise_conv2d(attributes, convolution);
  return std::make_unique<Conv2D>(convolution, false);
}

std::unique_ptr<Op> make_conv2d_max_pooling2d(const Attributes& attributes, const Shape& input) {
  const Convolution convolution(attributes, input);
  const Window2D& w = convolution.window;
  if (w.oh < 2 || w.ow < 2) {
    throw ValueError("There is no 2x2 window in the convolution's output of " +
                     tuple_string({w.oh, w.ow}) +
                     ". Received: inputs shape=" + batch_string(input));
  }
  return std::make_unique<Conv2D>(convolution, true);
}

}  // namespace convlet
