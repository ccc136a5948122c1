#include "oracle.hpp"

#include <algorithm>
#include <cmath>

namespace convlet::fuzz {
namespace {

// Below this all sums of whole numbers are exact in float32.
constexpr double kExact = 0x1p22;

// Winograd's tiles larger than 2x2, which err more than that. In one dimension x[k] meets no more
// than max over i of sum over p of |At[i][p]| |G[p]| |Bt[p][k]| of the largest weight: 10.7 with
// three outputs, 9.2 with four, 16 with five; in two dimensions the square of that. An output sees
// a patch of up to 7x7 x; an x, as the adjoint has it, the 4x4 dy of up to four tiles.
constexpr double kWinogradData = 256;
constexpr double kWinogradSeen = 64;
// For a weight each of a tile's m x m x meets each of its n x n dy no more than 6 x 6 times, and
// there are less than 45 / 7 m^2 tiles for a pixel, else the products are direct.
constexpr double kWinogradWeight = 36 * 16 * 45 / 7.0;
constexpr double kTaps = 9;
constexpr double kWinogradRoundings = 40;  // of all transforms

double largest(const Bounded& b) {
  double most = 0.0;
  for (std::size_t i = 0; i < b.size(); ++i)
    most = std::max(most, std::abs(b.value[i]) + b.error[i]);
  return most;
}

// Sums as they grow: values, what passes through of the operands' errors, and magnitudes.
struct Sums {
  Bounded sums;
  std::vector<double> magnitude;

  explicit Sums(std::size_t size) : sums(size), magnitude(size) {}

  // a * b, with the errors of both.
  void add(std::int32_t at, double a, double a_error, double b, double b_error) {
    const auto i = static_cast<std::size_t>(at);
    const double a_size = std::abs(a) + a_error;
    const double b_size = std::abs(b) + b_error;
    sums.value[i] += a * b;
    sums.error[i] += a_error * b_size + std::abs(a) * b_error;
    magnitude[i] += a_size * b_size;
  }

  // The sums of lengths[i % lengths.size()] products.
  Bounded finish(const std::vector<double>& lengths, bool whole) {
    sums.whole = whole && *std::max_element(magnitude.begin(), magnitude.end()) < kExact;
    for (std::size_t i = 0; i < sums.size() && !sums.whole; ++i)
      sums.error[i] += 2.0 * lengths[i % lengths.size()] * (kEps * magnitude[i] + kTiny);
    return std::move(sums);
  }
};

bool all_whole(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return v == std::rint(v); });
}

class Linear final : public Layer {
 public:
  Linear(std::vector<Term> terms, std::int64_t x_size, std::int64_t y_size,
         std::int64_t kernel_size, std::int64_t bias_size, bool winograd)
      : terms_(std::move(terms)),
        x_size_(static_cast<std::size_t>(x_size)),
        y_size_(static_cast<std::size_t>(y_size)),
        kernel_size_(static_cast<std::size_t>(kernel_size)),
        bias_size_(static_cast<std::size_t>(bias_size)),
        winograd_(winograd),
        of_x_(x_size_, 4.0),
        of_y_(y_size_, 4.0),
        of_kernel_(kernel_size_, 4.0) {
    for (const Term& t : terms_) {
      ++of_x_[static_cast<std::size_t>(t.in)];
      ++of_y_[static_cast<std::size_t>(t.out)];
      if (t.weight >= 0) ++of_kernel_[static_cast<std::size_t>(t.weight)];
      whole_ = whole_ && t.coefficient == std::rint(t.coefficient);
    }
  }

  Bounded forward(std::int64_t rows, const Bounded& x, const Parameters& parameters) override {
    Sums sums(static_cast<std::size_t>(rows) * y_size_);
    const bool whole = x.whole && wholes(parameters);
    for (std::int32_t r = 0; r < rows; ++r) {
      for (const Term& t : terms_) add(sums, parameters, t, r, x, t.in, x_size_, t.out, y_size_);
    }
    const std::vector<double> lengths = spread(sums, parameters, largest(x), of_y_);
    if (bias_size_ > 0) add_bias(sums, parameters.back());
    return sums.finish(lengths, whole && !winograd_);
  }

  Bounded backward(std::int64_t rows, const Bounded& x, const Bounded& dy,
                   const Parameters& parameters, std::vector<Bounded>& gradients) override {
    Sums sums(static_cast<std::size_t>(rows) * x_size_);
    for (std::int32_t r = 0; r < rows; ++r) {
      for (const Term& t : terms_) add(sums, parameters, t, r, dy, t.out, y_size_, t.in, x_size_);
    }
    const std::vector<double> lengths = spread(sums, parameters, largest(dy), of_x_);
    if (kernel_size_ > 0) gradients.push_back(kernel_gradient(rows, x, dy));
    if (bias_size_ > 0) gradients.push_back(bias_gradient(dy));
    return sums.finish(lengths, dy.whole && wholes(parameters) && !winograd_);
  }

 private:
  bool wholes(const Parameters& parameters) const {
    return whole_ && std::all_of(parameters.begin(), parameters.end(), all_whole);
  }

  // to[t] += from[t] * weight, in row r.
  void add(Sums& sums, const Parameters& parameters, const Term& t, std::int32_t r,
           const Bounded& from, std::int32_t from_at, std::size_t from_size, std::int32_t to_at,
           std::size_t to_size) const {
    const double weight =
        t.weight >= 0 ? parameters.front()[static_cast<std::size_t>(t.weight)] : 1.0;
    const std::size_t i =
        static_cast<std::size_t>(r) * from_size + static_cast<std::size_t>(from_at);
    sums.add(r * static_cast<std::int32_t>(to_size) + to_at, from.value[i], from.error[i],
             t.coefficient * weight, 0.0);
  }

  // By Winograd each x meets weights that are not its own. Sets the magnitudes and returns the
  // lengths of the sums over `most_x` at most.
  std::vector<double> spread(Sums& sums, const Parameters& parameters, double most_x,
                             const std::vector<double>& lengths) const {
    if (!winograd_) return lengths;
    double most = 0.0;
    for (const float w : parameters.front()) most = std::max<double>(most, std::abs(w));
    const double channels = *std::max_element(lengths.begin(), lengths.end()) / kTaps;
    std::fill(sums.magnitude.begin(), sums.magnitude.end(),
              kWinogradData * most * kWinogradSeen * channels * most_x);
    return {channels + kWinogradRoundings};
  }

  void add_bias(Sums& sums, const std::vector<float>& bias) const {
    for (std::size_t i = 0; i < sums.magnitude.size(); ++i) {
      sums.sums.value[i] += bias[i % bias_size_];
      sums.magnitude[i] += std::abs(bias[i % bias_size_]);
    }
  }

  Bounded kernel_gradient(std::int64_t rows, const Bounded& x, const Bounded& dy) const {
    Sums sums(kernel_size_);
    for (std::size_t r = 0; r < static_cast<std::size_t>(rows); ++r) {
      for (const Term& t : terms_) {
        const std::size_t in = r * x_size_ + static_cast<std::size_t>(t.in);
        const std::size_t out = r * y_size_ + static_cast<std::size_t>(t.out);
        sums.add(t.weight, x.value[in], x.error[in], t.coefficient * dy.value[out], dy.error[out]);
      }
    }
    std::vector<double> lengths = of_kernel_;
    for (double& length : lengths) length *= static_cast<double>(rows);
    if (winograd_) {
      const double pixels = *std::max_element(lengths.begin(), lengths.end());
      std::fill(sums.magnitude.begin(), sums.magnitude.end(),
                kWinogradWeight * pixels * largest(x) * largest(dy));
      lengths = {pixels + kWinogradRoundings};
    }
    return sums.finish(lengths, x.whole && dy.whole && whole_ && !winograd_);
  }

  Bounded bias_gradient(const Bounded& dy) const {
    Sums sums(bias_size_);
    for (std::size_t i = 0; i < dy.size(); ++i)
      sums.add(static_cast<std::int32_t>(i % bias_size_), dy.value[i], dy.error[i], 1.0, 0.0);
    return sums.finish({static_cast<double>(dy.size() / bias_size_)}, dy.whole);
  }

  std::vector<Term> terms_;
  std::size_t x_size_, y_size_, kernel_size_, bias_size_;
  bool winograd_;
  bool whole_ = true;  // coefficients
  // Products of a sum, and some roundings of coefficients more.
  std::vector<double> of_x_, of_y_, of_kernel_;
};

class Relu final : public Layer {
 public:
  Bounded forward(std::int64_t, const Bounded& x, const Parameters&) override {
    Bounded y(x.size(), x.whole);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (x.error[i] > 0.0 && std::abs(x.value[i]) <= x.error[i]) decided_ = false;
      y.value[i] = std::max(x.value[i], 0.0);
      y.error[i] = x.value[i] < -x.error[i] ? 0.0 : x.error[i];
    }
    return y;
  }

  Bounded backward(std::int64_t, const Bounded& x, const Bounded& dy, const Parameters&,
                   std::vector<Bounded>&) override {
    Bounded dx(dy.size(), dy.whole);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (x.value[i] <= 0.0) continue;
      dx.value[i] = dy.value[i];
      dx.error[i] = dy.error[i];
    }
    return dx;
  }
};

// A smooth function whose derivative is at most `steepest`, computed from y, and changes by at most
// `bend` per change of y.
struct Smooth {
  double (*f)(double x);
  double (*slope)(double y);
  double steepest;
  double bend;
};

class SmoothFunction final : public Layer {
 public:
  explicit SmoothFunction(const Smooth& of) : of_(of) {}

  Bounded forward(std::int64_t, const Bounded& x, const Parameters&) override {
    Bounded y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      y.value[i] = of_.f(x.value[i]);
      y.error[i] = of_.steepest * x.error[i] + 8.0 * kEps * std::abs(y.value[i]) + kTiny;
    }
    return y;
  }

  Bounded backward(std::int64_t, const Bounded& x, const Bounded& dy, const Parameters& none,
                   std::vector<Bounded>&) override {
    const Bounded y = forward(0, x, none);
    Bounded dx(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double size = std::abs(dy.value[i]) + dy.error[i];
      dx.value[i] = dy.value[i] * of_.slope(y.value[i]);
      dx.error[i] =
          of_.steepest * dy.error[i] + size * (of_.bend * y.error[i] + 8.0 * kEps) + kTiny;
    }
    return dx;
  }

 private:
  Smooth of_;
};

class Maximum final : public Layer {
 public:
  Maximum(std::vector<std::vector<std::int32_t>> windows, std::int64_t x_size)
      : windows_(std::move(windows)), x_size_(static_cast<std::size_t>(x_size)) {}

  Bounded forward(std::int64_t rows, const Bounded& x, const Parameters&) override {
    Bounded y(static_cast<std::size_t>(rows) * windows_.size(), x.whole);
    winners_.clear();
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::size_t first = i / windows_.size() * x_size_;
      const auto& window = windows_[i % windows_.size()];
      std::size_t best = first + static_cast<std::size_t>(window.front());
      for (const std::int32_t cell : window) {
        const std::size_t at = first + static_cast<std::size_t>(cell);
        if (x.value[at] > x.value[best]) best = at;
      }
      for (const std::int32_t cell : window) {
        const std::size_t at = first + static_cast<std::size_t>(cell);
        const double doubt = x.error[at] + x.error[best];
        if (at != best && doubt > 0.0 && x.value[best] - x.value[at] <= doubt) decided_ = false;
        y.error[i] = std::max(y.error[i], x.error[at]);
      }
      y.value[i] = x.value[best];
      winners_.push_back(best);
    }
    return y;
  }

  Bounded backward(std::int64_t, const Bounded& x, const Bounded& dy, const Parameters&,
                   std::vector<Bounded>&) override {
    Sums sums(x.size());
    for (std::size_t i = 0; i < dy.size(); ++i)
      sums.add(static_cast<std::int32_t>(winners_[i]), dy.value[i], dy.error[i], 1.0, 0.0);
    return sums.finish({static_cast<double>(windows_.size())}, dy.whole);
  }

 private:
  std::vector<std::vector<std::int32_t>> windows_;
  std::size_t x_size_;
  std::vector<std::size_t> winners_;
};

class Times final : public Layer {
 public:
  explicit Times(std::vector<double> factors) : factors_(std::move(factors)) {}

  Bounded forward(std::int64_t, const Bounded& x, const Parameters&) override { return scaled(x); }
  Bounded backward(std::int64_t, const Bounded&, const Bounded& dy, const Parameters&,
                   std::vector<Bounded>&) override {
    return scaled(dy);
  }

 private:
  Bounded scaled(const Bounded& x) const {
    Sums sums(x.size());
    bool whole = x.whole;
    for (std::size_t i = 0; i < x.size(); ++i) {
      sums.add(static_cast<std::int32_t>(i), x.value[i], x.error[i], factors_[i], 0.0);
      whole = whole && factors_[i] == std::rint(factors_[i]);
    }
    return sums.finish({2.0}, whole);
  }

  std::vector<double> factors_;
};

class BatchNormalization final : public Layer {
 public:
  BatchNormalization(std::int64_t channels, bool scale, bool center, double epsilon)
      : channels_(static_cast<std::size_t>(channels)),
        scale_(scale),
        center_(center),
        epsilon_(epsilon) {}

  Bounded forward(std::int64_t, const Bounded& x, const Parameters& parameters) override {
    Bounded y(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const Channel c = channel(parameters, i % channels_);
      const double centered = x.value[i] - c.mean;
      const double scaled = c.gamma * c.inverse * centered;
      const double slope = std::abs(c.gamma * c.inverse);
      y.value[i] = scaled + c.beta;
      // y = a x + b, or what is the same: roundings of a x and of b, and of their sum.
      y.error[i] =
          slope * x.error[i] +
          12.0 * kEps * (slope * (std::abs(x.value[i]) + std::abs(c.mean)) + std::abs(c.beta)) +
          kTiny;
    }
    return y;
  }

  Bounded backward(std::int64_t, const Bounded& x, const Bounded& dy, const Parameters& parameters,
                   std::vector<Bounded>& gradients) override {
    Bounded dx(x.size());
    Sums products(channels_);
    Sums sums(channels_);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const Channel c = channel(parameters, i % channels_);
      const double slope = c.gamma * c.inverse;
      dx.value[i] = slope * dy.value[i];
      dx.error[i] = std::abs(slope) * dy.error[i] + 8.0 * kEps * std::abs(dx.value[i]) + kTiny;
      const auto at = static_cast<std::int32_t>(i % channels_);
      const double doubt = x.error[i] + 2.0 * kEps * (std::abs(x.value[i]) + std::abs(c.mean));
      products.add(at, c.inverse * (x.value[i] - c.mean), c.inverse * doubt, dy.value[i],
                   dy.error[i]);
      sums.add(at, dy.value[i], dy.error[i], 1.0, 0.0);
    }
    const std::vector<double> length{static_cast<double>(x.size() / channels_) + 8.0};
    if (scale_) gradients.push_back(products.finish(length, false));
    if (center_) gradients.push_back(sums.finish(length, dy.whole));
    gradients.resize(gradients.size() + 2, Bounded(channels_, true));  // of mean and variance: zero
    return dx;
  }

 private:
  struct Channel {
    double gamma, beta, mean, inverse;
  };

  Channel channel(const Parameters& p, std::size_t c) const {
    const std::size_t moving = p.size() - 2;
    return {scale_ ? p[0][c] : 1.0, center_ ? p[moving - 1][c] : 0.0, p[moving][c],
            1.0 / std::sqrt(p[moving + 1][c] + epsilon_)};
  }

  std::size_t channels_;
  bool scale_, center_;
  double epsilon_;
};

}  // namespace

std::unique_ptr<Layer> linear(std::vector<Term> terms, std::int64_t x_size, std::int64_t y_size,
                              std::int64_t kernel_size, std::int64_t bias_size, bool winograd) {
  return std::make_unique<Linear>(std::move(terms), x_size, y_size, kernel_size, bias_size,
                                  winograd);
}

std::unique_ptr<Layer> relu() { return std::make_unique<Relu>(); }

std::unique_ptr<Layer> sigmoid() {
  return std::make_unique<SmoothFunction>(
      Smooth{[](double x) { return 1.0 / (1.0 + std::exp(-x)); },
             [](double y) { return y * (1.0 - y); }, 0.25, 1.0});
}

std::unique_ptr<Layer> tanh() {
  return std::make_unique<SmoothFunction>(Smooth{[](double x) { return std::tanh(x); },
                                                 [](double y) { return 1.0 - y * y; }, 1.0, 2.0});
}

std::unique_ptr<Layer> maximum(std::vector<std::vector<std::int32_t>> windows,
                               std::int64_t x_size) {
  return std::make_unique<Maximum>(std::move(windows), x_size);
}

std::unique_ptr<Layer> times(std::vector<double> factors) {
  return std::make_unique<Times>(std::move(factors));
}

std::unique_ptr<Layer> batch_normalization(std::int64_t channels, bool scale, bool center,
                                           double epsilon) {
  return std::make_unique<BatchNormalization>(channels, scale, center, epsilon);
}

Bounded sum(const Bounded& a, const Bounded& b) {
  Bounded total(a.size(), a.whole && b.whole);
  for (std::size_t i = 0; i < a.size(); ++i) {
    total.value[i] = a.value[i] + b.value[i];
    total.error[i] = a.error[i] + b.error[i];
    if (!total.whole)
      total.error[i] += kEps * (std::abs(a.value[i]) + std::abs(b.value[i])) + kTiny;
  }
  return total;
}

}  // namespace convlet::fuzz
