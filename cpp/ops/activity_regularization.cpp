// y = x, with a penalty on x that joins the loss.
#include <algorithm>

#include "kernels/update_steps.hpp"
#include "ops/factories.hpp"

namespace convlet {
namespace {

class ActivityRegularization final : public Op {
 public:
  ActivityRegularization(const Shape& shape, float l1, float l2)
      : Op(shape, {}), size_(elements(shape)), l1_(l1), l2_(l2) {}

  double penalty(std::int64_t rows, const float* y) const override {
    return convlet::penalty(rows * size_, l1_, l2_, y);
  }

  // The output is the input itself there.
  bool only_in_training() const override { return true; }

  void forward(const ForwardArgs& a) const override { std::copy_n(a.x, a.rows * size_, a.y); }

  void backward(const BackwardArgs& a) const override {
    if (a.dx == nullptr) return;
    std::copy_n(a.dy, a.rows * size_, a.dx);
    if (a.context.penalty_scale != 0.0F)
      penalize(a.rows * size_, l1_, l2_, a.context.penalty_scale, a.x, a.dx);
  }

 private:
  std::int64_t size_;
  float l1_;
  float l2_;
};

}  // namespace

std::unique_ptr<Op> make_activity_regularization(const Attributes& attributes, const Shape& input) {
  return std::make_unique<ActivityRegularization>(
      input, static_cast<float>(attributes.number_or("l1", 0.0)),
      static_cast<float>(attributes.number_or("l2", 0.0)));
}

}  // namespace convlet
