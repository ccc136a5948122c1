// Normalization of each of `rows` rows of n neighbouring floats by itself: what LayerNormalization
// and UnitNormalization do. Single-threaded, allocation-free; reads and writes nothing outside of
// the rows.
//
// Sums are of float32, in four vectors side by side, of n / (4 lanes) + 3 + lanes terms each, so
// none errs by more than 2 n eps sum|term|. The variance is the mean of (x - mean)^2, so that an
// error of the mean, 2 n eps mean|x|, enters it squared.
#pragma once

#include <cstdint>

namespace convlet {

struct RowNormalization {
  std::int64_t n;
  float epsilon;
  bool rms;  // the mean is not taken off, though the variance is that around it
};

// y = gamma (x - mean) inverse + beta with inverse = 1 / sqrt(variance + epsilon), or gamma x
// inverse + beta with `rms`. statistics: [rows][2], mean and inverse, written; or nullptr. y may be
// x.
void normalize_rows(const RowNormalization& normal, std::int64_t rows, const float* x,
                    const float* gamma, const float* beta, float* statistics, float* y);

// dgamma += sum over the rows of dy (x - mean) inverse, or of dy x inverse; dbeta += sum of dy.
// Either may be nullptr.
void add_row_gradients(const RowNormalization& normal, std::int64_t rows, const float* x,
                       const float* statistics, const float* dy, float* dgamma, float* dbeta);

// With g = gamma dy and means over a row: dx = inverse (g - mean g - (x - mean) inverse^2 mean(g (x
// - mean))); with `rms` dx = inverse (g - (x - mean) inverse^2 mean(g x)). dx may be dy.
void normalize_rows_backward(const RowNormalization& normal, std::int64_t rows, const float* x,
                             const float* gamma, const float* statistics, const float* dy,
                             float* dx);

// y = x f with f = 1 / sqrt(sum x^2), at most 1e12 (Keras's bound). y may be x.
void normalize_length(std::int64_t rows, std::int64_t n, const float* x, float* y);

// dx = f (dy - y sum(dy y)), and f dy where the bound holds. dx may be dy.
void normalize_length_backward(std::int64_t rows, std::int64_t n, const float* x, const float* dy,
                               float* dx);

}  // namespace convlet
