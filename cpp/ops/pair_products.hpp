// Products of bfloat16 operands on a target that multiplies pairs of them (simd::Pair). The
// operands come as float32, already rounded, and are paired in scratch memory, some images at a
// time. A Dense layer's row is an image of one pixel.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/bfloat16.hpp"
#include "kernels/weight_gradient.hpp"
#include "ops/attributes.hpp"

namespace convlet {

// Whether an op with these attributes multiplies pairs.
bool multiplies_pairs(const Attributes& attributes);

// f(first, count, pairs) for at most `together` images of x [images][pixels][channels] at a time;
// pairs: [count][pixels][pairs_of(channels)], in scratch.
template <class F>
void for_paired_images(std::int64_t images, std::int64_t together, std::int64_t pixels,
                       std::int64_t channels, const float* x, float* scratch, F&& f) {
  auto* pairs = reinterpret_cast<simd::Pair*>(scratch);
  for (std::int64_t first = 0; first < images; first += together) {
    const std::int64_t count = std::min(together, images - first);
    pair_channels(count * pixels, channels, x + first * pixels * channels, pairs);
    f(first, count, static_cast<const simd::Pair*>(pairs));
  }
}

// weight_gradient with the operands of two images paired, at most `together` pairs at a time.
void paired_weight_gradient(const WeightGradient& g, std::int64_t images, std::int64_t together,
                            const float* x, const float* dz, float* scratch, float* dw);
std::int64_t paired_weight_gradient_scratch(const WeightGradient& g, std::int64_t together);

}  // namespace convlet
