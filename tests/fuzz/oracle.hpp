// The ops in double, one number at a time, with a bound for what a float32 computation may differ:
// tests/oracle_network.py in C++. A sum of k products errs by at most 2 k eps sum|a||b|, and errors
// of the operands pass through as the op lets them. Where all numbers are small and whole, float32
// is exact, and nothing may differ.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

namespace convlet::fuzz {

inline constexpr double kEps = 0x1p-23;
inline constexpr double kTiny = 0x1p-126;  // what is smaller may count as zero

// Values and the bounds of their errors.
struct Bounded {
  std::vector<double> value;
  std::vector<double> error;
  bool whole = false;  // numbers, without error

  explicit Bounded(std::size_t size = 0, bool whole_ = false)
      : value(size), error(size), whole(whole_) {}
  std::size_t size() const { return value.size(); }
};

using Parameters = std::vector<std::vector<float>>;

// One op; tensors are [rows][elements of a row].
class Layer {
 public:
  virtual ~Layer() = default;

  virtual Bounded forward(std::int64_t rows, const Bounded& x, const Parameters& parameters) = 0;
  // The gradient with respect to x of sum(dy * y), after forward(); `gradients` receives those with
  // respect to the parameters.
  virtual Bounded backward(std::int64_t rows, const Bounded& x, const Bounded& dy,
                           const Parameters& parameters, std::vector<Bounded>& gradients) = 0;
  // Whether the layer's choices (the sign of x, the largest of some) hold for every x within the
  // bounds. If not, the gradients may be others.
  bool decided() const { return decided_; }

 protected:
  bool decided_ = true;
};

// One product of a sum: y[out] += coefficient * x[in] * kernel[weight], without a kernel's factor
// where weight is -1.
struct Term {
  std::int32_t out;
  std::int32_t in;
  std::int32_t weight;
  double coefficient;
};

// Whatever is linear in x is its list of terms, for one row. The parameters are a kernel and a
// bias, each where its size is not 0; the bias is added along the last axis. `winograd`: the
// engine may add up other products that give the same sums.
std::unique_ptr<Layer> linear(std::vector<Term> terms, std::int64_t x_size, std::int64_t y_size,
                              std::int64_t kernel_size, std::int64_t bias_size,
                              bool winograd = false);
std::unique_ptr<Layer> relu();
std::unique_ptr<Layer> sigmoid();
std::unique_ptr<Layer> tanh();
// y[i] = the largest x of windows[i]; the gradient goes to the first of these.
std::unique_ptr<Layer> maximum(std::vector<std::vector<std::int32_t>> windows, std::int64_t x_size);
// y = factors * x; factors: those of all rows.
std::unique_ptr<Layer> times(std::vector<double> factors);
// y = gamma (x - mean) / sqrt(variance + epsilon) + beta, by the last axis. Parameters: gamma and
// beta, where there are any, mean and variance.
std::unique_ptr<Layer> batch_normalization(std::int64_t channels, bool scale, bool center,
                                           double epsilon);

// The sum of two tensors.
Bounded sum(const Bounded& a, const Bounded& b);

}  // namespace convlet::fuzz
