// RandomImageOp: the base class of ops that change each image at random in training, and leave it
// alone otherwise.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/random.hpp"
#include "ops/image_shape.hpp"
#include "ops/op.hpp"

namespace convlet {

// The numbers between two bounds.
struct Range {
  float low;
  float high;

  // u: in [0, 1).
  float at(float u) const { return low + (high - low) * u; }
};

// The attributes `<name>_lower` and `<name>_upper`.
inline Range range_of(const Attributes& attributes, const std::string& name) {
  return {static_cast<float>(attributes.number(name + "_lower")),
          static_cast<float>(attributes.number(name + "_upper"))};
}

class RandomImageOp : public Op {
 public:
  bool only_in_training() const final { return true; }

  void forward(const ForwardArgs& a) const final {
    const std::int64_t size = image_.elements();
    if (!a.context.training) {
      std::copy_n(a.x, a.rows * size, a.y);
      return;
    }
    for (std::int64_t row = 0; row < a.rows; ++row) {
      change(numbers_of(a.context, row), a.x + row * size, a.scratch, a.y + row * size);
    }
  }

  void backward(const BackwardArgs& a) const final {
    if (a.dx == nullptr) return;
    const std::int64_t size = image_.elements();
    if (!a.context.training) {
      std::copy_n(a.dy, a.rows * size, a.dx);
      return;
    }
    for (std::int64_t row = 0; row < a.rows; ++row) {
      change_backward(numbers_of(a.context, row), a.x + row * size, a.dy + row * size, a.scratch,
                      a.dx + row * size);
    }
  }

 protected:
  RandomImageOp(const Shape& shape, const Image& image, std::uint64_t seed)
      : Op(shape, {}), image_(image), seed_(seed) {}

  const Image& image() const { return image_; }

  // y = the image x, changed as the numbers say.
  virtual void change(const RandomRow& numbers, const float* x, float* scratch, float* y) const = 0;
  // dx = the gradient of sum(dy y).
  virtual void change_backward(const RandomRow& numbers, const float* x, const float* dy,
                               float* scratch, float* dx) const = 0;

 private:
  RandomRow numbers_of(const Context& context, std::int64_t row) const {
    return {seed_, context.step, static_cast<std::uint32_t>(context.batch_row + row)};
  }

  Image image_;
  std::uint64_t seed_;
};

}  // namespace convlet
