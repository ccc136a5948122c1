// A network that trains and predicts: a program, its parameters, its workers, and the step that
// joins them.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "engine/buffer.hpp"
#include "engine/layout.hpp"
#include "engine/optimizer.hpp"
#include "engine/program.hpp"
#include "engine/worker.hpp"
#include "ops/loss.hpp"

namespace convlet {

// A user's labelled rows; `order` (or nullptr for 0, 1, 2, ...) says in which sequence they are
// visited.
struct Dataset {
  Rows x;
  Targets y;
  const float* sample_weight = nullptr;
  const std::int64_t* order = nullptr;

  std::int64_t row(std::int64_t i) const { return order != nullptr ? order[i] : i; }
};

// Not for use by two threads at once: bindings hold mutex() around every call. Arguments are
// checked by the caller.
class Network {
 public:
  Network(const Shape& input, std::vector<OpSpec> ops);

  std::mutex& mutex() { return mutex_; }
  const Program& program() const { return program_; }
  const Shape& output_shape() const { return program_.tensors.back(); }

  const float* parameters() const { return parameters_.data(); }
  void set_parameter(std::size_t index, const float* value);

  // Sets loss, optimizer and metrics; the optimizer starts anew.
  void configure_training(const std::string& loss, const Attributes& loss_attributes,
                          const std::string& optimizer, const Attributes& optimizer_attributes,
                          const std::vector<std::string>& metrics);
  bool can_train() const { return optimizer_ != nullptr; }
  const Loss& loss() const { return *loss_; }
  Optimizer& optimizer() { return *optimizer_; }
  float learning_rate = 0.001F;
  std::int64_t iterations = 0;

  // Positions [begin, end) of the data set's order as batches of `batch_size`, a smaller one last,
  // each one step of the optimizer.
  void train(const Dataset& data, std::int64_t begin, std::int64_t end, std::int64_t batch_size);
  // Loss and metrics of positions [begin, end).
  void evaluate(const Dataset& data, std::int64_t begin, std::int64_t end);
  // Sums of loss and metrics since the last reset.
  Totals totals;

  // out[i] = the network's output for row i, begin <= i < end.
  void predict(const Rows& x, std::int64_t begin, std::int64_t end, float* out);

  // The gradients of sum(dy * f(x)) over all rows: dx (like x) and `gradient` in the layout of the
  // parameters.
  void vector_jacobian_product(const Rows& x, std::int64_t rows, const float* dy, float* dx,
                               float* gradient);

 private:
  struct Crew {  // the workers of one mode
    std::int64_t rows_at_once;
    std::unique_ptr<Layout> layout;
    std::vector<std::unique_ptr<Worker>> workers;
  };
  // Part of one step's parameters that one worker updates and packs.
  struct Portion {
    std::size_t step;
    std::int64_t begin, end;  // units
    std::vector<Span> spans;  // in the flat array
  };

  // Workers for `shares` shares of at most `rows` rows each.
  std::vector<std::unique_ptr<Worker>>& crew(Mode mode, int shares, std::int64_t rows);
  int shares_for(std::int64_t rows, double passes) const;
  void prepare_packed(Mode mode);
  void plan_portions(int shares);
  Objective objective(const Dataset& data) const;
  // Steps before the loss: all, or all but the softmax that the loss does itself.
  std::size_t judged_steps() const;
  Weights weights() const { return {parameters_.data(), packed_.data(), packed_at_.data()}; }

  // f(worker, first, last) for each share of rows [begin, end), at the same time; returns how many
  // there are.
  template <class F>
  int for_slices(Mode mode, std::int64_t begin, std::int64_t end, F&& f);

  void train_share(Worker& worker, const Dataset& data, std::int64_t begin, std::int64_t end,
                   std::int64_t batch_rows) const;
  void evaluate_share(Worker& worker, const Dataset& data, std::int64_t begin,
                      std::int64_t end) const;
  void predict_share(Worker& worker, const Rows& x, std::int64_t begin, std::int64_t end,
                     float* out) const;
  void product_share(Worker& worker, const Rows& x, std::int64_t begin, std::int64_t end,
                     const float* dy, float* dx) const;
  void update_share(const std::vector<std::unique_ptr<Worker>>& workers, int share, int shares,
                    std::int64_t iteration);
  void collect_totals(const std::vector<std::unique_ptr<Worker>>& workers, int shares);

  std::mutex mutex_;
  Program program_;
  Buffer parameters_;
  Buffer packed_;
  std::vector<std::int64_t> packed_at_;
  bool packed_for_training_ = false;
  bool packed_is_stale_ = true;
  std::unique_ptr<Loss> loss_;
  std::unique_ptr<Optimizer> optimizer_;
  std::vector<Metric> metrics_;
  Crew inference_;
  Crew training_;
  std::vector<std::vector<Portion>> portions_;  // by share
};

}  // namespace convlet
