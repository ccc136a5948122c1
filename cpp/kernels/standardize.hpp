// Shifting and scaling with statistics that repeat along an array. Single-threaded,
// allocation-free.
#pragma once

#include <cstdint>

namespace convlet {

// Mean and deviation of the elements [0, size), which repeat from there on.
struct Statistics {
  std::int64_t size;
  const float* mean;
  const float* deviation;
};

// y = (x - mean) / deviation over n floats. y may be x.
void standardize(const Statistics& statistics, std::int64_t n, const float* x, float* y);
// dx = dy / deviation. dx may be dy.
void standardize_backward(const Statistics& statistics, std::int64_t n, const float* dy, float* dx);

// y = mean + x deviation over n floats: the way back. y may be x.
void unstandardize(const Statistics& statistics, std::int64_t n, const float* x, float* y);
// dx = dy deviation. dx may be dy.
void unstandardize_backward(const Statistics& statistics, std::int64_t n, const float* dy,
                            float* dx);

}  // namespace convlet
