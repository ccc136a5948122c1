// An activation function as a step of its own.
#include "kernels/activation_functions.hpp"

#include "kernels/softmax.hpp"
#include "ops/factories.hpp"

namespace convlet {
namespace {

using namespace activation;

// A function of single numbers.
template <class F>
class Elementwise final : public Op {
 public:
  Elementwise(const Shape& shape, const F& f) : Op(shape, {}), f_(f), size_(elements(shape)) {}

  void forward(const ForwardArgs& a) const override { map(f_, a.rows * size_, a.x, a.y); }

  void backward(const BackwardArgs& a) const override {
    if (a.dx != nullptr) map_gradient(f_, a.rows * size_, a.x, a.y, a.dy, a.dx);
  }

 private:
  F f_;
  std::int64_t size_;
};

class Softmax final : public Op {
 public:
  // Normalises along axis `axis` of a row.
  Softmax(const Shape& shape, std::size_t axis)
      : Op(shape, {}), view_{1, shape[axis], elements({shape.begin() + axis + 1, shape.end()})} {
    view_.outer = elements(shape) / (view_.n * view_.inner);
  }

  void forward(const ForwardArgs& a) const override { softmax(of(a.rows), a.x, a.y); }

  void backward(const BackwardArgs& a) const override {
    if (a.dx != nullptr) softmax_backward(of(a.rows), a.y, a.dy, a.dx);
  }

 private:
  AxisView of(std::int64_t rows) const { return {rows * view_.outer, view_.n, view_.inner}; }

  AxisView view_;  // of one row of the batch
};

// A function of the last axis as a whole.
template <class F>
class OfLastAxis final : public Op {
 public:
  explicit OfLastAxis(const Shape& shape)
      : Op(shape, {}), n_(shape.back()), rows_(elements(shape) / n_) {}

  void forward(const ForwardArgs& a) const override { F::forward(a.rows * rows_, n_, a); }

  void backward(const BackwardArgs& a) const override {
    if (a.dx != nullptr) F::backward(a.rows * rows_, n_, a);
  }

 private:
  std::int64_t n_;     // the last axis
  std::int64_t rows_;  // of one row of the batch: the product of the others
};

struct LogSoftmax {
  static void forward(std::int64_t rows, std::int64_t n, const ForwardArgs& a) {
    log_softmax(rows, n, a.x, a.y);
  }
  static void backward(std::int64_t rows, std::int64_t n, const BackwardArgs& a) {
    log_softmax_backward(rows, n, a.y, a.dy, a.dx);
  }
};

struct Sparsemax {
  static void forward(std::int64_t rows, std::int64_t n, const ForwardArgs& a) {
    sparsemax(rows, n, a.x, a.y);
  }
  static void backward(std::int64_t rows, std::int64_t n, const BackwardArgs& a) {
    sparsemax_backward(rows, n, a.x, a.dy, a.dx);
  }
};

// Gated linear unit: the first half of the last axis times the sigmoid of the second.
class Glu final : public Op {
 public:
  explicit Glu(const Shape& shape)
      : Op(halved(shape), {}), n_(shape.back() / 2), rows_(elements(shape) / shape.back()) {}

  void forward(const ForwardArgs& a) const override {
    for (std::int64_t r = 0; r < a.rows * rows_; ++r) {
      float* y = a.y + r * n_;
      const float* x = a.x + 2 * r * n_;
      map(Sigmoid{}, n_, x + n_, y);
      for (std::int64_t i = 0; i < n_; ++i) y[i] *= x[i];
    }
  }

  // With y = p s: dp = dy s and dq = dy p s (1 - s).
  void backward(const BackwardArgs& a) const override {
    if (a.dx == nullptr) return;
    for (std::int64_t r = 0; r < a.rows * rows_; ++r) {
      const float* x = a.x + 2 * r * n_;
      const float* dy = a.dy + r * n_;
      float* dp = a.dx + 2 * r * n_;
      float* dq = dp + n_;
      map(Sigmoid{}, n_, x + n_, dp);
      for (std::int64_t i = 0; i < n_; ++i) {
        dq[i] = dy[i] * x[i] * dp[i] * (1.0F - dp[i]);
        dp[i] *= dy[i];
      }
    }
  }

 private:
  static Shape halved(Shape shape) {
    if (shape.back() % 2 != 0) {
      throw ValueError("axis size must be divisible by 2. Received: x.shape=" +
                       batch_string(shape) + " with axis=-1");
    }
    shape.back() /= 2;
    return shape;
  }

  std::int64_t n_;     // half of the last axis
  std::int64_t rows_;  // of one row of the batch: the product of the others
};

float number(const Attributes& attributes, const char* name) {
  return static_cast<float>(attributes.number(name));
}

template <class F>
std::unique_ptr<Op> elementwise(const Shape& shape, const F& f) {
  return std::make_unique<Elementwise<F>>(shape, f);
}

template <class F>
std::unique_ptr<Op> plain(const Attributes&, const Shape& shape) {
  return elementwise(shape, F{});
}

template <class T>
std::unique_ptr<Op> of_shape(const Attributes&, const Shape& shape) {
  return std::make_unique<T>(shape);
}

std::unique_ptr<Op> clipped_relu(const Attributes& a, const Shape& shape) {
  return elementwise(shape, ClippedRelu{number(a, "negative_slope"), number(a, "max_value"),
                                        number(a, "threshold")});
}

std::unique_ptr<Op> leaky_relu(const Attributes& a, const Shape& shape) {
  return elementwise(shape, LeakyRelu{number(a, "negative_slope")});
}

std::unique_ptr<Op> elu(const Attributes& a, const Shape& shape) {
  return elementwise(shape, Elu{number(a, "alpha")});
}

std::unique_ptr<Op> celu(const Attributes& a, const Shape& shape) {
  return elementwise(shape, Celu{number(a, "alpha")});
}

std::unique_ptr<Op> gelu(const Attributes& a, const Shape& shape) {
  return a.boolean("approximate") ? elementwise(shape, ApproximateGelu{})
                                  : elementwise(shape, Gelu{});
}

std::unique_ptr<Op> squareplus(const Attributes& a, const Shape& shape) {
  return elementwise(shape, Squareplus{number(a, "b")});
}

std::unique_ptr<Op> soft_shrink(const Attributes& a, const Shape& shape) {
  return elementwise(shape, SoftShrink{number(a, "threshold")});
}

std::unique_ptr<Op> hard_shrink(const Attributes& a, const Shape& shape) {
  return elementwise(shape, HardShrink{number(a, "threshold")});
}

std::unique_ptr<Op> threshold(const Attributes& a, const Shape& shape) {
  return elementwise(shape, Threshold{number(a, "threshold"), number(a, "default_value")});
}

std::unique_ptr<Op> softmax_of_last_axis(const Attributes&, const Shape& shape) {
  return std::make_unique<Softmax>(shape, shape.size() - 1);
}

struct Entry {
  const char* name;
  OpFactory make;
};

constexpr Entry kActivations[] = {
    {"celu", celu},
    {"clipped_relu", clipped_relu},
    {"elu", elu},
    {"exponential", plain<Exponential>},
    {"gelu", gelu},
    {"glu", of_shape<Glu>},
    {"hard_shrink", hard_shrink},
    {"hard_sigmoid", plain<HardSigmoid>},
    {"hard_silu", plain<HardSilu>},
    {"hard_tanh", plain<HardTanh>},
    {"leaky_relu", leaky_relu},
    {"linear", plain<Linear>},
    {"log_sigmoid", plain<LogSigmoid>},
    {"log_softmax", of_shape<OfLastAxis<LogSoftmax>>},
    {"mish", plain<Mish>},
    {"relu", plain<Relu>},
    {"relu6", plain<Relu6>},
    {"selu", plain<Selu>},
    {"sigmoid", plain<Sigmoid>},
    {"silu", plain<Silu>},
    {"soft_shrink", soft_shrink},
    {"softmax", softmax_of_last_axis},
    {"softplus", plain<Softplus>},
    {"softsign", plain<Softsign>},
    {"sparse_plus", plain<SparsePlus>},
    {"sparse_sigmoid", plain<SparseSigmoid>},
    {"sparsemax", of_shape<OfLastAxis<Sparsemax>>},
    {"squareplus", squareplus},
    {"tanh", plain<Tanh>},
    {"tanh_shrink", plain<TanhShrink>},
    {"threshold", threshold},
};

void check_shape(const Shape& input) {
  if (!input.empty() && elements(input) > 0) return;
  throw ValueError(
      "An activation needs inputs of at least two dimensions, none of them zero. Received: "
      "inputs shape=" +
      batch_string(input));
}

}  // namespace

std::unique_ptr<Op> make_activation(const Attributes& attributes, const Shape& input) {
  const std::string name = attributes.text("activation");
  for (const Entry& entry : kActivations) {
    if (name != entry.name) continue;
    check_shape(input);
    return entry.make(attributes, input);
  }
  throw ValueError("Could not interpret activation function identifier: " + name);
}

// Softmax along any axis, 1 being the first one behind the batch axis.
std::unique_ptr<Op> make_softmax(const Attributes& attributes, const Shape& input) {
  check_shape(input);
  const std::int64_t axis = attributes.positive("axis");
  if (axis > static_cast<std::int64_t>(input.size())) {
    throw ValueError("`axis` must be an axis of the inputs, and not that of the batch. Received: " +
                     std::string("axis=") + std::to_string(axis) +
                     ", inputs shape=" + batch_string(input));
  }
  return std::make_unique<Softmax>(input, static_cast<std::size_t>(axis - 1));
}

}  // namespace convlet
