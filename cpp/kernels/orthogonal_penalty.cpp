#include "kernels/orthogonal_penalty.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/elementwise.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::Vec;

float dot(std::int64_t size, const float* a, const float* b) {
  Vec sum{};
  elementwise(size, [&sum](Vec x, Vec y) { sum += x * y; }, a, b);
  float total = 0.0F;
  for (int i = 0; i < simd::kLanes; ++i) total += sum[i];
  return total;
}

// y += factor * x
void add(std::int64_t size, float factor, const float* x, float* y) {
  elementwise(size, [factor](Vec v, Vec& sum) { sum += simd::broadcast(factor) * v; }, x, y);
}

// Unit vectors u [count][length] and the norms of the vectors they come from.
void normalize(const OrthogonalPenalty& p, const float* w, float* u, float* norms) {
  constexpr float kSmallest = 1e-7F;  // keras.config.epsilon()
  for (std::int64_t i = 0; i < p.count; ++i) {
    float* row = u + i * p.length;
    for (std::int64_t j = 0; j < p.length; ++j)
      row[j] = w[i * p.vector_stride + j * p.number_stride];
    const float norm = std::sqrt(dot(p.length, row, row));
    norms[i] = norm < kSmallest ? kSmallest : norm;
    for (std::int64_t j = 0; j < p.length; ++j) row[j] /= norms[i];
  }
}

}  // namespace

double OrthogonalPenalty::operator()(const float* w, float scale, float* g, float* scratch) const {
  float* u = scratch;
  float* du = u + count * length;
  float* norms = du + count * length;
  normalize(*this, w, u, norms);
  std::fill_n(du, count * length, 0.0F);
  double sum = 0.0;
  for (std::int64_t i = 0; i < count; ++i) {
    for (std::int64_t j = 0; j < i; ++j) {
      const float product = dot(length, u + i * length, u + j * length);
      sum += 2.0 * std::abs(static_cast<double>(product));
      if (g == nullptr || product == 0.0F) continue;
      const float sign = product > 0.0F ? 2.0F : (product < 0.0F ? -2.0F : product);
      add(length, sign, u + j * length, du + i * length);
      add(length, sign, u + i * length, du + j * length);
    }
  }
  const double share =
      static_cast<double>(factor) / (static_cast<double>(count) * static_cast<double>(count - 1));
  for (std::int64_t i = 0; i < count && g != nullptr; ++i) {
    const float* direction = u + i * length;
    const float* gradient = du + i * length;
    const float along = dot(length, direction, gradient);
    const float times = scale * static_cast<float>(share) / norms[i];
    for (std::int64_t j = 0; j < length; ++j)
      g[i * vector_stride + j * number_stride] += times * (gradient[j] - along * direction[j]);
  }
  return share * sum;
}

}  // namespace convlet
