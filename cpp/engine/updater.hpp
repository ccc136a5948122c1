// What happens to the parameters between two batches: from the workers' gradients to new weights.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/buffer.hpp"
#include "engine/optimizer.hpp"
#include "engine/program.hpp"
#include "engine/team.hpp"
#include "kernels/norm_constraint.hpp"
#include "kernels/orthogonal_penalty.hpp"

namespace convlet {

// In Keras's order (keras/src/optimizers/base_optimizer.py): gradients are summed over the workers
// in a fixed order, unscaled, joined by those of the regularizers and accumulated; clipped; then
// come weight decay, the optimizer's rule, the moving average and the constraints. Plain models
// take the first, the rule and nothing else.
class Updater {
 public:
  struct Slot {
    std::string name;
    Buffer values;  // in the layout of the parameters, zero at first
  };

  // What the workers left after their backward passes.
  struct Workers {
    std::vector<float*> gradients;   // by share; zero again after the step
    std::vector<const float*> kept;  // [share][step of the program]

    // What they kept of step s in a batch of `rows` rows.
    void list_kept(std::size_t s, std::int64_t rows, std::vector<Kept>& list) const;
  };

  // One step of training, seen by all workers alike.
  struct Step {
    float learning_rate;
    std::int64_t iteration;  // from 0
    std::int64_t rows;       // of the batch
    const Workers& workers;
    float* parameters;
    float* const* packed;                      // by step of the program; nullptr: not here
    const std::vector<bool>& packed_for_data;  // by step: what the data gradient reads, too
    bool is_gathered = false;                  // the first share's gradient is that of the batch
  };

  // ValueError for an unknown optimizer or a wrong attribute. Beside the optimizer's own constants
  // the attributes may have clipnorm, clipvalue, global_clipnorm, weight_decay, ema_momentum,
  // ema_overwrite_frequency, loss_scale_factor and gradient_accumulation_steps.
  Updater(const Program& program, const std::string& optimizer, const Attributes& attributes);

  // What is particular to each parameter, in their order: l1, l2, orthogonal (a factor) with rows
  // (a bool), weight_decay (a bool), constraint ("norm" with low, high, rate and axes, or
  // "non_negative"); all of them optional.
  void set_rules(const std::vector<Attributes>& rules);

  // "average" and "gradient_accumulator", where the options need them, then the optimizer's.
  std::vector<Slot>& slots() { return slots_; }
  std::vector<float>& scalars() { return optimizer_->scalars(); }
  float loss_scale() const { return loss_scale_; }

  // The regularizers' part of the loss of one row.
  double penalty(const float* parameters, const Wanted& wanted);

  // Gives every share an equal part of each step's units; those of frozen steps stay as they are.
  void plan(int shares, const Wanted& wanted);
  // By every thread, after all have met: adds up the whole gradient in the first share's. With it
  // the step may begin, after all have met again, as one that is_gathered.
  void gather(const Member& member, const Step& step);
  // For every share, after its gradient and before all have met.
  void prepare(int share, const Step& step);
  // By every thread, after all have met: the step itself, and the new weights packed.
  void run(const Member& member, const Step& step);
  // For every share, after all have met: what is left of its gradient becomes zero.
  void clear(int share, const Step& step) const;
  // The regularizers' part of the sum of losses over rows since the last call.
  double take_penalty();

 private:
  // More than any optimizer has, with those of the options.
  static constexpr std::size_t kMostSlots = 6;

  struct Rule {
    float l1 = 0.0F;
    float l2 = 0.0F;
    std::optional<OrthogonalPenalty> orthogonal;
    bool decays = true;
    bool non_negative = false;
    std::optional<NormConstraint> norm;

    bool constrained() const { return non_negative || norm.has_value(); }
  };
  // Part of one parameter.
  struct Piece {
    std::size_t parameter;
    std::int64_t begin, size;  // in the flat array
  };
  // Part of one step's parameters that one worker updates and packs.
  struct Portion {
    std::size_t step;
    std::int64_t begin, end;  // units
    bool is_late;             // the first piece's gradient: see Op::late_unit
    std::vector<Piece> pieces;
  };
  // What a share computes late gradients in and from.
  struct Late {
    Buffer gradient;
    std::vector<Kept> kept;
  };

  Rule rule_of(const Parameter& parameter, const Attributes& attributes) const;
  std::size_t parameter_at(std::int64_t at) const;
  std::size_t step_of(std::size_t parameter) const;
  bool clips_norms() const { return clipnorm_ > 0.0F || global_clipnorm_ > 0.0F; }
  bool moves(const Step& step) const { return (step.iteration + 1) % accumulated_steps_ == 0; }
  // Steps of the optimizer done before this one.
  std::int64_t moves_before(const Step& step) const { return step.iteration / accumulated_steps_; }

  const std::vector<Portion>& portions_of(int share) const {
    return portions_[static_cast<std::size_t>(share)];
  }
  // Whether a step leaves the gradients of the shares as they are, for each to clear its own: what
  // one thread writes and another goes on with takes long.
  bool shares_clear(const Step& step) const {
    return step.workers.gradients.size() > 1 && !step.is_gathered &&
           !(clips_norms() && moves(step));
  }
  void sum_shares(std::int64_t at, std::int64_t size, float* to, const Step& step) const;
  static constexpr std::int64_t kBlock = 2048;  // floats
  // f(at, size) for blocks of a piece that stay in the first-level cache.
  template <class F>
  static void for_blocks(const Piece& piece, F&& f);
  // f(begin, end, at, size) for blocks of units of a portion with a late gradient.
  template <class F>
  void for_late_blocks(const Portion& portion, F&& f) const;
  // f(parameter) for those that a share does as a whole.
  template <class F>
  void for_own_parameters(int share, F&& f) const;
  void update(int share, const Portion& portion, const Step& step);
  void compute_late(int share, const Portion& portion, std::int64_t begin, std::int64_t end,
                    std::int64_t at, std::int64_t size, float* g, const Step& step);
  void add_shares(std::int64_t first, std::int64_t at, std::int64_t size, float* g,
                  const Step& step) const;
  void collect(int share, const Piece& piece, std::int64_t at, std::int64_t size, float* g,
               const Step& step);
  void collect_with_norms(int share, const Step& step);
  std::array<const float*, 1 + kMostSlots> arrays_at(std::int64_t at, const Step& step) const;
  void apply(const Piece& piece, std::int64_t at, std::int64_t size, float* g, const Step& step);
  void clip_gradient(const Piece& piece, std::int64_t size, float* g) const;
  void average(std::int64_t at, std::int64_t size, const Step& step);
  void constrain(int share, const Step& step);
  void pack(const Portion& portion, std::int64_t begin, std::int64_t end, const Step& step) const;
  float clip_factor(std::size_t parameter) const;
  double norm_squared(std::size_t parameter) const;

  const Program& program_;
  std::unique_ptr<Optimizer> optimizer_;
  float clipnorm_, clipvalue_, global_clipnorm_, weight_decay_, loss_scale_;
  std::optional<float> ema_momentum_;
  std::int64_t ema_overwrite_frequency_;
  std::int64_t accumulated_steps_;
  std::vector<Slot> slots_;
  std::size_t own_slots_ = 0;  // where the optimizer's start
  std::vector<Rule> rules_;    // by parameter
  bool constrained_ = false;
  Buffer scratch_;                        // of the rules that do a parameter as a whole
  std::vector<std::int64_t> scratch_at_;  // by parameter
  int shares_ = 0;
  std::vector<bool> frozen_;                    // by step, as planned
  std::vector<bool> moves_;                     // by parameter: whether the optimizer may change it
  std::vector<Late> late_;                      // by share
  std::vector<std::vector<Portion>> portions_;  // by share
  std::vector<double> norms_;                   // sums of squares of gradients, [parameter][share]
  std::vector<double> penalties_;               // by share
};

}  // namespace convlet
