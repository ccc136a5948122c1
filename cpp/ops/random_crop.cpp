// RandomCrop: in training the same window, at random, of all images of a batch; otherwise one that
// does not change. A window of another size than the output is resized to it.
#include <algorithm>

#include "kernels/affine_sampling.hpp"
#include "kernels/random.hpp"
#include "ops/factories.hpp"
#include "ops/image_shape.hpp"

namespace convlet {
namespace {

// A part of an image: its first pixel and its size.
struct Window {
  std::int64_t top;
  std::int64_t left;
  ImageSize size;
};

class RandomCrop final : public Op {
 public:
  // training: without one, it is of the output's size and anywhere.
  RandomCrop(const Image& image, const ImageSize& output, const Window& inference,
             const Window* training, std::uint64_t seed)
      : Op({output.h, output.w, image.c}, {}),
        image_(image),
        output_(output),
        inference_(inference),
        training_(training != nullptr ? *training : Window{0, 0, output}),
        anywhere_(training == nullptr),
        seed_(seed) {}

  void forward(const ForwardArgs& a) const override {
    const Window seen = window_of(a.context);
    for (std::int64_t row = 0; row < a.rows; ++row) {
      sample(images_of(seen), resize(seen.size, output_),
             a.x + row * image_.elements() + start(seen), a.y + row * output_elements());
    }
  }

  void backward(const BackwardArgs& a) const override {
    if (a.dx == nullptr) return;
    const Window seen = window_of(a.context);
    std::fill_n(a.dx, a.rows * image_.elements(), 0.0F);
    for (std::int64_t row = 0; row < a.rows; ++row) {
      sample_backward(images_of(seen), resize(seen.size, output_), a.dy + row * output_elements(),
                      a.dx + row * image_.elements() + start(seen));
    }
  }

 private:
  std::int64_t output_elements() const { return output_.h * output_.w * image_.c; }

  Window window_of(const Context& context) const {
    if (!context.training) return inference_;
    if (!anywhere_) return training_;
    float u[2];
    random_uniform({seed_, context.step, 0}, 2, u);
    const auto drawn = [](float number, std::int64_t places) {
      const auto place = static_cast<std::int64_t>(number * static_cast<float>(places));
      return std::min(place, places - 1);
    };
    return {drawn(u[0], image_.size.h - output_.h + 1), drawn(u[1], image_.size.w - output_.w + 1),
            output_};
  }

  // A window of the output's size is copied, pixel by pixel.
  Resampling images_of(const Window& seen) const {
    const bool resizes = seen.size.h != output_.h || seen.size.w != output_.w;
    return {seen.size, image_.size.w, output_, image_.c, {resizes, FillMode::kNearest, 0.0F}};
  }
  // Where it begins in an image.
  std::int64_t start(const Window& seen) const {
    return (seen.top * image_.size.w + seen.left) * image_.c;
  }

  Image image_;
  ImageSize output_;
  Window inference_;
  Window training_;
  bool anywhere_;
  std::uint64_t seed_;
};

// The attribute (top, left, height, width), inside the image.
Window window_of(const Attributes& attributes, const std::string& name, const Image& image) {
  const Shape w = attributes.integers(name);
  const auto fits = [&](std::size_t axis, std::int64_t size) {
    return w[axis] >= 0 && w[axis] < size && w[axis + 2] >= 1 && w[axis + 2] <= size - w[axis];
  };
  if (w.size() != 4 || !fits(0, image.size.h) || !fits(1, image.size.w)) {
    throw ValueError("`" + name + "` must be a part of the image. Received: " + tuple_string(w));
  }
  return {w[0], w[1], {w[2], w[3]}};
}

}  // namespace

std::unique_ptr<Op> make_random_crop(const Attributes& attributes, const Shape& input) {
  const Image image = image_of("RandomCrop", input);
  const ImageSize output{attributes.positive("height"), attributes.positive("width")};
  elements({output.h, output.w, image.c});
  const Window inference = window_of(attributes, "window", image);
  const auto seed = static_cast<std::uint64_t>(attributes.integer("seed"));
  if (attributes.has("training_window")) {
    const Window training = window_of(attributes, "training_window", image);
    return std::make_unique<RandomCrop>(image, output, inference, &training, seed);
  }
  if (output.h > image.size.h || output.w > image.size.w) {
    throw ValueError("RandomCrop cannot cut " + tuple_string({output.h, output.w}) +
                     " out of images of shape " + batch_string(input));
  }
  return std::make_unique<RandomCrop>(image, output, inference, nullptr, seed);
}

}  // namespace convlet
