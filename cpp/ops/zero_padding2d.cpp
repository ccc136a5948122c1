// ZeroPadding2D and Cropping2D, each the other's transpose.
#include "kernels/pad2d.hpp"
#include "ops/factories.hpp"

namespace convlet {
namespace {

class ZeroPadding2D final : public Op {
 public:
  explicit ZeroPadding2D(const Pad2D& g) : Op({g.ph, g.pw, g.c}, {}), pad_(g) {}

  void forward(const ForwardArgs& a) const override { pad2d(pad_, a.rows, a.x, a.y); }

  void backward(const BackwardArgs& a) const override {
    if (a.dx != nullptr) crop2d(pad_, a.rows, a.dy, a.dx);
  }

 private:
  Pad2D pad_;
};

class Cropping2D final : public Op {
 public:
  explicit Cropping2D(const Pad2D& g) : Op({g.h, g.w, g.c}, {}), pad_(g) {}

  void forward(const ForwardArgs& a) const override { crop2d(pad_, a.rows, a.x, a.y); }

  void backward(const BackwardArgs& a) const override {
    if (a.dx != nullptr) pad2d(pad_, a.rows, a.dy, a.dx);
  }

 private:
  Pad2D pad_;
};

// Attribute `name`: top, bottom, left, right.
Shape borders(const Attributes& attributes, const std::string& name, const Shape& input) {
  if (input.size() != 3) {
    throw ValueError(
        "Expected images of shape (None, height, width, channels). Received: inputs shape=" +
        batch_string(input));
  }
  Shape sides = attributes.integers(name);
  bool valid = sides.size() == 4;
  for (const std::int64_t side : sides) valid = valid && side >= 0 && side <= kMaxElements;
  if (!valid) {
    throw ValueError("`" + name + "` must be four integers between 0 and " +
                     std::to_string(kMaxElements) + ". Received: " + name + "=" +
                     tuple_string(sides));
  }
  return sides;
}

}  // namespace

std::unique_ptr<Op> make_zero_padding2d(const Attributes& attributes, const Shape& input) {
  const Shape p = borders(attributes, "padding", input);
  const Shape padded{input[0] + p[0] + p[1], input[1] + p[2] + p[3], input[2]};
  elements(padded);  // offsets into the padded image fit
  return std::make_unique<ZeroPadding2D>(
      Pad2D{input[0], input[1], input[2], padded[0], padded[1], p[0], p[2]});
}

std::unique_ptr<Op> make_cropping2d(const Attributes& attributes, const Shape& input) {
  const Shape c = borders(attributes, "cropping", input);
  const std::int64_t h = input[0] - c[0] - c[1];
  const std::int64_t w = input[1] - c[2] - c[3];
  if (h <= 0 || w <= 0) {
    const auto pair = [&](std::size_t i) { return tuple_string({c[i], c[i + 1]}); };
    throw ValueError(
        "Values in `cropping` argument should be smaller than the corresponding spatial dimension "
        "of the input. Received: input_shape=" +
        batch_string(input) + ", cropping=(" + pair(0) + ", " + pair(2) + ")");
  }
  return std::make_unique<Cropping2D>(Pad2D{h, w, input[2], input[0], input[1], c[0], c[2]});
}

}  // namespace convlet
