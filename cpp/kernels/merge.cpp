#include "kernels/merge.hpp"

#include <algorithm>

namespace convlet {
namespace {

// y = f(y, x) for each input x, starting from the first one.
template <class F>
void fold(std::int64_t size, std::span<const float* const> xs, float* y, F&& f) {
  std::copy_n(xs[0], size, y);
  for (const float* x : xs.subspan(1)) {
    for (std::int64_t i = 0; i < size; ++i) y[i] = f(y[i], x[i]);
  }
}

void scale(std::int64_t size, float factor, const float* x, float* y) {
  for (std::int64_t i = 0; i < size; ++i) y[i] = factor * x[i];
}

// dx = dy where the input is what y is, and none before it.
void winner_backward(std::int64_t size, std::span<const float* const> xs, const float* y,
                     std::size_t index, const float* dy, float* dx) {
  const auto is_y = [&](std::size_t input, std::int64_t i) {
    const float v = xs[input][i];
    return v == y[i] || v != v;
  };
  for (std::int64_t i = 0; i < size; ++i) {
    bool first = is_y(index, i);
    for (std::size_t before = 0; before < index; ++before) first = first && !is_y(before, i);
    dx[i] = first ? dy[i] : 0.0F;
  }
}

void multiply_backward(std::int64_t size, std::span<const float* const> xs, std::size_t index,
                       const float* dy, float* dx) {
  std::copy_n(dy, size, dx);
  for (std::size_t other = 0; other < xs.size(); ++other) {
    if (other == index) continue;
    const float* x = xs[other];
    for (std::int64_t i = 0; i < size; ++i) dx[i] *= x[i];
  }
}

float one_of(std::span<const float* const> xs) { return 1.0F / static_cast<float>(xs.size()); }

}  // namespace

void merge(Merge f, std::int64_t size, std::span<const float* const> xs, float* y) {
  switch (f) {
    case Merge::kAdd:
      return fold(size, xs, y, [](float a, float b) { return a + b; });
    case Merge::kAverage:
      fold(size, xs, y, [](float a, float b) { return a + b; });
      return scale(size, one_of(xs), y, y);
    case Merge::kMaximum:
      return fold(size, xs, y, [](float a, float b) { return a >= b || a != a ? a : b; });
    case Merge::kMinimum:
      return fold(size, xs, y, [](float a, float b) { return a <= b || a != a ? a : b; });
    case Merge::kMultiply:
      return fold(size, xs, y, [](float a, float b) { return a * b; });
    case Merge::kSubtract:
      return fold(size, xs, y, [](float a, float b) { return a - b; });
  }
}

void merge_backward(Merge f, std::int64_t size, std::span<const float* const> xs, const float* y,
                    std::size_t index, const float* dy, float* dx) {
  switch (f) {
    case Merge::kAdd:
      std::copy_n(dy, size, dx);
      return;
    case Merge::kAverage:
      return scale(size, one_of(xs), dy, dx);
    case Merge::kMaximum:
    case Merge::kMinimum:
      return winner_backward(size, xs, y, index, dy, dx);
    case Merge::kMultiply:
      return multiply_backward(size, xs, index, dy, dx);
    case Merge::kSubtract:
      return scale(size, index == 0 ? 1.0F : -1.0F, dy, dx);
  }
}

}  // namespace convlet
