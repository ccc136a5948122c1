// What a training step can do to a block of `size` gradients g and parameters w besides the
// optimizer's own rule.
#pragma once

#include <cstdint>

namespace convlet {

double sum_of_squares(std::int64_t size, const float* x);

// x *= factor
void scale(std::int64_t size, float factor, float* x);

// x moved into [-limit, limit]; NaN stays NaN.
void clip(std::int64_t size, float limit, float* x);

// The penalty l1 sum |w| + l2 sum w^2.
double penalty(std::int64_t size, float l1, float l2, const float* w);

// g += scale * the gradient of the penalty, l1 sign(w) + 2 l2 w with sign(0) = 0; returns the
// penalty.
double penalize(std::int64_t size, float l1, float l2, float scale, const float* w, float* g);

// w -= rate learning_rate w
void decay(std::int64_t size, float rate, float learning_rate, float* w);

// sum += g;  g = 0
void accumulate(std::int64_t size, float* sum, float* g);

// g = (g + sum) / steps;  sum = 0
void finish_accumulation(std::int64_t size, float steps, float* sum, float* g);

// average = momentum average + (1 - momentum) w
void moving_average(std::int64_t size, float momentum, const float* w, float* average);

// w = max(w, 0); NaN stays NaN.
void make_non_negative(std::int64_t size, float* w);

}  // namespace convlet
