#include "ops/convolution.hpp"

#include <algorithm>

#include "kernels/pack.hpp"
#include "kernels/tile.hpp"

namespace convlet {
namespace {

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

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
    : window(make_window2d(attributes, "kernel_size", input)),
      oc(attributes.positive("filters")),
      bias(attributes.boolean("use_bias")),
      relu(relu_of(attributes)),
      pairs(multiplies_pairs(attributes)),
      winograd(!pairs && (!attributes.has("winograd") || attributes.boolean("winograd"))) {
  elements({window.oh, window.ow, oc});
  elements({window.kh, window.kw, window.ic, oc});
}

std::vector<ParameterSpec> Convolution::parameters() const {
  std::vector<ParameterSpec> specs{{"kernel", {window.kh, window.kw, window.ic, oc}}};
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

std::vector<Span> Convolution::unit_spans(std::int64_t begin, std::int64_t end) const {
  std::vector<Span> spans;
  for (std::int64_t tap = 0; tap < taps(); ++tap) {
    spans.push_back({(tap * window.ic + begin) * oc, (end - begin) * oc});
  }
  if (bias && end == window.ic) spans.push_back({bias_offset(), oc});
  return spans;
}

void Convolution::pack_forward(std::int64_t begin, std::int64_t end, const float* parameters,
                               float* packed) const {
  const std::int64_t rows = items(window.ic);  // of a tap
  for (std::int64_t t = 0; t < taps(); ++t) {
    const Tap tap{parameters + t * window.ic * oc, window.ic, oc};
    if (pairs) {
      pack_tap(tap, begin, end, taps() * rows, t * rows, reinterpret_cast<simd::Pair*>(packed));
    } else {
      pack_tap(tap, begin, end, taps() * rows, t * rows, packed);
    }
  }
}

PatchTable::PatchTable(const Window2D& w, Order order)
    : run_length_(static_cast<std::int32_t>(w.kw * w.ic)) {
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
  for (std::int64_t ky = 0; ky < w.kh; ++ky)
    run_.push_back(static_cast<std::int32_t>(ky * w.pw * w.ic));
}

bool winograd_pays(const Convolution& c, std::int64_t oh, std::int64_t ow) {
  // Measured on Sapphire Rapids (34x34 images, 32 filters, direct / Winograd): 3 channels 0.84, 16
  // channels 1.5, 32 channels 1.54; 13x13x32 to 64 filters 1.7.
  constexpr std::int64_t kChannels = 8;
  // A block of up to four pixels takes 16 products in place of nine a pixel; they must be 1.4 times
  // fewer. 3x3 pixels of 64 channels (1.27 times fewer): 0.93; 5x5 (1.56): 1.1.
  const std::int64_t tiles = ceil_div(oh, 2) * ceil_div(ow, 2);
  const Window2D& w = c.window;
  return c.winograd && w.kh == 3 && w.kw == 3 && w.sh == 1 && w.sw == 1 && w.ic >= kChannels &&
         c.oc >= kChannels && 7 * 16 * tiles < 5 * 9 * oh * ow;
}

std::vector<WinogradTile> winograd_tiles(std::int64_t oh, std::int64_t ow, std::int64_t pw,
                                         std::int64_t ic, std::int64_t y_row, std::int64_t y_tile) {
  std::vector<WinogradTile> tiles;
  for (std::int64_t oy = 0; oy < oh; oy += 2) {
    for (std::int64_t ox = 0; ox < ow; ox += 2) {
      tiles.push_back({static_cast<std::int32_t>((oy * pw + ox) * ic),
                       static_cast<std::int32_t>(oy / 2 * y_row + ox / 2 * y_tile),
                       static_cast<std::int8_t>(std::min<std::int64_t>(2, oh - oy)),
                       static_cast<std::int8_t>(std::min<std::int64_t>(2, ow - ox))});
    }
  }
  return tiles;
}

std::int64_t images_together(std::int64_t pixels) {
  constexpr std::int64_t kPixels = 192;
  return std::max<std::int64_t>(1, kPixels / pixels);
}

DataGradient::DataGradient(const Convolution& convolution) : convolution_(convolution) {
  const Window2D& w = convolution.window;
  // The most taps along each axis that meet one input pixel, and the last window position that an
  // input pixel asks for.
  const std::int64_t top = ceil_div(w.kh, w.sh) - 1;
  const std::int64_t left = ceil_div(w.kw, w.sw) - 1;
  const std::int64_t rows = std::max(w.oh, (w.ih - 1 + w.top) / w.sh + 1);
  const std::int64_t columns = std::max(w.ow, (w.iw - 1 + w.left) / w.sw + 1);
  dz_pad_ = {w.oh, w.ow, convolution.oc, top + rows, left + columns, top, left};
  const bool winograd = winograd_pays(convolution, w.ih, w.iw);
  if (winograd) {
    dz_pad_.ph += w.ih % 2;
    dz_pad_.pw += w.iw % 2;
  }
  elements({dz_pad_.ph, dz_pad_.pw, dz_pad_.c});
  images_together_ = images_together(w.ih * w.iw);
  covers_all_ = w.sh <= w.kh && w.sw <= w.kw;
  if (winograd) {
    tiles_ = winograd_tiles(w.ih, w.iw, dz_pad_.pw, convolution.oc, 2 * w.iw * w.ic, 2 * w.ic);
    packed_size_ = winograd_packed_size(convolution.oc, w.ic);
    return;
  }
  for (std::int64_t fy = 0; fy < std::min(w.sh, w.kh); ++fy) {
    for (std::int64_t fx = 0; fx < std::min(w.sw, w.kw); ++fx) add_phase(fy, fx);
  }
}

std::int64_t DataGradient::scratch_size() const {
  const std::int64_t padded = images_together_ * dz_pad_.padded_size();
  if (convolution_.pairs) {
    return padded + images_together_ * dz_pad_.ph * dz_pad_.pw * pairs_of(dz_pad_.c);
  }
  if (tiles_.empty()) return padded;
  return padded + winograd_scratch_size(convolution_.oc, convolution_.window.ic);
}

void DataGradient::add_phase(std::int64_t fy, std::int64_t fx) {
  const Window2D& w = convolution_.window;
  const std::int64_t oc = convolution_.items(convolution_.oc);
  const std::int64_t ny = ceil_div(w.kh - fy, w.sh);
  const std::int64_t nx = ceil_div(w.kw - fx, w.sw);
  Phase phase;
  for (std::int64_t iy = ((fy - w.top) % w.sh + w.sh) % w.sh; iy < w.ih; iy += w.sh) {
    for (std::int64_t ix = ((fx - w.left) % w.sw + w.sw) % w.sw; ix < w.iw; ix += w.sw) {
      const std::int64_t y = (iy + w.top - fy) / w.sh - (ny - 1) + dz_pad_.top;
      const std::int64_t x = (ix + w.left - fx) / w.sw - (nx - 1) + dz_pad_.left;
      phase.pixel.push_back(static_cast<std::int32_t>((y * dz_pad_.pw + x) * oc));
      phase.out.push_back(static_cast<std::int32_t>((iy * w.iw + ix) * w.ic));
    }
  }
  for (std::int64_t j = ny - 1; j >= 0; --j) {
    phase.run.push_back(static_cast<std::int32_t>((ny - 1 - j) * dz_pad_.pw * oc));
    for (std::int64_t i = nx - 1; i >= 0; --i)
      phase.tap.push_back((fy + j * w.sh) * w.kw + fx + i * w.sw);
  }
  phase.run_length = static_cast<std::int32_t>(nx * oc);
  phase.packed_at = packed_size_;
  packed_size_ += convlet::packed_size(ny * nx * oc, w.ic);
  phases_.push_back(std::move(phase));
}

void DataGradient::pack(std::int64_t begin, std::int64_t end, const float* parameters,
                        float* packed) const {
  const std::int64_t ic = convolution_.window.ic;
  const std::int64_t oc = convolution_.oc;
  if (!tiles_.empty()) return winograd_pack_transposed(begin, end, ic, oc, parameters, packed);
  for (const Phase& phase : phases_) {
    const auto taps = static_cast<std::int64_t>(phase.tap.size());
    const std::int64_t rows = convolution_.items(oc);  // of a tap
    float* panels = packed + phase.packed_at;
    for (std::int64_t t = 0; t < taps; ++t) {
      const Tap tap{parameters + phase.tap[static_cast<std::size_t>(t)] * ic * oc, ic, oc};
      if (convolution_.pairs) {
        pack_tap_transposed(tap, begin, end, taps * rows, t * rows,
                            reinterpret_cast<simd::Pair*>(panels));
      } else {
        pack_tap_transposed(tap, begin, end, taps * rows, t * rows, panels);
      }
    }
  }
}

void DataGradient::operator()(std::int64_t images, const float* packed, const float* dz,
                              float* scratch, float* dx) const {
  const Window2D& w = convolution_.window;
  const std::int64_t x_size = w.ih * w.iw * w.ic;
  if (!covers_all_) std::fill_n(dx, images * x_size, 0.0F);
  for (std::int64_t first = 0; first < images; first += images_together_) {
    const std::int64_t count = std::min(images_together_, images - first);
    pad2d(dz_pad_, count, dz + first * dz_pad_.size(), scratch);
    multiply(count, packed, scratch, dx + first * x_size);
  }
}

// dx of some images from their padded dz, which lie at the start of scratch.
void DataGradient::multiply(std::int64_t images, const float* packed, float* scratch,
                            float* dx) const {
  const Window2D& w = convolution_.window;
  const std::int64_t oc = convolution_.oc;
  const std::int64_t x_size = w.ih * w.iw * w.ic;
  const std::int64_t dz_size = dz_pad_.padded_size();
  if (!tiles_.empty()) {
    const WinogradProduct product{tiles_, dz_pad_.pw * oc, w.iw * w.ic, dz_size, x_size, oc, w.ic};
    // The patch of dx's first pixel starts at row w.top, column w.left.
    const float* dz = scratch + (w.top * dz_pad_.pw + w.left) * oc;
    return winograd_product(product, images, dz, packed, nullptr, false,
                            scratch + images_together_ * dz_size, dx);
  }
  if (!convolution_.pairs) return multiply_phases<float>(images, packed, scratch, dx);
  for_paired_images(images, images_together_, dz_pad_.ph * dz_pad_.pw, oc, scratch,
                    scratch + images_together_ * dz_size,
                    [&](std::int64_t, std::int64_t count, const simd::Pair* pairs) {
                      multiply_phases(count, reinterpret_cast<const simd::Pair*>(packed), pairs,
                                      dx);
                    });
}

template <class Item>
void DataGradient::multiply_phases(std::int64_t images, const Item* packed, const Item* dz,
                                   float* dx) const {
  const Window2D& w = convolution_.window;
  const std::int64_t dz_size = dz_pad_.ph * dz_pad_.pw * convolution_.items(dz_pad_.c);
  for (const Phase& phase : phases_) {
    if (phase.out.empty()) continue;
    const PatchProduct product{
        {phase.pixel, phase.run, phase.run_length}, phase.out, dz_size, w.ih * w.iw * w.ic, w.ic};
    patch_product(product, images, dz, packed + phase.packed_at, nullptr, false, dx);
  }
}

}  // namespace convlet
