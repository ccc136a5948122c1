// Broadcast: one row repeated along axes that are missing in front or have a size of 1, as the
// layers that merge several inputs do before they meet.
#include "kernels/broadcast.hpp"

#include <algorithm>

#include "ops/factories.hpp"

namespace convlet {
namespace {

class BroadcastTo final : public Op {
 public:
  // input: as many axes as the output.
  BroadcastTo(const Shape& output, const Shape& input) : Op(output, {}), x_size_(elements(input)) {
    // The last axes that are all repeated, or all not, are one run.
    std::size_t axis = output.size();
    while (axis > 0 && output[axis - 1] == 1) --axis;
    spread_ = axis > 0 && input[axis - 1] == 1;
    for (; axis > 0 && (input[axis - 1] == 1) == spread_; --axis) run_ *= output[axis - 1];
    Shape before(output.begin(), output.begin() + static_cast<std::ptrdiff_t>(axis));
    source_.resize(static_cast<std::size_t>(elements(before)));
    std::int64_t number = 0;
    for (std::int32_t& source : source_) source = source_of(number++, before, input);
  }

  void forward(const ForwardArgs& a) const override { broadcast(geometry(), a.rows, a.x, a.y); }

  void backward(const BackwardArgs& a) const override {
    if (a.dx != nullptr) broadcast_backward(geometry(), a.rows, a.dy, a.dx);
  }

 private:
  Broadcast geometry() const { return {source_, run_, spread_, x_size_}; }

  // Where in the input the run of this number begins.
  static std::int32_t source_of(std::int64_t number, const Shape& before, const Shape& input) {
    std::int64_t stride = 1;
    for (std::size_t a = before.size(); a < input.size(); ++a) stride *= input[a];
    std::int64_t source = 0;
    for (std::size_t a = before.size(); a-- > 0; number /= before[a], stride *= input[a]) {
      if (input[a] != 1) source += number % before[a] * stride;
    }
    return static_cast<std::int32_t>(source);
  }

  std::int64_t x_size_;
  std::int64_t run_ = 1;
  bool spread_ = false;
  std::vector<std::int32_t> source_;
};

}  // namespace

std::unique_ptr<Op> make_broadcast(const Attributes& attributes, const Shape& input) {
  const Shape output = attributes.integers("target_shape");
  elements(output);
  const auto refuse = [&] {
    throw ValueError("An input of shape " + tuple_string(input) +
                     " cannot be broadcast. Received: target_shape=" + tuple_string(output));
  };
  if (input.size() > output.size()) refuse();
  // Missing axes are there in front, with a size of 1.
  Shape aligned(output.size() - input.size(), 1);
  aligned.insert(aligned.end(), input.begin(), input.end());
  for (std::size_t a = 0; a < output.size(); ++a) {
    if (aligned[a] != output[a] && aligned[a] != 1) refuse();
  }
  return std::make_unique<BroadcastTo>(output, aligned);
}

}  // namespace convlet
