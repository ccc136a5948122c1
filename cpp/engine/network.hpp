// A network that trains and predicts: a program, its parameters, its workers, and the step that
// joins them.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/buffer.hpp"
#include "engine/group.hpp"
#include "engine/layout.hpp"
#include "engine/objective.hpp"
#include "engine/packed_weights.hpp"
#include "engine/phases.hpp"
#include "engine/program.hpp"
#include "engine/team.hpp"
#include "engine/updater.hpp"
#include "engine/worker.hpp"

namespace convlet {

// A user's labelled rows. The network's output for position `outputs_begin` + i of their order goes
// to the i-th row of `outputs`, where that is not nullptr.
struct Dataset {
  Rows x;
  Labels labels;
  float* outputs = nullptr;
  std::int64_t outputs_begin = 0;
};

// Not for use by two threads at once: bindings hold a Turn around every call. Arguments are
// checked by the caller.
class Network {
 public:
  Network(const Shape& input, std::vector<OpSpec> ops);

  std::mutex& mutex() { return mutex_; }
  const Program& program() const { return program_; }
  const Shape& output_shape() const { return program_.tensors.back(); }

  const float* parameters() const { return parameters_.data(); }
  void set_parameter(std::size_t index, const float* value);

  // Sets loss, optimizer and metrics; the optimizer starts anew. Loss "": the caller computes it.
  void configure_training(const std::string& loss, const Attributes& loss_attributes,
                          const std::string& optimizer, const Attributes& optimizer_attributes,
                          const std::vector<MetricSpec>& metrics);
  bool can_train() const { return updater_ != nullptr; }
  // One flag for each of the user's ops: the parameters of the others stay as they are from now on,
  // and no gradient is computed that is of use only to them.
  void set_trainable(const std::vector<bool>& trainable);
  // Indices of the parameters that an optimizer may change: all that their ops do not keep up to
  // date themselves.
  std::vector<std::size_t> trained_parameters() const;
  bool has_objective() const { return objective_ != nullptr; }
  const Objective& objective() const { return *objective_; }
  Updater& updater() { return *updater_; }
  // For views of its slots, which may outlive the next configure_training().
  const std::shared_ptr<Updater>& shared_updater() const { return updater_; }
  float learning_rate = 0.001F;
  std::int64_t iterations = 0;

  // From now on training is done together with other processes, or (nullptr) alone.
  // The caller gets the group before.
  void swap_group(std::shared_ptr<Group>& group) { group_.swap(group); }
  const std::shared_ptr<Group>& group() const { return group_; }

  // Positions [begin, end) of the data set's order as `batches` batches of `batch_size`, the last
  // ones smaller or, in a group of which others have more rows, empty. Each is one step of the
  // optimizer, with learning_rates[i] in the i-th or (nullptr) learning_rate.
  void train(const Dataset& data, std::int64_t begin, std::int64_t end, std::int64_t batch_size,
             std::int64_t batches, const float* learning_rates);
  // Loss and metrics of positions [begin, end), as batches of `batch_size` where that matters.
  void evaluate(const Dataset& data, std::int64_t begin, std::int64_t end, std::int64_t batch_size);
  // Sums of loss and metrics since the last reset, and the means that they make.
  Totals totals;
  std::vector<double> means() const;

  // One step of training in two halves, for a loss that the caller computes: the outputs for
  // positions [begin, end) of `order` (nullptr: 0, 1, 2, ...), and then, from the gradient with
  // respect to them, the step. `loss` is the batch's. In a group they are the rows of a batch of
  // group_rows from first_row on.
  void train_forward(const Rows& x, const std::int64_t* order, std::int64_t begin, std::int64_t end,
                     std::int64_t first_row, std::int64_t group_rows, float* out);
  void train_backward(const float* dy, double loss, float rate);
  // Rows that the first half was last done for; none after the second.
  std::optional<std::int64_t> pending_rows() const {
    return pending_ ? std::optional(pending_->rows) : std::nullopt;
  }
  // An evaluation's batch, rows [begin, end) of x, in two halves for the same reason: the outputs,
  // and then the loss that the caller has computed of them.
  void evaluate_forward(const Rows& x, std::int64_t begin, std::int64_t end, float* out);
  void count(double loss, std::int64_t rows);

  // out[i] = the network's output for row i, begin <= i < end.
  void predict(const Rows& x, std::int64_t begin, std::int64_t end, float* out);

  // The output for all rows as one batch as in training, number `step`: with random masks and the
  // batch's own statistics, from which the moving ones follow. Ops in `resting` do what they do in
  // inference, if they are not trainable either.
  void predict_as_in_training(const Rows& x, std::int64_t rows, std::uint64_t step,
                              const std::vector<bool>& trainable, const std::vector<bool>& resting,
                              float* out);

  // What a batch was in training, for its gradients.
  struct TrainingStep {
    bool training;  // false: layers do what they do in inference
    std::uint64_t step;
  };
  // The gradients of sum(dy * f(x)) over all rows, one batch: dx (like x) and `gradient` in the
  // layout of the parameters.
  void vector_jacobian_product(const Rows& x, std::int64_t rows, const TrainingStep& at,
                               const float* dy, float* dx, float* gradient);

 private:
  struct Crew {  // the workers of one mode
    std::int64_t rows_at_once = 0;
    std::int64_t share_rows = 0;  // that the workers can keep something of
    std::vector<Meeting> meetings = {};
    std::unique_ptr<Layout> layout = nullptr;
    std::vector<std::unique_ptr<WorkingMemory>> memories = {};  // as many as workers
    std::vector<std::unique_ptr<Worker>> workers = {};
    std::vector<float*> shared = {};  // theirs

    void dismiss() {
      workers.clear();
      memories.clear();
    }
    // Gives a worker the memory that has a number of its own.
    Worker& with_memory(std::size_t worker, std::size_t memory) const {
      workers[worker]->use(*memories[memory]);
      return *workers[worker];
    }
  };
  // What a run over batches needs of the engine, made before the team starts.
  struct Run {
    Crew* crew;
    int shares;
    std::vector<Phase> phases;
    std::int64_t slice;  // rows of one, at most
    bool whole;          // a worker's whole share stays in its arena
    Pass pass;
  };
  // What this process does of a batch.
  struct OwnPart {
    std::int64_t first;  // position
    std::int64_t rows;
    std::int64_t first_row;  // its position in the batch
    Batch batch;
    std::int64_t batch_rows;
  };
  // A step of training after its first half.
  struct Pending {
    Run run;
    std::int64_t rows;
  };

  // The crew with workers for `shares` shares of at most `rows` rows each; `whole`: which they hold
  // all at once.
  Crew& crew(Mode mode, int shares, std::int64_t rows, std::vector<Meeting> meetings, bool whole);
  // Where a team of so many shares of at most `rows` rows has to meet in training.
  std::vector<Meeting> training_meetings(int shares, std::int64_t rows, const Wanted& wanted) const;
  bool is_serial(std::int64_t rows, double passes) const;
  int shares_for(std::int64_t rows, double passes) const;
  void prepare_packed(Mode mode, const Wanted& wanted) {
    packed_.prepare(mode, wanted, parameters_.data());
  }
  // Steps before the objective: all, or all but the activation that it does itself.
  std::size_t judged_steps() const;
  Weights weights() const { return {parameters_.data(), packed_.steps()}; }

  // For batches of at most `rows` rows, through the first `steps` steps and back. `in_halves`: only
  // there, but so that the way back can follow.
  Run prepare_run(Mode mode, std::int64_t rows, std::size_t steps, const Wanted& wanted,
                  bool training, bool in_halves = false);
  // Carries positions [begin, end) of x, a batch, through the run's phases, together with the rest
  // of the team. Position i is row row_of(i) of x. Each slice's turn(worker, slice, its first
  // position) comes behind the last step forward, its home(...) behind the last step backward.
  template <class RowOf, class Turn, class Home>
  void carry(const Member& member, const Run& run, const Pass& pass, const Rows& x,
             std::int64_t begin, std::int64_t end, RowOf&& row_of, Turn&& turn, Home&& home) const;
  // A phase of one step whose work the team does in parts: part `part` of all workers' rows.
  static void carry_part(const Run& run, const Phase& phase, const Pass& pass, int part);
  // The same by a team of its own.
  template <class RowOf, class Turn, class Home>
  void carry_alone(const Run& run, const Rows& x, std::int64_t begin, std::int64_t end,
                   RowOf&& row_of, Turn&& turn, Home&& home) const;
  // A prediction of fewer rows than there are threads, which share each step's work.
  void predict_in_parts(const Rows& x, std::int64_t begin, std::int64_t end, float* out);
  // What stands in a phase for the rows of this process, for those of the group.
  static void join_sums(const Member& member, const Run& run, const Pass& pass, const Phase& phase);
  // The part of positions [first, first + rows), which are a batch, or this process's own of one.
  // Not thread-safe; `counts` has room for the group's.
  OwnPart own_part(const Labels& labels, std::int64_t first, std::int64_t rows,
                   std::span<double> counts);
  // The pass over `rows` rows, those from first_row on of a batch of group_rows, whose loss is
  // wanted.
  Pass judged(Pass pass, std::int64_t rows, std::int64_t first_row, std::int64_t group_rows) const;
  Pass judged(Pass pass, std::int64_t rows) const { return judged(pass, rows, 0, rows); }
  // Forgets the first half of a step of training.
  void abandon_pending();
  // One batch of an evaluation.
  void evaluate_batch(const Dataset& data, std::int64_t begin, std::int64_t end);
  // Hands out a slice's outputs, those of positions from `first` on, if they are wanted.
  void copy_outputs(Worker& worker, const Dataset& data, const Slice& slice,
                    std::int64_t first) const;
  Updater::Step update_step(const Updater::Workers& workers, float rate, std::int64_t iteration,
                            std::int64_t rows);
  // Ends a step of training, together with the rest of the team.
  void update(const Member& member, const Run& run, const Pass& pass, Updater::Step step);
  // Adds up the gradients of the group; false: that failed.
  bool gather(const Member& member, const Run& run, const Pass& pass, const Updater::Step& step);
  // Parameters that are not trained become means over the group's rows: before and after their
  // sum, in the place of their gradients.
  void weigh_state(const Run& run, float weight, float* gradient) const;
  void take_state(const Run& run, float* gradient);
  template <class F>
  void for_state(const Run& run, F&& f) const;
  // After the last of some steps of training.
  void end_steps(const Run& run);
  // Lets ops bring the parameters that are not trained up to date.
  void update_state(const Run& run);
  Updater::Workers workers_of(const Run& run) const;
  void collect_totals(const Run& run);

  std::mutex mutex_;
  Program program_;
  Wanted all_wanted_;
  Wanted wanted_;
  Buffer parameters_;
  PackedWeights packed_;
  std::unique_ptr<Objective> objective_;
  std::shared_ptr<Updater> updater_;
  std::shared_ptr<Group> group_;
  bool group_failed_ = false;
  std::optional<Pending> pending_;
  Crew inference_;
  Crew training_;
};

}  // namespace convlet
