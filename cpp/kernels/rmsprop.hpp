// RMSprop as Keras defines it (Tieleman and Hinton, 2012, lecture 6.5; epsilon inside the root).
#pragma once

#include <cstdint>

namespace convlet {

struct RmspropConstants {
  // 1 - rho is rounded to float only after the subtraction, as in Keras.
  RmspropConstants(double learning_rate_, double rho_, double momentum_, double epsilon_)
      : learning_rate(static_cast<float>(learning_rate_)),
        rho(static_cast<float>(rho_)),
        one_minus_rho(static_cast<float>(1.0 - rho_)),
        momentum(static_cast<float>(momentum_)),
        epsilon(static_cast<float>(epsilon_)) {}

  float learning_rate;
  float rho;
  float one_minus_rho;
  float momentum;
  float epsilon;
};

// velocity = rho velocity + (1 - rho) g^2
// average  = rho average + (1 - rho) g                            (centered: average != nullptr)
// step     = learning_rate g / sqrt(velocity - average^2 + epsilon)
// momentum = mu momentum + step, step = momentum                  (momentum != nullptr)
// w       -= step
// over `size` floats.
void rmsprop(const RmspropConstants& c, std::int64_t size, const float* g, float* w,
             float* velocity, float* momentum, float* average);

}  // namespace convlet
