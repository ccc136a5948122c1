// Dropout: in training y = x / (1 - rate) where the mask keeps x, else 0; y = x otherwise.
#include <algorithm>
#include <cmath>
#include <utility>

#include "kernels/random.hpp"
#include "ops/factories.hpp"

namespace convlet {
namespace {

// The axes of a row as the mask sees them: for each of `outer` positions, `inner` bits that
// `repeat` stretches of elements have in common.
struct MaskShape {
  std::int64_t outer = 1;
  std::int64_t repeat = 1;
  std::int64_t inner = 1;

  std::int64_t bits() const { return outer * inner; }
  std::int64_t size() const { return outer * repeat * inner; }
};

// noise: the mask's shape, 1 for an axis whose elements share a bit.
MaskShape mask_shape(const Shape& input, const Shape& noise) {
  MaskShape mask;
  bool repeated = false;
  bool inside = false;  // behind the axes of 1
  bool fits = noise.size() == input.size();
  for (std::size_t axis = 0; fits && axis < input.size(); ++axis) {
    const std::int64_t size = input[axis];
    const bool shared = noise[axis] == 1;
    fits = noise[axis] == size || (shared && !inside);
    if (size == 1) continue;
    if (shared) {
      mask.repeat *= size;
      repeated = true;
    } else {
      (repeated ? mask.inner : mask.outer) *= size;
      inside = repeated;
    }
  }
  if (!fits) {
    throw ValueError(
        "`noise_shape` must have, for each axis behind the first, None, the size of the axis or 1, "
        "with the axes of 1 side by side. Received: inputs shape=" +
        batch_string(input) + ", noise_shape=" + batch_string(noise));
  }
  // Without axes of 1 an element has a bit of its own.
  if (!repeated) std::swap(mask.outer, mask.inner);
  return mask;
}

class Dropout final : public Op {
 public:
  Dropout(const Shape& shape, double rate, const MaskShape& mask, std::uint64_t seed)
      : Op(shape, {}),
        mask_(mask),
        seed_(seed),
        threshold_(static_cast<std::uint64_t>(std::llround(rate * 0x1p32))),
        scale_(rate < 1.0 ? static_cast<float>(1.0 / (1.0 - rate)) : 0.0F) {}

  Storage storage(bool training) const override {
    if (!training) return {};
    return {.saved_per_row = (mask_.bits() + 3) / 4};
  }

  bool only_in_training() const override { return true; }

  void forward(const ForwardArgs& a) const override {
    if (!a.context.training) {
      std::copy_n(a.x, a.rows * mask_.size(), a.y);
      return;
    }
    for (std::int64_t row = 0; row < a.rows; ++row) {
      auto* keep = reinterpret_cast<std::uint8_t*>(a.saved) + row * mask_.bits();
      const auto batch_row = static_cast<std::uint32_t>(a.context.batch_row + row);
      random_mask({seed_, a.context.step, batch_row}, mask_.bits(), threshold_, keep);
      apply(keep, a.x + row * mask_.size(), a.y + row * mask_.size());
    }
  }

  void backward(const BackwardArgs& a) const override {
    if (a.dx == nullptr) return;
    if (!a.context.training) {
      std::copy_n(a.dy, a.rows * mask_.size(), a.dx);
      return;
    }
    for (std::int64_t row = 0; row < a.rows; ++row) {
      apply(reinterpret_cast<const std::uint8_t*>(a.saved) + row * mask_.bits(),
            a.dy + row * mask_.size(), a.dx + row * mask_.size());
    }
  }

 private:
  void apply(const std::uint8_t* keep, const float* x, float* y) const {
    const std::int64_t n = mask_.inner;
    for (std::int64_t outer = 0; outer < mask_.outer; ++outer, keep += n) {
      for (std::int64_t r = 0; r < mask_.repeat; ++r, x += n, y += n) {
        apply_mask(n, keep, scale_, x, y);
      }
    }
  }

  MaskShape mask_;
  std::uint64_t seed_;
  std::uint64_t threshold_;
  float scale_;
};

}  // namespace

std::unique_ptr<Op> make_dropout(const Attributes& attributes, const Shape& input) {
  const double rate = attributes.number("rate");
  if (!(rate >= 0.0 && rate <= 1.0)) {
    throw ValueError("`rate` must be a number from 0 to 1. Received: rate=" + std::to_string(rate));
  }
  elements(input);
  const Shape noise = attributes.has("noise_shape") ? attributes.integers("noise_shape") : input;
  return std::make_unique<Dropout>(input, rate, mask_shape(input, noise),
                                   static_cast<std::uint64_t>(attributes.integer("seed")));
}

}  // namespace convlet
