#include "kernels/row_normalization.hpp"

#include <cmath>

#include "kernels/vectors.hpp"
#include "simd/vec.hpp"

namespace convlet {
namespace {

using simd::Vec;

constexpr float kLargestFactor = 1e12F;

// Of one row.
struct Statistics {
  float mean;
  float inverse;
};

// Of row r, as normalize_rows left them.
Statistics at_row(const float* statistics, std::int64_t r) {
  return {statistics[2 * r], statistics[2 * r + 1]};
}

Statistics statistics_of(const RowNormalization& normal, const float* x) {
  const auto n = static_cast<float>(normal.n);
  const float mean =
      sum_over_vectors(normal.n,
                       [&](std::int64_t at, int count) { return load_first(x + at, count); }) /
      n;
  const float variance = sum_over_vectors(normal.n,
                                          [&](std::int64_t at, int count) {
                                            const Vec d = load_first(x + at, count) - mean;
                                            return d * d;
                                          }) /
                         n;
  return {mean, 1.0F / std::sqrt(variance + normal.epsilon)};
}

// What is taken off x.
float shift_of(const RowNormalization& normal, const Statistics& row) {
  return normal.rms ? 0.0F : row.mean;
}

float length_factor(std::int64_t n, const float* x) {
  const float square = sum_over_vectors(n, [&](std::int64_t at, int count) {
    const Vec v = load_first(x + at, count);
    return v * v;
  });
  const float factor = 1.0F / std::sqrt(square);
  return factor > kLargestFactor ? kLargestFactor : factor;
}

}  // namespace

void normalize_rows(const RowNormalization& normal, std::int64_t rows, const float* x,
                    const float* gamma, const float* beta, float* statistics, float* y) {
  for (std::int64_t r = 0; r < rows; ++r, x += normal.n, y += normal.n) {
    const Statistics row = statistics_of(normal, x);
    const float shift = shift_of(normal, row);
    if (statistics != nullptr) {
      statistics[2 * r] = row.mean;
      statistics[2 * r + 1] = row.inverse;
    }
    for_vectors(normal.n, [&](std::int64_t at, int count) {
      const Vec scaled = (load_first(x + at, count) - shift) * row.inverse;
      store_first(y + at,
                  simd::fma(scaled, load_first(gamma + at, count), load_first(beta + at, count)),
                  count);
    });
  }
}

void add_row_gradients(const RowNormalization& normal, std::int64_t rows, const float* x,
                       const float* statistics, const float* dy, float* dgamma, float* dbeta) {
  for (std::int64_t r = 0; r < rows; ++r, x += normal.n, dy += normal.n) {
    const Statistics row = at_row(statistics, r);
    const float shift = shift_of(normal, row);
    for_vectors(normal.n, [&](std::int64_t at, int count) {
      const Vec d = load_first(dy + at, count);
      if (dgamma != nullptr) {
        const Vec scaled = (load_first(x + at, count) - shift) * row.inverse;
        store_first(dgamma + at, simd::fma(d, scaled, load_first(dgamma + at, count)), count);
      }
      if (dbeta != nullptr) store_first(dbeta + at, load_first(dbeta + at, count) + d, count);
    });
  }
}

void normalize_rows_backward(const RowNormalization& normal, std::int64_t rows, const float* x,
                             const float* gamma, const float* statistics, const float* dy,
                             float* dx) {
  const auto n = static_cast<float>(normal.n);
  for (std::int64_t r = 0; r < rows; ++r, x += normal.n, dy += normal.n, dx += normal.n) {
    const Statistics row = at_row(statistics, r);
    const float shift = shift_of(normal, row);
    const auto g = [&](std::int64_t at, int count) {
      return load_first(gamma + at, count) * load_first(dy + at, count);
    };
    const float mean = normal.rms ? 0.0F : sum_over_vectors(normal.n, g) / n;
    const float product =
        sum_over_vectors(normal.n,
                         [&](std::int64_t at, int count) {
                           return g(at, count) * (load_first(x + at, count) - shift);
                         }) /
        n;
    const float slope = row.inverse * row.inverse * product;
    for_vectors(normal.n, [&](std::int64_t at, int count) {
      const Vec centered = load_first(x + at, count) - row.mean;
      store_first(dx + at, row.inverse * ((g(at, count) - mean) - slope * centered), count);
    });
  }
}

void normalize_length(std::int64_t rows, std::int64_t n, const float* x, float* y) {
  for (std::int64_t r = 0; r < rows; ++r, x += n, y += n) {
    const float factor = length_factor(n, x);
    for_vectors(n, [&](std::int64_t at, int count) {
      store_first(y + at, load_first(x + at, count) * factor, count);
    });
  }
}

void normalize_length_backward(std::int64_t rows, std::int64_t n, const float* x, const float* dy,
                               float* dx) {
  for (std::int64_t r = 0; r < rows; ++r, x += n, dy += n, dx += n) {
    const float factor = length_factor(n, x);
    const float product = sum_over_vectors(n, [&](std::int64_t at, int count) {
      return (load_first(x + at, count) * factor) * load_first(dy + at, count);
    });
    const float slope = factor == kLargestFactor ? 0.0F : product * factor;
    for_vectors(n, [&](std::int64_t at, int count) {
      const Vec rest = load_first(dy + at, count) - slope * load_first(x + at, count);
      store_first(dx + at, factor * rest, count);
    });
  }
}

}  // namespace convlet
