// GaussianNoise: in training y = x + noise, noise ~ N(0, stddev); GaussianDropout: y = x * noise,
// noise ~ N(1, sqrt(rate / (1 - rate))). y = x otherwise.
#include <algorithm>
#include <cmath>

#include "kernels/random.hpp"
#include "ops/factories.hpp"

namespace convlet {
namespace {

template <bool Multiply>
class GaussianNoise final : public Op {
 public:
  GaussianNoise(const Shape& shape, double deviation, std::uint64_t seed)
      : Op(shape, {}),
        size_(elements(shape)),
        seed_(seed),
        deviation_(static_cast<float>(deviation)) {}

  Storage storage(bool training) const override {
    return {.saved_per_row = training && Multiply ? size_ : 0};
  }

  bool only_in_training() const override { return true; }

  void forward(const ForwardArgs& a) const override {
    if (!a.context.training) {
      std::copy_n(a.x, a.rows * size_, a.y);
      return;
    }
    for (std::int64_t row = 0; row < a.rows; ++row) {
      const float* x = a.x + row * size_;
      float* y = a.y + row * size_;
      float* noise = Multiply ? a.saved + row * size_ : y;
      const auto batch_row = static_cast<std::uint32_t>(a.context.batch_row + row);
      random_normal({seed_, a.context.step, batch_row}, size_, Multiply ? 1.0F : 0.0F, deviation_,
                    noise);
      for (std::int64_t i = 0; i < size_; ++i) y[i] = Multiply ? x[i] * noise[i] : x[i] + noise[i];
    }
  }

  void backward(const BackwardArgs& a) const override {
    if (a.dx == nullptr) return;
    if (!Multiply || !a.context.training) {
      std::copy_n(a.dy, a.rows * size_, a.dx);
      return;
    }
    for (std::int64_t i = 0; i < a.rows * size_; ++i) a.dx[i] = a.dy[i] * a.saved[i];
  }

 private:
  std::int64_t size_;
  std::uint64_t seed_;
  float deviation_;
};

std::uint64_t seed_of(const Attributes& attributes) {
  return static_cast<std::uint64_t>(attributes.integer("seed"));
}

}  // namespace

std::unique_ptr<Op> make_gaussian_noise(const Attributes& attributes, const Shape& input) {
  return std::make_unique<GaussianNoise<false>>(input, attributes.number("stddev"),
                                                seed_of(attributes));
}

std::unique_ptr<Op> make_gaussian_dropout(const Attributes& attributes, const Shape& input) {
  const double rate = attributes.number("rate");
  if (!(rate >= 0.0 && rate < 1.0)) {
    throw ValueError("`rate` must be a number from 0 to below 1. Received: rate=" +
                     std::to_string(rate));
  }
  return std::make_unique<GaussianNoise<true>>(input, std::sqrt(rate / (1.0 - rate)),
                                               seed_of(attributes));
}

}  // namespace convlet
