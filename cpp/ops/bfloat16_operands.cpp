#include "ops/bfloat16_operands.hpp"

#include <algorithm>

#include "kernels/bfloat16.hpp"
#include "kernels/tile.hpp"

namespace convlet {
namespace {

// Rows whose rounded copies inference makes at once: enough rows of a Dense layer to read its
// weights seldom, and of large images as many as stay in the second-level cache.
std::int64_t rows_together(const Shape& input) {
  constexpr std::int64_t kFloats = 1 << 16;
  const std::int64_t least = input.size() == 1 ? 4 * kTileRows : 1;
  return std::max(least, kFloats / std::max<std::int64_t>(1, elements(input)));
}

class Bfloat16Operands final : public Op {
 public:
  Bfloat16Operands(std::unique_ptr<Op> op, const Shape& input)
      : Op(op->output_shape(), op->parameters()),
        op_(std::move(op)),
        x_size_(elements(input)),
        y_size_(elements(output_shape())),
        rows_together_(rows_together(input)),
        columns_(parameters().front().shape.back()),
        taps_(elements(parameters().front().shape) / (op_->units() * columns_)),
        rounded_size_(parameter_stride(taps_ * op_->units() * columns_)) {}

  Storage storage(bool training) const override {
    Storage storage = op_->storage(training);
    storage.packed += rounded_size_;
    storage.scratch += copy_size();
    if (training) storage.saved_per_row += x_size_;
    return storage;
  }

  void forward(const ForwardArgs& a) const override {
    if (a.saved == nullptr) return forward_part(a, {});
    float* x = rounded_x(a.saved, a.rows);
    round_bfloat16(a.rows * x_size_, a.x, x);
    ForwardArgs rounded = a;
    rounded.x = x;
    rounded.packed += rounded_size_;
    op_->forward(rounded);
  }

  void forward_part(const ForwardArgs& a, Part part) const override {
    ForwardArgs rounded = a;
    rounded.x = a.scratch;
    rounded.packed += rounded_size_;
    rounded.scratch += copy_size();
    for (std::int64_t row = 0; row < a.rows; row += rows_together_) {
      rounded.rows = std::min(rows_together_, a.rows - row);
      rounded.y = a.y + row * y_size_;
      round_bfloat16(rounded.rows * x_size_, a.x + row * x_size_, a.scratch);
      op_->forward_part(rounded, part);
    }
  }

  void backward(const BackwardArgs& a) const override {
    round_bfloat16(a.rows * y_size_, a.dy, a.dy);
    BackwardArgs rounded = a;
    rounded.x = rounded_x(a.saved, a.rows);
    rounded.packed += rounded_size_;
    op_->backward(rounded);
  }

  void finish_gradient(float* workspace, float* gradient) const override {
    op_->finish_gradient(workspace, gradient);
  }

  std::int64_t late_unit() const override { return op_->late_unit(); }
  void late_gradient(std::int64_t begin, std::int64_t end, std::span<const Kept> kept,
                     std::span<const float* const> next, float* gradient) const override {
    op_->late_gradient(begin, end, kept, next, gradient);
  }

  std::int64_t units() const override { return (op_->units() + kUnit - 1) / kUnit; }
  std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end) const override {
    return op_->unit_spans(kUnit * begin, last_unit(end));
  }

  // From a rounded copy of the kernel, which lies in front of what the op itself packs.
  void pack(std::int64_t begin, std::int64_t end, const float* parameters, bool training,
            float* packed) const override {
    begin *= kUnit;
    end = last_unit(end);
    for (std::int64_t tap = 0; tap < taps_; ++tap) {
      const std::int64_t at = (tap * op_->units() + begin) * columns_;
      round_bfloat16((end - begin) * columns_, parameters + at, packed + at);
    }
    op_->pack(begin, end, packed, training, packed + rounded_size_);
  }

 private:
  // The op's own units that go together: neighbours, where they are packed in pairs. Ops that
  // multiply pairs have no late gradients.
  static constexpr std::int64_t kUnit = simd::kMultiplies<simd::Pair> ? 2 : 1;

  std::int64_t last_unit(std::int64_t end) const { return std::min(kUnit * end, op_->units()); }
  std::int64_t copy_size() const { return round_up(rows_together_ * x_size_, simd::kLanes); }

  // Behind what the op itself saves.
  template <class T>
  T* rounded_x(T* saved, std::int64_t rows) const {
    return saved + rows * op_->storage(true).saved_per_row;
  }

  std::unique_ptr<Op> op_;
  std::int64_t x_size_;
  std::int64_t y_size_;
  std::int64_t rows_together_;
  std::int64_t columns_;  // the kernel, which is the first parameter, is [taps][units][columns]
  std::int64_t taps_;
  std::int64_t rounded_size_;
};

}  // namespace

std::unique_ptr<Op> with_bfloat16_operands(std::unique_ptr<Op> op, const Shape& input) {
  if (op->units() == 0) throw ValueError("`bfloat16` is for ops that multiply by a kernel.");
  return std::make_unique<Bfloat16Operands>(std::move(op), input);
}

}  // namespace convlet
