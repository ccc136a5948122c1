// GlobalMaxPooling2D: (h, w, c) becomes (1, 1, c).
#include "kernels/global_max_pooling2d.hpp"

#include "ops/factories.hpp"

namespace convlet {
namespace {

class GlobalMaxPooling2D final : public Op {
 public:
  GlobalMaxPooling2D(std::int64_t pixels, std::int64_t c)
      : Op({1, 1, c}, {}), pixels_(pixels), c_(c) {}

  void forward(const ForwardArgs& a) const override {
    global_max_pooling2d(a.rows, pixels_, c_, a.x, a.y);
  }

  void backward(const BackwardArgs& a) const override {
    if (a.dx == nullptr) return;
    global_max_pooling2d_backward(a.rows, pixels_, c_, a.x, a.y, a.dy, a.dx);
  }

 private:
  std::int64_t pixels_;
  std::int64_t c_;
};

}  // namespace

std::unique_ptr<Op> make_global_max_pooling2d(const Attributes&, const Shape& input) {
  if (input.size() != 3 || elements(input) == 0) {
    throw ValueError(
        "Expected images of shape (None, height, width, channels). Received: inputs shape=" +
        batch_string(input));
  }
  return std::make_unique<GlobalMaxPooling2D>(input[0] * input[1], input[2]);
}

}  // namespace convlet
