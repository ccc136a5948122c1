// UpSampling2D.
#include "kernels/up_sampling2d.hpp"

#include "ops/factories.hpp"

namespace convlet {
namespace {

class NearestUpSampling2D final : public Op {
 public:
  explicit NearestUpSampling2D(const UpSampling2D& g) : Op({g.oh(), g.ow(), g.c}, {}), g_(g) {}

  void forward(const ForwardArgs& a) const override { nearest_up_sampling2d(g_, a.rows, a.x, a.y); }

  void backward(const BackwardArgs& a) const override {
    if (a.dx != nullptr) nearest_up_sampling2d_backward(g_, a.rows, a.dy, a.dx);
  }

 private:
  UpSampling2D g_;
};

std::vector<Between> places(std::int64_t size, std::int64_t factor) {
  std::vector<Between> all;
  for (std::int64_t out = 0; out < size * factor; ++out)
    all.push_back(place_between(out, factor, size));
  return all;
}

class BilinearUpSampling2D final : public Op {
 public:
  explicit BilinearUpSampling2D(const UpSampling2D& g)
      : Op({g.oh(), g.ow(), g.c}, {}),
        rows_(places(g.h, g.sh)),
        columns_(places(g.w, g.sw)),
        g_(g) {
    g_.rows = rows_.data();
    g_.columns = columns_.data();
  }

  void forward(const ForwardArgs& a) const override {
    bilinear_up_sampling2d(g_, a.rows, a.x, a.y);
  }

  void backward(const BackwardArgs& a) const override {
    if (a.dx != nullptr) bilinear_up_sampling2d_backward(g_, a.rows, a.dy, a.dx);
  }

 private:
  std::vector<Between> rows_;
  std::vector<Between> columns_;
  UpSampling2D g_;
};

}  // namespace

std::unique_ptr<Op> make_up_sampling2d(const Attributes& attributes, const Shape& input) {
  if (input.size() != 3) {
    throw ValueError(
        "Expected images of shape (None, height, width, channels). Received: inputs shape=" +
        batch_string(input));
  }
  const auto size = attributes.positive_pair("size");
  elements({input[0] * size[0], input[1] * size[1], input[2]});  // offsets into the output fit
  const UpSampling2D g{input[0], input[1], input[2], size[0], size[1], nullptr, nullptr};
  const std::string interpolation = attributes.text("interpolation");
  if (interpolation == "nearest") return std::make_unique<NearestUpSampling2D>(g);
  if (interpolation == "bilinear") return std::make_unique<BilinearUpSampling2D>(g);
  throw ValueError("`interpolation` must be 'nearest' or 'bilinear'. Received: interpolation='" +
                   interpolation + "'");
}

}  // namespace convlet
