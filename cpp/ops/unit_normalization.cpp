// UnitNormalization over the last axes: y = x / sqrt(sum x^2).
#include "kernels/row_normalization.hpp"
#include "ops/factories.hpp"
#include "ops/last_axes.hpp"

namespace convlet {
namespace {

class UnitNormalization final : public Op {
 public:
  // n: elements of the axes that are normalized.
  UnitNormalization(const Shape& shape, std::int64_t n)
      : Op(shape, {}), n_(n), stretches_(elements(shape) / n) {}

  void forward(const ForwardArgs& a) const override {
    normalize_length(a.rows * stretches_, n_, a.x, a.y);
  }

  void backward(const BackwardArgs& a) const override {
    if (a.dx != nullptr) normalize_length_backward(a.rows * stretches_, n_, a.x, a.dy, a.dx);
  }

 private:
  std::int64_t n_;
  std::int64_t stretches_;  // in one row of the batch
};

}  // namespace

std::unique_ptr<Op> make_unit_normalization(const Attributes& attributes, const Shape& input) {
  return std::make_unique<UnitNormalization>(
      input, elements(last_axes("UnitNormalization", attributes, input)));
}

}  // namespace convlet
