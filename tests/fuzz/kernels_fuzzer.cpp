// Kernels, ops and engine against the oracle: bytes become a small network, its weights, a batch
// and threads. Outputs, gradients and the weights behind a step of training may differ from those
// in double by no more than float32's roundings, and by nothing where all numbers are small and
// whole.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>

#include "engine/network.hpp"
#include "graph.hpp"

namespace convlet::fuzz {
namespace {

// Numbers that follow from a seed: SplitMix64.
class Numbers {
 public:
  explicit Numbers(std::uint64_t seed) : state_(seed) {}

  std::uint64_t next() {
    state_ += 0x9e3779b97f4a7c15U;
    std::uint64_t z = state_;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
    z = (z ^ z >> 27) * 0x94d049bb133111ebU;
    return z ^ z >> 31;
  }

 private:
  std::uint64_t state_;
};

// How the numbers of a tensor are drawn.
struct Style {
  bool whole;   // from -2 to 2, or real from -1 to 1
  int nonzero;  // of 8
};

Style draw_style(Bytes& bytes, bool whole) {
  const int dense = static_cast<int>(bytes.between(1, 16));
  return {whole, std::min(dense, 8)};
}

std::vector<float> draw_values(Numbers& numbers, std::int64_t size, const Style& style) {
  std::vector<float> values(static_cast<std::size_t>(size));
  for (float& value : values) {
    const std::uint64_t n = numbers.next();
    if (static_cast<int>(n % 8) >= style.nonzero) continue;
    value = style.whole ? static_cast<float>(n / 8 % 5) - 2.0F
                        : static_cast<float>(n >> 40) * 0x1p-23F - 1.0F;
  }
  return values;
}

Bounded given(const std::vector<float>& values) {
  Bounded b(values.size());
  std::copy(values.begin(), values.end(), b.value.begin());
  b.whole = std::all_of(values.begin(), values.end(), [](float v) { return v == std::rint(v); });
  return b;
}

// The graph as the oracle computes it.
class Oracle {
 public:
  Oracle(Graph& graph, const std::vector<Parameters>& parameters)
      : graph_(graph), parameters_(parameters) {}

  const Bounded& forward(const Bounded& x) {
    values_.assign(1, x);
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      const Bounded& in = values_[node.spec.inputs.front()];
      values_.push_back(node.layer ? node.layer->forward(graph_.rows, in, parameters_[n])
                                   : sum(in, values_[node.spec.inputs.back()]));
    }
    return values_.back();
  }

  // dx; of_parameters[n]: of node n's.
  Bounded backward(const Bounded& dy) {
    of_parameters.assign(graph_.nodes.size(), {});
    std::vector<Bounded> gradients(values_.size());
    gradients.back() = dy;
    const auto leave = [&](std::size_t tensor, const Bounded& part) {
      Bounded& gradient = gradients[tensor];
      gradient = gradient.size() == 0 ? part : sum(gradient, part);
    };
    for (std::size_t n = graph_.nodes.size(); n-- > 0;) {
      const Node& node = graph_.nodes[n];
      const Bounded& d = gradients[n + 1];
      if (node.layer) {
        const std::size_t in = node.spec.inputs.front();
        leave(in,
              node.layer->backward(graph_.rows, values_[in], d, parameters_[n], of_parameters[n]));
      } else {
        for (const std::size_t in : node.spec.inputs) leave(in, d);
      }
    }
    return gradients.front();
  }

  bool decided() const {
    return std::all_of(graph_.nodes.begin(), graph_.nodes.end(),
                       [](const Node& n) { return !n.layer || n.layer->decided(); });
  }

  std::vector<std::vector<Bounded>> of_parameters;

 private:
  Graph& graph_;
  const std::vector<Parameters>& parameters_;
  std::vector<Bounded> values_;
};

void require_within(const float* got, const Bounded& expected, const char* what) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(got[i] - expected.value[i]);
    if (difference <= expected.error[i]) continue;  // false for NaN, too
    std::fprintf(stderr, "%s[%zu] is %.9g, not %.17g within %.3g%s\n", what, i, double{got[i]},
                 expected.value[i], expected.error[i], expected.whole ? " (whole)" : "");
    require(false, what);
  }
}

// A graph with all its numbers, and the network that is compared.
class Case {
 public:
  explicit Case(Bytes& bytes) : graph_(draw_graph(bytes)) {
    if (graph_.nodes.empty()) return;
    const bool whole = bytes.byte() < 144;
    Numbers numbers(bytes.bytes(2));
    const Style weights{whole, 8};
    std::vector<OpSpec> specs;
    for (const Node& node : graph_.nodes) {
      specs.push_back(node.spec);
      parameters_.emplace_back();
      for (const Shape& shape : node.parameter_shapes)
        parameters_.back().push_back(draw_values(numbers, elements(shape), weights));
      if (node.spec.name == "batch_normalization") {
        for (float& variance : parameters_.back().back()) variance = std::abs(variance) + 0.125F;
      }
    }
    x_ = draw_values(numbers, graph_.rows * elements(graph_.input), draw_style(bytes, whole));
    takes_bytes_ = bytes.byte() >= 224;
    if (takes_bytes_) become_bytes();
    const std::int64_t y_size = elements(graph_.shape(graph_.nodes.size()));
    dy_ = draw_values(numbers, graph_.rows * y_size, draw_style(bytes, whole));
    network_.emplace(graph_.input, std::move(specs));
    set_parameters();
  }

  bool empty() const { return graph_.nodes.empty(); }

  void check() {
    check_shapes();
    const Bounded x = given(x_);
    Oracle oracle(graph_, parameters_);
    const Bounded y = oracle.forward(x);
    if (!has_dropout() || !graph_.training) check_prediction(y);
    const Bounded dx = oracle.backward(given(dy_));
    if (!oracle.decided()) return;
    check_gradients(dx, oracle);
    check_step(oracle);
  }

 private:
  void become_bytes() {
    for (float& value : x_) value = std::abs(std::rint(2.0F * value));
    bytes_.assign(x_.begin(), x_.end());
  }
  Rows rows() const {
    return takes_bytes_ ? Rows{.bytes = bytes_.data()} : Rows{.floats = x_.data()};
  }
  bool has_dropout() const {
    return std::any_of(graph_.nodes.begin(), graph_.nodes.end(),
                       [](const Node& n) { return n.spec.name == "dropout"; });
  }
  const std::vector<Parameter>& places() const { return network_->program().parameters; }

  // f(node, number of its parameter, index among the network's).
  template <class F>
  void for_parameters(F&& f) const {
    std::size_t index = 0;
    for (std::size_t n = 0; n < parameters_.size(); ++n) {
      for (std::size_t p = 0; p < parameters_[n].size(); ++p) f(n, p, index++);
    }
  }

  void set_parameters() {
    std::size_t count = 0;
    for_parameters([&](std::size_t, std::size_t, std::size_t) { ++count; });
    require(count == places().size(), "the network has the parameters of its ops");
    for_parameters([&](std::size_t n, std::size_t p, std::size_t index) {
      require(places()[index].shape == graph_.nodes[n].parameter_shapes[p], "of their shapes");
      network_->set_parameter(index, parameters_[n][p].data());
    });
  }

  void check_shapes() const {
    require(network_->output_shape() == graph_.shape(graph_.nodes.size()),
            "the output's shape is the definition's");
  }

  void check_prediction(const Bounded& expected) {
    std::vector<float> y(expected.size());
    network_->predict(rows(), 0, graph_.rows, y.data());
    require_within(y.data(), expected, "y");
  }

  void check_gradients(const Bounded& dx, const Oracle& oracle) {
    std::vector<float> got(dx.size());
    std::vector<float> gradient(static_cast<std::size_t>(network_->program().parameter_size));
    network_->vector_jacobian_product(rows(), graph_.rows, {graph_.training, graph_.step},
                                      dy_.data(), got.data(), gradient.data());
    require_within(got.data(), dx, "dx");
    for_parameters([&](std::size_t n, std::size_t p, std::size_t index) {
      require_within(gradient.data() + places()[index].at, oracle.of_parameters[n][p], "dw");
    });
  }

  // One step of plain gradient descent, and a prediction with the new weights.
  void check_step(const Oracle& oracle) {
    const bool has_state = std::any_of(places().begin(), places().end(),
                                       [](const Parameter& p) { return !p.trained; });
    if (has_state || has_dropout()) return;
    constexpr float kRate = 0.25F;
    Attributes plain;
    plain.set("momentum", 0.0);
    network_->configure_training("", {}, "sgd", plain, {});
    std::vector<float> y(dy_.size());
    network_->train_forward(rows(), nullptr, 0, graph_.rows, 0, graph_.rows, y.data());
    network_->train_backward(dy_.data(), 0.0, kRate);
    for_parameters([&](std::size_t n, std::size_t p, std::size_t index) {
      Bounded expected = oracle.of_parameters[n][p];
      std::vector<float>& w = parameters_[n][p];
      for (std::size_t i = 0; i < expected.size(); ++i) {
        expected.value[i] = w[i] - kRate * expected.value[i];
        if (!expected.whole)
          expected.error[i] = kRate * expected.error[i] +
                              4.0 * kEps * (std::abs(w[i]) + 1.0 + std::abs(expected.value[i]));
      }
      const float* now = network_->parameters() + places()[index].at;
      require_within(now, expected, "w");
      std::copy_n(now, w.size(), w.begin());
    });
    check_prediction(Oracle(graph_, parameters_).forward(given(x_)));
  }

  Graph graph_;
  std::vector<Parameters> parameters_;
  std::vector<float> x_;
  std::vector<std::uint8_t> bytes_;
  bool takes_bytes_ = false;
  std::vector<float> dy_;
  std::optional<Network> network_;
};

// A batch cut into shares that one thread or several carry.
void draw_threads(Bytes& bytes) {
  const std::uint8_t how = bytes.byte();
  set_num_threads(how >= 240 ? how % 3 + 1 : 1);
  set_fixed_shares(how % 4);
  set_serial_flops(how >= 16 ? 0.0 : 1e7);
}

}  // namespace
}  // namespace convlet::fuzz

extern "C" int LLVMFuzzerInitialize(int*, char***);
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  setenv("KMP_BLOCKTIME", "0", 0);  // threads that wait sleep
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  convlet::fuzz::Bytes bytes(data, size);
  convlet::fuzz::draw_threads(bytes);
  convlet::fuzz::Case the_case(bytes);
  if (the_case.empty()) return -1;  // not worth keeping
  the_case.check();
  return 0;
}
