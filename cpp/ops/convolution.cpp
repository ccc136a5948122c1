#include "ops/convolution.hpp"

#include <algorithm>

#include "kernels/pack.hpp"
#include "kernels/tile.hpp"

namespace convlet {
namespace {

bool relu_of(const Attributes& attributes) {
  const std::string activation = attributes.text_or("activation", "linear");
  if (activation != "linear" && activation != "relu") {
    throw ValueError("A fused activation must be 'linear' or 'relu'. Received: activation='" +
                     activation + "'");
  }
  return activation == "relu";
}

}  // namespace

Convolution::Convolution(const Attributes& attributes, const Shape& input)
    : Convolution(attributes, make_window2d(attributes, "kernel_size", input),
                  attributes.positive("filters"),
                  attributes.has("groups") ? attributes.positive("groups") : 1) {
  if (window.ic % groups != 0) {
    throw ValueError(
        "The number of input channels must be evenly divisible by the number of groups. Received "
        "groups=" +
        std::to_string(groups) + ", but the input has " + std::to_string(window.ic) +
        " channels (full input shape is " + batch_string(input) + ").");
  }
  if (oc % groups != 0) {
    throw ValueError(
        "The number of filters must be evenly divisible by the number of groups. Received: "
        "groups=" +
        std::to_string(groups) + ", filters=" + std::to_string(oc) + ".");
  }
}

Convolution::Convolution(const Attributes& attributes, const Window2D& window_, std::int64_t oc_,
                         std::int64_t groups_)
    : window(window_),
      oc(oc_),
      groups(groups_),
      bias(attributes.boolean("use_bias")),
      relu(relu_of(attributes)),
      pairs(groups == 1 && multiplies_pairs(attributes)),
      winograd(!pairs && (!attributes.has("winograd") || attributes.boolean("winograd"))) {
  elements({window.oh, window.ow, oc});
  elements({window.kh, window.kw, group_ic(), oc});
}

std::vector<ParameterSpec> Convolution::parameters() const {
  std::vector<ParameterSpec> specs{{"kernel", {window.kh, window.kw, group_ic(), oc}}};
  if (bias) specs.push_back({"bias", {oc}});
  return specs;
}

Window2D Convolution::item_window() const {
  Window2D w = window;
  w.ic = items(w.ic);
  return w;
}

const float* Convolution::bias_of(const float* parameters) const {
  return bias ? parameters + bias_offset() : nullptr;
}

std::vector<Span> Convolution::unit_spans(std::int64_t begin, std::int64_t end,
                                          std::int64_t biases) const {
  std::vector<Span> spans;
  for (std::int64_t tap = 0; tap < taps(); ++tap) {
    spans.push_back({(tap * group_ic() + begin) * oc, (end - begin) * oc});
  }
  if (bias && end == group_ic()) spans.push_back({bias_offset(), biases});
  return spans;
}

void Convolution::pack_forward(std::int64_t begin, std::int64_t end, const float* parameters,
                               float* packed) const {
  const std::int64_t rows = items(group_ic());  // of a tap
  for_groups([&](std::int64_t group, std::int64_t, std::int64_t first) {
    float* to = packed + group * group_packed_size();
    for (std::int64_t t = 0; t < taps(); ++t) {
      const Tap tap{parameters + t * group_ic() * oc + first, group_ic(), group_oc(), oc};
      if (pairs) {
        pack_tap(tap, begin, end, taps() * rows, t * rows, reinterpret_cast<simd::Pair*>(to));
      } else {
        pack_tap(tap, begin, end, taps() * rows, t * rows, to);
      }
    }
  });
}

PatchTable::PatchTable(const Window2D& w, Order order, std::int64_t groups, bool by_tap) {
  const auto add = [&](std::int64_t oy, std::int64_t ox) {
    pixel_.push_back(static_cast<std::int32_t>((oy * w.sh * w.pw + ox * w.sw) * w.ic));
  };
  if (order == Order::kRows) {
    for (std::int64_t oy = 0; oy < w.oh; ++oy) {
      for (std::int64_t ox = 0; ox < w.ow; ++ox) add(oy, ox);
    }
  } else {
    for (std::int64_t qy = 0; qy < w.oh / 2; ++qy) {
      for (std::int64_t qx = 0; qx < w.ow / 2; ++qx) {
        for (std::int64_t j = 0; j < 4; ++j) add(2 * qy + j / 2, 2 * qx + j % 2);
      }
    }
  }
  // A row of taps is one run where their channels lie side by side.
  const std::int64_t in_run = !by_tap && groups == 1 && w.dw == 1 ? w.kw : 1;
  run_length_ = static_cast<std::int32_t>(in_run * w.ic / groups);
  for (std::int64_t ky = 0; ky < w.kh; ++ky) {
    for (std::int64_t kx = 0; kx < w.kw; kx += in_run)
      run_.push_back(static_cast<std::int32_t>((ky * w.dh * w.pw + kx * w.dw) * w.ic));
  }
}

namespace {

std::int64_t winograd_products(int side, std::int64_t oh, std::int64_t ow) {
  const std::int64_t down = (oh + side - 1) / side;
  const std::int64_t across = (ow + side - 1) / side;
  return down * across * (side + 2) * (side + 2);
}

std::int64_t direct_products(std::int64_t oh, std::int64_t ow) { return 9 * oh * ow; }

}  // namespace

int winograd_side(const Convolution& c, std::int64_t oh, std::int64_t ow, bool pool) {
  // Measured on Sapphire Rapids (34x34 images, 32 filters, direct / Winograd): 3 channels 0.84, 16
  // channels 1.5, 32 channels 1.54; 13x13x32 to 64 filters 1.7.
  constexpr std::int64_t kChannels = 8;
  const Window2D& w = c.window;
  const bool can = c.winograd && c.groups == 1 && w.kh == 3 && w.kw == 3 && w.sh == 1 &&
                   w.sw == 1 && w.dh == 1 && w.dw == 1 && w.ic >= kChannels && c.oc >= kChannels;
  int best = pool ? 2 : 3;
  const auto consider = [&](int other) {
    const bool is_less =
        5 * winograd_products(other, oh, ow) <= 4 * winograd_products(best, oh, ow);
    if (is_less) best = other;
  };
  consider(4);
  // Four of them have windows in common.
  if (pool && oh % 10 == 0 && ow % 10 == 0) consider(5);
  // There must be 1.4 times fewer products than direct ones. With tiles of 2x2, 3x3 pixels of 64
  // channels (1.27 times fewer) took 1.08 of the direct product's time, 5x5 (1.56) 0.91.
  const bool pays = 7 * winograd_products(best, oh, ow) < 5 * direct_products(oh, ow);
  return can && pays ? best : 0;
}

double relative_cost(int side, std::int64_t oh, std::int64_t ow) {
  if (side == 0) return 1.0;
  constexpr double kProduct = 1.35;  // of transformed factors, with its share of the transforms
  return kProduct * static_cast<double>(winograd_products(side, oh, ow)) /
         static_cast<double>(direct_products(oh, ow));
}

std::vector<WinogradTile> winograd_tiles(int side, std::int64_t oh, std::int64_t ow,
                                         std::int64_t pw, std::int64_t ic, std::int64_t y_row,
                                         std::int64_t y_tile) {
  std::vector<WinogradTile> tiles;
  for (std::int64_t oy = 0; oy < oh; oy += side) {
    for (std::int64_t ox = 0; ox < ow; ox += side) {
      tiles.push_back({static_cast<std::int32_t>((oy * pw + ox) * ic),
                       static_cast<std::int32_t>(oy / side * y_row + ox / side * y_tile),
                       static_cast<std::int8_t>(std::min<std::int64_t>(side, oh - oy)),
                       static_cast<std::int8_t>(std::min<std::int64_t>(side, ow - ox))});
    }
  }
  return tiles;
}

std::vector<WinogradTile> pooled_winograd_tiles(int side, std::int64_t oh, std::int64_t ow,
                                                std::int64_t pw, std::int64_t ic, std::int64_t oc) {
  const std::int64_t y_row = ow / 2 * oc;
  if (side % 2 == 0) {
    return winograd_tiles(side, oh, ow, pw, ic, side / 2 * y_row, side / 2 * oc);
  }
  std::vector<WinogradTile> tiles;
  for (std::int64_t oy = 0; oy < oh; oy += 2 * side) {
    for (std::int64_t ox = 0; ox < ow; ox += 2 * side) {
      for (std::int8_t quarter = 0; quarter < 4; ++quarter) {
        const std::int64_t top = oy + quarter / 2 * side;
        const std::int64_t left = ox + quarter % 2 * side;
        tiles.push_back({static_cast<std::int32_t>((top * pw + left) * ic),
                         static_cast<std::int32_t>(oy / 2 * y_row + ox / 2 * oc),
                         static_cast<std::int8_t>(side), static_cast<std::int8_t>(side), quarter});
      }
    }
  }
  return tiles;
}

std::int64_t images_together(std::int64_t pixels) {
  constexpr std::int64_t kPixels = 192;
  return std::max<std::int64_t>(1, kPixels / pixels);
}

DataGradient::DataGradient(const Convolution& convolution, bool alone)
    : convolution_(convolution),
      side_(winograd_side(convolution, convolution.window.ih, convolution.window.iw, false)) {
  const Window2D& w = convolution.window;
  relative_cost_ = convlet::relative_cost(side_, w.ih, w.iw);
  images_together_ = images_together(w.ih * w.iw);
  if (alone && becomes_adjoint()) return;
  dz_pad_ = pad_of_gradient(w, convolution.oc);
  if (side_ > 0) {
    dz_pad_.ph += round_up(w.ih, side_) - w.ih;
    dz_pad_.pw += round_up(w.iw, side_) - w.iw;
  }
  elements({dz_pad_.ph, dz_pad_.pw, dz_pad_.c});
  if (side_ > 0) {
    tiles_ = winograd_tiles(side_, w.ih, w.iw, dz_pad_.pw, convolution.oc, side_ * w.iw * w.ic,
                            side_ * w.ic);
    packed_size_ = winograd_packed_size(side_, convolution.oc, w.ic);
    return;
  }
  Pad2D items = dz_pad_;
  items.c = convolution.items(items.c);
  phases_ = gradient_phases(w, items, convolution.groups);
  for (const GradientPhase& phase : phases_) {
    packed_at_.push_back(packed_size_);
    packed_size_ += convolution.groups * group_packed_size(phase);
  }
}

// Where whole tiles of dz cover the input, and take fewer products than tiles of the input.
bool DataGradient::becomes_adjoint() {
  const Window2D& w = convolution_.window;
  const int side = winograd_side(convolution_, w.oh, w.ow, false);
  if (side == 0 || w.padded() || w.oh % side != 0 || w.ow % side != 0) return false;
  const double cost = convlet::relative_cost(side, w.oh, w.ow) * static_cast<double>(w.oh * w.ow) /
                      static_cast<double>(w.ih * w.iw);
  if (cost >= relative_cost_) return false;
  adjoint_ = true;
  side_ = side;
  relative_cost_ = cost;
  tiles_ = winograd_tiles(side, w.oh, w.ow, w.pw, w.ic, side * w.ow * convolution_.oc,
                          side * convolution_.oc);
  packed_size_ = winograd_packed_size(side, convolution_.oc, w.ic);
  return true;
}

std::int64_t DataGradient::scratch_size() const {
  if (adjoint_) return winograd_scratch_size(side_, convolution_.oc, convolution_.window.ic);
  const std::int64_t padded = images_together_ * dz_pad_.padded_size();
  if (convolution_.pairs) {
    return padded + images_together_ * dz_pad_.ph * dz_pad_.pw * pairs_of(dz_pad_.c);
  }
  if (side_ == 0) return padded;
  return padded + winograd_scratch_size(side_, convolution_.oc, convolution_.window.ic);
}

std::int64_t DataGradient::group_packed_size(const GradientPhase& phase) const {
  return convlet::packed_size(phase.taps() * convolution_.items(convolution_.group_oc()),
                              convolution_.group_ic());
}

void DataGradient::pack(std::int64_t begin, std::int64_t end, const float* parameters,
                        float* packed) const {
  const std::int64_t ic = convolution_.group_ic();
  const std::int64_t oc = convolution_.group_oc();
  const std::int64_t row = convolution_.oc;
  if (side_ > 0)
    return winograd_pack_transposed(side_, !adjoint_, begin, end, ic, oc, parameters, packed);
  const std::int64_t rows = convolution_.items(oc);  // of a tap
  for (std::size_t i = 0; i < phases_.size(); ++i) {
    const GradientPhase& phase = phases_[i];
    convolution_.for_groups([&](std::int64_t group, std::int64_t, std::int64_t first) {
      float* to = packed + packed_at_[i] + group * group_packed_size(phase);
      for (std::int64_t t = 0; t < phase.taps(); ++t) {
        const float* w = parameters + phase.tap[static_cast<std::size_t>(t)] * ic * row + first;
        const Tap tap{w, ic, oc, row};
        if (convolution_.pairs) {
          pack_tap_transposed(tap, begin, end, phase.taps() * rows, t * rows,
                              reinterpret_cast<simd::Pair*>(to));
        } else {
          pack_tap_transposed(tap, begin, end, phase.taps() * rows, t * rows, to);
        }
      }
    });
  }
}

void DataGradient::operator()(std::int64_t images, const float* packed, const float* dz,
                              const float* bias, bool relu, Part part, float* scratch,
                              float* dx) const {
  const Window2D& w = convolution_.window;
  if (adjoint_) {
    const std::int64_t x_size = w.ih * w.iw * w.ic;
    const std::int64_t oc = convolution_.oc;
    std::fill_n(dx, images * x_size, 0.0F);
    return winograd_add_data_gradient(
        {side_, tiles_, w.pw * w.ic, w.ow * oc, x_size, w.oh * w.ow * oc, w.ic, oc}, images, dz,
        packed, scratch, dx);
  }
  for (std::int64_t first = 0; first < images; first += images_together_) {
    const std::int64_t count = std::min(images_together_, images - first);
    pad2d(dz_pad_, count, dz + first * dz_pad_.size(), scratch);
    multiply(count, packed, bias, relu, part, scratch, dx + first * w.ih * w.iw * w.ic);
  }
}

// Of some images, whose padded dz lie at the start of scratch.
void DataGradient::multiply(std::int64_t images, const float* packed, const float* bias, bool relu,
                            Part part, float* scratch, float* dx) const {
  const Window2D& w = convolution_.window;
  const std::int64_t oc = convolution_.oc;
  const std::int64_t x_size = w.ih * w.iw * w.ic;
  const std::int64_t dz_size = dz_pad_.padded_size();
  if (side_ > 0) {
    const WinogradProduct product{
        side_, part.of(tiles_), dz_pad_.pw * oc, w.iw * w.ic, dz_size, x_size, oc, w.ic};
    // The patch of dx's first pixel starts at row w.top, column w.left.
    const float* dz = scratch + (w.top * dz_pad_.pw + w.left) * oc;
    return winograd_product(product, images, dz, nullptr, packed, bias, relu,
                            scratch + images_together_ * dz_size, dx);
  }
  if (!convolution_.pairs)
    return multiply_phases<float>(images, packed, scratch, bias, relu, part, dx);
  for_paired_images(images, images_together_, dz_pad_.ph * dz_pad_.pw, oc, scratch,
                    scratch + images_together_ * dz_size,
                    [&](std::int64_t, std::int64_t count, const simd::Pair* pairs) {
                      multiply_phases(count, reinterpret_cast<const simd::Pair*>(packed), pairs,
                                      bias, relu, part, dx);
                    });
}

template <class Item>
void DataGradient::multiply_phases(std::int64_t images, const Item* packed, const Item* dz,
                                   const float* bias, bool relu, Part part, float* dx) const {
  const Window2D& w = convolution_.window;
  const std::int64_t dz_size = dz_pad_.ph * dz_pad_.pw * convolution_.items(dz_pad_.c);
  for (std::size_t i = 0; i < phases_.size(); ++i) {
    const GradientPhase& phase = phases_[i];
    const Patches patches{part.of(phase.pixel), phase.run, phase.run_length};
    if (patches.pixel.empty()) continue;
    const PatchProduct product{patches, part.of(phase.out), dz_size, w.ih * w.iw * w.ic,
                               convolution_.group_ic()};
    convolution_.for_groups([&](std::int64_t group, std::int64_t first_x, std::int64_t first_dz) {
      patch_product(product, images, dz + first_dz,
                    packed + packed_at_[i] + group * group_packed_size(phase),
                    bias != nullptr ? bias + first_x : nullptr, relu, dx + first_x);
    });
  }
}

}  // namespace convlet
