#include "kernels/standardize.hpp"

#include <algorithm>

#include "kernels/elementwise.hpp"

namespace convlet {
namespace {

using simd::Vec;

// to = f(from, mean, deviation).
template <class F>
void map(const Statistics& statistics, std::int64_t n, const float* from, float* to, F&& f) {
  const auto rule = [&](Vec v, Vec mean, Vec deviation, Vec& result) {
    result = f(v, mean, deviation);
  };
  for (std::int64_t at = 0; at < n; at += statistics.size) {
    elementwise(std::min(statistics.size, n - at), rule, from + at, statistics.mean,
                statistics.deviation, to + at);
  }
}

}  // namespace

void standardize(const Statistics& statistics, std::int64_t n, const float* x, float* y) {
  map(statistics, n, x, y, [](Vec v, Vec mean, Vec deviation) { return (v - mean) / deviation; });
}

void standardize_backward(const Statistics& statistics, std::int64_t n, const float* dy,
                          float* dx) {
  map(statistics, n, dy, dx, [](Vec v, Vec, Vec deviation) { return v / deviation; });
}

void unstandardize(const Statistics& statistics, std::int64_t n, const float* x, float* y) {
  map(statistics, n, x, y,
      [](Vec v, Vec mean, Vec deviation) { return simd::fma(v, deviation, mean); });
}

void unstandardize_backward(const Statistics& statistics, std::int64_t n, const float* dy,
                            float* dx) {
  map(statistics, n, dy, dx, [](Vec v, Vec, Vec deviation) { return v * deviation; });
}

}  // namespace convlet
