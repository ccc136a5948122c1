// RandomErasing: in training a rectangle of each image is filled with a color or with noise, with
// a probability that is drawn, too (Zhong et al., 2017; the numbers as in Keras).
#include <algorithm>
#include <cmath>

#include "ops/factories.hpp"
#include "ops/random_image_op.hpp"

namespace convlet {
namespace {

struct Settings {
  Range probability;
  Range area;
  Range values;             // of pixels, which the filling is clipped to
  std::vector<float> fill;  // one value a channel; none: noise
};

class RandomErasing final : public RandomImageOp {
 public:
  RandomErasing(const Shape& shape, const Image& image, Settings settings, std::uint64_t seed)
      : RandomImageOp(shape, image, seed), set_(std::move(settings)) {}

  // The noise, behind the group of numbers that the rectangle is drawn with.
  Storage storage(bool training) const override {
    return {.scratch = training && set_.fill.empty() ? kRandomGroup + image().elements() : 0};
  }

 private:
  // Rows [top, bottom) and columns [left, right).
  struct Box {
    std::int64_t top, bottom, left, right;
  };

  // The pixels whose coordinates are in [start, start + length).
  static void cut(float share, float place, std::int64_t size, std::int64_t& begin,
                  std::int64_t& end) {
    const float length = std::sqrt(share) * static_cast<float>(size);
    const float start = place * (static_cast<float>(size) - length);
    begin = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ceil(start)), 0, size);
    end = std::clamp<std::int64_t>(static_cast<std::int64_t>(std::ceil(start + length)), 0, size);
  }

  Box box_of(const RandomRow& numbers) const {
    float u[6];
    random_uniform(numbers, 6, u);
    if (u[5] >= set_.probability.at(u[4])) return {0, 0, 0, 0};
    Box box{};
    cut(set_.area.at(u[0]), u[2], image().size.w, box.left, box.right);
    cut(set_.area.at(u[1]), u[3], image().size.h, box.top, box.bottom);
    return box;
  }

  // f(offset of the first of a row's erased pixels, how many floats).
  template <class F>
  void for_rows(const Box& box, F&& f) const {
    for (std::int64_t row = box.top; row < box.bottom; ++row) {
      f((row * image().size.w + box.left) * image().c, (box.right - box.left) * image().c);
    }
  }

  void change(const RandomRow& numbers, const float* x, float* scratch, float* y) const override {
    const std::int64_t size = image().elements();
    const Box box = box_of(numbers);
    std::copy_n(x, size, y);
    if (box.top == box.bottom) return;
    if (set_.fill.empty()) {
      random_normal(numbers, kRandomGroup + size, 0.0F, set_.values.high, scratch);
    }
    for_rows(box, [&](std::int64_t at, std::int64_t count) {
      for (std::int64_t i = 0; i < count; ++i) {
        const float value = set_.fill.empty() ? scratch[kRandomGroup + at + i]
                                              : set_.fill[static_cast<std::size_t>(i % image().c)];
        y[at + i] = std::clamp(value, set_.values.low, set_.values.high);
      }
    });
  }

  void change_backward(const RandomRow& numbers, const float*, const float* dy, float*,
                       float* dx) const override {
    std::copy_n(dy, image().elements(), dx);
    for_rows(box_of(numbers),
             [&](std::int64_t at, std::int64_t count) { std::fill_n(dx + at, count, 0.0F); });
  }

  Settings set_;
};

}  // namespace

std::unique_ptr<Op> make_random_erasing(const Attributes& attributes, const Shape& input) {
  const Image image = image_of("RandomErasing", input);
  Settings settings{range_of(attributes, "factor"),
                    range_of(attributes, "scale"),
                    range_of(attributes, "value"),
                    {}};
  if (settings.values.low > settings.values.high) {
    throw ValueError("`value_range` must be two numbers, the lower one first.");
  }
  if (attributes.has("fill_value")) {
    const std::vector<double> fill = attributes.numbers("fill_value");
    const auto channels = static_cast<std::size_t>(image.c);
    if (fill.size() != 1 && fill.size() != channels) {
      throw ValueError("`fill_value` must be one number, or one for each of the " +
                       std::to_string(channels) +
                       " channels. Received: " + std::to_string(fill.size()));
    }
    settings.fill.assign(channels, static_cast<float>(fill.front()));
    if (fill.size() > 1) std::copy(fill.begin(), fill.end(), settings.fill.begin());
  }
  return std::make_unique<RandomErasing>(input, image, std::move(settings),
                                         static_cast<std::uint64_t>(attributes.integer("seed")));
}

}  // namespace convlet
