// Permute: another order of a row's axes.
#include "kernels/permute.hpp"

#include <algorithm>

#include "ops/factories.hpp"

namespace convlet {
namespace {

using Axes = std::array<std::size_t, kPermutedAxes>;
using Sizes = std::array<std::int64_t, kPermutedAxes>;

// The output's axis a is the input's axis axes[a], of `size` (the input's).
Permutation make_permutation(const Axes& axes, const Sizes& size) {
  Sizes stride{};
  std::int64_t step = 1;
  for (std::size_t a = kPermutedAxes; a-- > 0; step *= size[a]) stride[a] = step;
  Permutation p{};
  for (std::size_t a = 0; a < kPermutedAxes; ++a) {
    p.size[a] = size[axes[a]];
    p.stride[a] = stride[axes[a]];
  }
  return p;
}

class Permute final : public Op {
 public:
  Permute(const Shape& output, const Axes& axes, const Sizes& size)
      : Op(output, {}), there_(make_permutation(axes, size)) {
    Axes inverse{};
    for (std::size_t a = 0; a < kPermutedAxes; ++a) inverse[axes[a]] = a;
    back_ = make_permutation(inverse, there_.size);
  }

  void forward(const ForwardArgs& a) const override { permute(there_, a.rows, a.x, a.y); }

  void backward(const BackwardArgs& a) const override {
    if (a.dx != nullptr) permute(back_, a.rows, a.dy, a.dx);
  }

 private:
  Permutation there_;
  Permutation back_;
};

void check_dims(const Shape& dims, const Shape& input) {
  Shape sorted = dims;
  std::sort(sorted.begin(), sorted.end());
  bool valid = dims.size() <= kPermutedAxes;
  for (std::size_t a = 0; a < dims.size(); ++a)
    valid = valid && sorted[a] == static_cast<std::int64_t>(a) + 1;
  if (!valid) {
    throw ValueError("`dims` must be the numbers from 1 to at most " +
                     std::to_string(kPermutedAxes) +
                     " in any order. Received: dims=" + tuple_string(dims));
  }
  if (dims.size() != input.size()) {
    throw ValueError("expected ndim=" + std::to_string(dims.size() + 1) +
                     ", found ndim=" + std::to_string(input.size() + 1) +
                     ". Full shape received: " + batch_string(input));
  }
}

}  // namespace

std::unique_ptr<Op> make_permute(const Attributes& attributes, const Shape& input) {
  const Shape dims = attributes.integers("dims");
  check_dims(dims, input);
  elements(input);
  // Missing axes are there in front, with a size of 1.
  const std::size_t missing = kPermutedAxes - dims.size();
  Axes axes{0, 1, 2, 3};
  Sizes size{1, 1, 1, 1};
  Shape output;
  for (std::size_t a = 0; a < dims.size(); ++a) {
    const auto from = static_cast<std::size_t>(dims[a] - 1);
    axes[missing + a] = missing + from;
    size[missing + a] = input[a];
    output.push_back(input[from]);
  }
  return std::make_unique<Permute>(output, axes, size);
}

}  // namespace convlet
