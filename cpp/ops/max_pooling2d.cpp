// MaxPooling2D.
#include "kernels/max_pooling2d.hpp"

#include "ops/factories.hpp"
#include "ops/window2d.hpp"

namespace convlet {
namespace {

class MaxPooling2D final : public Op {
 public:
  explicit MaxPooling2D(const Window2D& w) : Op({w.oh, w.ow, w.ic}, {}), pool_(w.pool()) {}

  void forward(const ForwardArgs& a) const override { max_pooling2d(pool_, a.rows, a.x, a.y); }

  void backward(const BackwardArgs& a) const override {
    if (a.dx != nullptr) max_pooling2d_backward(pool_, a.rows, a.x, a.y, a.dy, a.dx);
  }

 private:
  Pool2D pool_;
};

}  // namespace

std::unique_ptr<Op> make_max_pooling2d(const Attributes& attributes, const Shape& input) {
  return std::make_unique<MaxPooling2D>(make_window2d(attributes, "pool_size", input));
}

}  // namespace convlet
