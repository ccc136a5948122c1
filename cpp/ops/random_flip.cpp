// RandomFlip: in training half of the images are mirrored, the others are not.
#include "kernels/flip.hpp"
#include "ops/factories.hpp"
#include "ops/random_image_op.hpp"

namespace convlet {
namespace {

class RandomFlip final : public RandomImageOp {
 public:
  RandomFlip(const Shape& shape, const Image& image, bool horizontal, bool vertical,
             std::uint64_t seed)
      : RandomImageOp(shape, image, seed), horizontal_(horizontal), vertical_(vertical) {}

 private:
  // Both directions at once or none, as in Keras.
  void change(const RandomRow& numbers, const float* x, float*, float* y) const override {
    float u = 0.0F;
    random_uniform(numbers, 1, &u);
    const bool flips = u <= 0.5F;
    const Image& i = image();
    flip(i.size.h, i.size.w, i.c, flips && horizontal_, flips && vertical_, x, y);
  }
  void change_backward(const RandomRow& numbers, const float*, const float* dy, float* scratch,
                       float* dx) const override {
    change(numbers, dy, scratch, dx);
  }

  bool horizontal_;
  bool vertical_;
};

}  // namespace

std::unique_ptr<Op> make_random_flip(const Attributes& attributes, const Shape& input) {
  return std::make_unique<RandomFlip>(
      input, image_of("RandomFlip", input), attributes.boolean("horizontal"),
      attributes.boolean("vertical"), static_cast<std::uint64_t>(attributes.integer("seed")));
}

}  // namespace convlet
