// RandomContrast and RandomBrightness: in training each image with a contrast or brightness of its
// own, clipped to the range of its values.
#include "kernels/color.hpp"
#include "ops/factories.hpp"
#include "ops/random_image_op.hpp"

namespace convlet {
namespace {

class RandomContrast final : public RandomImageOp {
 public:
  RandomContrast(const Shape& shape, const Image& image, const Range& factor,
                 const ValueRange& values, std::uint64_t seed)
      : RandomImageOp(shape, image, seed), factor_(factor), values_(values) {}

 private:
  float drawn(const RandomRow& numbers) const {
    float u = 0.0F;
    random_uniform(numbers, 1, &u);
    return factor_.at(u);
  }
  std::int64_t pixels() const { return image().size.h * image().size.w; }

  void change(const RandomRow& numbers, const float* x, float*, float* y) const override {
    adjust_contrast(pixels(), image().c, drawn(numbers), values_, x, y);
  }
  void change_backward(const RandomRow& numbers, const float* x, const float* dy, float*,
                       float* dx) const override {
    adjust_contrast_backward(pixels(), image().c, drawn(numbers), values_, x, dy, dx);
  }

  Range factor_;
  ValueRange values_;
};

class RandomBrightness final : public RandomImageOp {
 public:
  // factor: in widths of the range of values.
  RandomBrightness(const Shape& shape, const Image& image, const Range& factor,
                   const ValueRange& values, std::uint64_t seed)
      : RandomImageOp(shape, image, seed), factor_(factor), values_(values) {}

 private:
  float drawn(const RandomRow& numbers) const {
    float u = 0.0F;
    random_uniform(numbers, 1, &u);
    return factor_.at(u) * (values_.high - values_.low);
  }

  void change(const RandomRow& numbers, const float* x, float*, float* y) const override {
    adjust_brightness(image().elements(), drawn(numbers), values_, x, y);
  }
  void change_backward(const RandomRow& numbers, const float* x, const float* dy, float*,
                       float* dx) const override {
    adjust_brightness_backward(image().elements(), drawn(numbers), values_, x, dy, dx);
  }

  Range factor_;
  ValueRange values_;
};

template <class RandomColor>
std::unique_ptr<Op> make(const std::string& layer, const Attributes& attributes,
                         const Shape& input) {
  const Range values = range_of(attributes, "value");
  return std::make_unique<RandomColor>(
      input, image_of(layer, input), range_of(attributes, "factor"),
      ValueRange{values.low, values.high}, static_cast<std::uint64_t>(attributes.integer("seed")));
}

}  // namespace

std::unique_ptr<Op> make_random_contrast(const Attributes& attributes, const Shape& input) {
  return make<RandomContrast>("RandomContrast", attributes, input);
}

std::unique_ptr<Op> make_random_brightness(const Attributes& attributes, const Shape& input) {
  return make<RandomBrightness>("RandomBrightness", attributes, input);
}

}  // namespace convlet
