// Rescaling: y = scale * x + offset. As the first step of a network the plan does it while
// gathering the batch.
#include "kernels/convert.hpp"

#include "ops/factories.hpp"

namespace convlet {
namespace {

class Rescaling final : public Op {
 public:
  Rescaling(const Shape& shape, float scale, float offset)
      : Op(shape, {}), size_(elements(shape)), scale_(scale), offset_(offset) {}

  void forward(const ForwardArgs& a) const override {
    convert(a.rows * size_, a.x, scale_, offset_, a.y);
  }

  void backward(const BackwardArgs& a) const override {
    if (a.dx != nullptr) convert(a.rows * size_, a.dy, scale_, 0.0F, a.dx);
  }

 private:
  std::int64_t size_;
  float scale_;
  float offset_;
};

}  // namespace

std::unique_ptr<Op> make_rescaling(const Attributes& attributes, const Shape& input) {
  return std::make_unique<Rescaling>(input, static_cast<float>(attributes.number("scale")),
                                     static_cast<float>(attributes.number("offset")));
}

}  // namespace convlet
