// How the gradient of a convolution with respect to its data falls into products: input pixels
// whose distance to the window grid is the same see the same taps. These are sh * sw phases at
// most, one without strides; each is a stride-1 convolution of the padded dz with its taps, turned
// round.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/pad2d.hpp"
#include "ops/window2d.hpp"

namespace convlet {

// Offsets count items of dz (floats, or pairs of channels). A phase may have no taps: its dx is
// zero.
struct GradientPhase {
  std::vector<std::int32_t> pixel;  // where the patches start in an image of the padded dz
  std::vector<std::int32_t> out;    // and their pixels of dx
  std::vector<std::int32_t> run;    // of a patch, one after the other
  std::int32_t run_length;
  std::vector<std::int64_t> tap;  // which tap of the window each part of a patch meets

  std::int64_t taps() const { return static_cast<std::int64_t>(tap.size()); }
};

// dz, of oc channels, as the phases read it: with zeros wherever an input pixel lies outside some
// window.
Pad2D pad_of_gradient(const Window2D& window, std::int64_t oc);

// Patches are those of the first group of channels of dz; the others' lie behind them.
std::vector<GradientPhase> gradient_phases(const Window2D& window, const Pad2D& dz,
                                           std::int64_t groups, bool by_tap = false);

}  // namespace convlet
