// RandomTranslation, RandomRotation and RandomZoom: in training each image through an affine map
// of its own.
#include "kernels/affine_sampling.hpp"

#include <algorithm>

#include "ops/factories.hpp"
#include "ops/random_image_op.hpp"

namespace convlet {
namespace {

// Draws a map of the first numbers of a row, which are in [0, 1).
struct Translation {
  Range vertical;  // in heights and widths of the image
  Range horizontal;

  AffineMap operator()(const float* u, const ImageSize& size) const {
    const float dy = vertical.at(u[0]) * static_cast<float>(size.h);
    return translation(horizontal.at(u[1]) * static_cast<float>(size.w), dy);
  }
};

struct Rotation {
  Range turns;

  AffineMap operator()(const float* u, const ImageSize& size) const {
    constexpr float kDegree = 0.017453292519943295F;
    const Range degrees{turns.low * 360.0F, turns.high * 360.0F};
    return rotation(degrees.at(u[0]) * kDegree, size);
  }
};

struct Zoom {
  Range vertical;
  Range horizontal;
  bool keep_aspect;  // both alike

  AffineMap operator()(const float* u, const ImageSize& size) const {
    const float height = vertical.at(u[0]);
    return zoom(keep_aspect ? height : horizontal.at(u[1]), height, size);
  }
};

template <class Draw>
class RandomAffine final : public RandomImageOp {
 public:
  RandomAffine(const Shape& shape, const Image& image, const Sampling& sampling, const Draw& draw,
               std::uint64_t seed)
      : RandomImageOp(shape, image, seed),
        images_{image.size, image.size.w, image.size, image.c, sampling},
        draw_(draw) {}

 private:
  AffineMap map_of(const RandomRow& numbers) const {
    float u[2];
    random_uniform(numbers, 2, u);
    return draw_(u, images_.input);
  }

  void change(const RandomRow& numbers, const float* x, float*, float* y) const override {
    sample(images_, map_of(numbers), x, y);
  }
  void change_backward(const RandomRow& numbers, const float*, const float* dy, float*,
                       float* dx) const override {
    std::fill_n(dx, image().elements(), 0.0F);
    sample_backward(images_, map_of(numbers), dy, dx);
  }

  Resampling images_;
  Draw draw_;
};

FillMode fill_mode_of(const std::string& name) {
  if (name == "constant") return FillMode::kConstant;
  if (name == "nearest") return FillMode::kNearest;
  if (name == "reflect") return FillMode::kReflect;
  if (name == "wrap") return FillMode::kWrap;
  throw ValueError("`fill_mode` must be 'constant', 'nearest', 'reflect' or 'wrap'. Received: " +
                   name);
}

Sampling sampling_of(const Attributes& attributes) {
  const std::string interpolation = attributes.text("interpolation");
  if (interpolation != "bilinear" && interpolation != "nearest") {
    throw ValueError("`interpolation` must be 'bilinear' or 'nearest'. Received: " + interpolation);
  }
  return {interpolation == "bilinear", fill_mode_of(attributes.text("fill_mode")),
          static_cast<float>(attributes.number("fill_value"))};
}

template <class Draw>
std::unique_ptr<Op> make(const std::string& layer, const Attributes& attributes, const Shape& input,
                         const Draw& draw) {
  return std::make_unique<RandomAffine<Draw>>(
      input, image_of(layer, input), sampling_of(attributes), draw,
      static_cast<std::uint64_t>(attributes.integer("seed")));
}

// 1 more.
Range above_one(const Range& range) { return {1.0F + range.low, 1.0F + range.high}; }

}  // namespace

std::unique_ptr<Op> make_random_translation(const Attributes& attributes, const Shape& input) {
  return make("RandomTranslation", attributes, input,
              Translation{range_of(attributes, "height"), range_of(attributes, "width")});
}

std::unique_ptr<Op> make_random_rotation(const Attributes& attributes, const Shape& input) {
  return make("RandomRotation", attributes, input, Rotation{range_of(attributes, "factor")});
}

std::unique_ptr<Op> make_random_zoom(const Attributes& attributes, const Shape& input) {
  const bool keep_aspect = !attributes.has("width_lower");
  const Range vertical = above_one(range_of(attributes, "height"));
  const Range horizontal = keep_aspect ? vertical : above_one(range_of(attributes, "width"));
  return make("RandomZoom", attributes, input, Zoom{vertical, horizontal, keep_aspect});
}

}  // namespace convlet
