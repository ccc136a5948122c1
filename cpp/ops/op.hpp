// One executable step of a network. An Op is immutable once made, so all workers share it; whatever
// changes is handed in: the worker's slice of activations, the network's parameters, scratch
// memory. Nothing here allocates after the constructor, starts threads or throws from forward and
// backward.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ops/attributes.hpp"
#include "ops/shape.hpp"

namespace convlet {

struct ParameterSpec {
  std::string name;
  Shape shape;
  bool trained =
      true;  // by the optimizer; else the op itself keeps it up to date, see update_state
};

// A range of one op's parameters.
struct Span {
  std::int64_t begin;
  std::int64_t size;
};

// Floats that an op needs besides its activations.
struct Storage {
  std::int64_t packed =
      0;  // the parameters as the kernels read them: one copy, shared by all workers
  std::int64_t saved_per_row = 0;  // kept from forward to backward
  std::int64_t scratch = 0;        // a worker's, lost between calls
  std::int64_t workspace =
      0;  // a worker's, accumulated over the backward calls of a step, zero at its start
  std::int64_t shared = 0;        // a worker's, read by the whole team: see needs_whole_batch
  std::int64_t kept_per_row = 0;  // from backward to the end of the step: see late_unit
};

// What an op kept of one worker's share.
struct Kept {
  const float* data;
  std::int64_t rows;
};

// First row of share `share` of `shares` nearly equal ones of a batch.
constexpr std::int64_t share_begin(std::int64_t batch_rows, std::int64_t share,
                                   std::int64_t shares) {
  return batch_rows * share / shares;
}

// The workers that carry a batch, as an op that needs the whole of it sees them.
struct Team {
  std::span<float* const> memory;  // of each worker
  std::int64_t at = 0;             // of the op's part
  int self = 0;
  std::int64_t batch_rows = 0;  // of this process
  std::int64_t group_rows = 0;  // of the batch, in all processes

  int size() const { return static_cast<int>(memory.size()); }
  float* shared(int share) const { return memory[static_cast<std::size_t>(share)] + at; }
  float* own() const { return shared(self); }
  std::int64_t rows(int share) const {
    return share_begin(batch_rows, share + 1, size()) - share_begin(batch_rows, share, size());
  }
};

// Puts in the place of each value its sum over all processes that train together.
using GroupSum = std::function<void(std::span<float>)>;

// What the pass is for, and where in the batch its rows stand.
struct Context {
  bool training = false;   // layers do what they do in training; gradients may be wanted either way
  bool frozen = false;     // the user has set the layer's `trainable` to False
  std::uint64_t step = 0;  // of training: random numbers depend on it
  std::int64_t batch_row = 0;  // the first row's position in the batch
  std::int64_t share_row = 0;  // and in its worker's share
  float penalty_scale = 0.0F;  // of the gradients of penalties
  Team team;                   // empty where no op needs the whole batch
};

// One of `count` nearly equal parts.
struct Part {
  std::int64_t index = 0;
  std::int64_t count = 1;

  // Where it begins and ends in a range of `size`.
  std::int64_t begin(std::int64_t size) const { return share_begin(size, index, count); }
  std::int64_t end(std::int64_t size) const { return share_begin(size, index + 1, count); }
  // Groups of `together` elements, the whole of `all`, are not divided.
  template <class T>
  std::span<const T> of(const std::vector<T>& all, std::int64_t together = 1) const {
    const auto groups = static_cast<std::int64_t>(all.size()) / together;
    return std::span(all).subspan(
        static_cast<std::size_t>(together * begin(groups)),
        static_cast<std::size_t>(together * (end(groups) - begin(groups))));
  }
};

struct ForwardArgs {
  std::int64_t rows;
  const float* x;                    // [rows][input], the first one
  std::span<const float* const> xs;  // all inputs
  float* y;                          // [rows][output]
  const float* parameters;
  const float* packed;
  float* saved;  // nullptr where no backward follows
  float* scratch;
  Context context;
};

struct BackwardArgs {
  std::int64_t rows;
  const float* x;
  std::span<const float* const> xs;
  const float* y;
  float* dy;                    // [rows][output]; the op may overwrite it
  float* dx;                    // [rows][input], overwritten; nullptr where nobody needs it
  std::span<float* const> dxs;  // of all inputs; dx is the first one
  const float* parameters;
  const float* packed;
  const float* saved;
  float* scratch;
  float* workspace;
  float* gradient;  // the layout of parameters, accumulated; nullptr where nobody needs it
  float* kept;      // [rows][kept_per_row]
  Context context;
};

class Op {
 public:
  virtual ~Op() = default;

  const Shape& output_shape() const { return output_shape_; }
  // In memory order; the op's parameters are one array, each of these starting at a multiple of 16
  // floats.
  const std::vector<ParameterSpec>& parameters() const { return parameters_; }
  // `training`: backward will be called.
  virtual Storage storage(bool training) const {
    (void)training;
    return {};
  }
  // A rough count of the operations of a row's forward pass: two for each weight and output
  // position; the last axis of a kernel is the output's channels.
  virtual double flops() const;

  virtual void forward(const ForwardArgs& a) const = 0;
  // A part of forward's output, from all of x: for workers that share rows. Parts do not overlap;
  // together they are the same bits. An op that cannot be parted does everything in its first part.
  virtual void forward_part(const ForwardArgs& a, Part part) const {
    if (part.index == 0) forward(a);
  }
  virtual void backward(const BackwardArgs& a) const = 0;

  // Whether the op's weights are so many that, in training, the workers had better share each row's
  // work than the rows: each then reads some of the weights, most of them those that it has itself
  // updated, and not all. Each calls forward_part for all workers' rows; and, where dx is wanted,
  // each calls backward without dx for its own rows and then backward_part for all.
  virtual bool works_in_parts() const { return false; }
  // A part of dx.
  virtual void backward_part(const BackwardArgs& a, Part part) const {
    (void)a;
    (void)part;
  }

  // What the output of `rows` rows adds to the sum of the rows' losses. In backward its gradient,
  // times context.penalty_scale, joins dx.
  virtual double penalty(std::int64_t rows, const float* y) const {
    (void)rows;
    (void)y;
    return 0.0;
  }
  // Whether the op, in inference, gives back what it is given: it is then left out.
  virtual bool only_in_training() const { return false; }

  // Whether the op, in training, needs sums over the whole batch. Each worker then adds up those of
  // its share, slice by slice from the first (share_row = 0; there is one slice even if it has no
  // rows), into its `shared` memory; the team meets; and each calls forward for its slices, which
  // reads all workers' sums. Backward likewise. What forward leaves in `shared` is there in
  // backward.
  virtual bool needs_whole_batch() const { return false; }
  virtual void forward_sums(const ForwardArgs& a) const { (void)a; }
  virtual void backward_sums(const BackwardArgs& a) const { (void)a; }
  // Whether these sums are those over the batch's rows in all processes. One worker then, when all
  // have their own, turns them into those.
  virtual bool joins_group() const { return false; }
  virtual void join_forward_sums(const Team& team, const GroupSum& sum) const {
    (void)team;
    (void)sum;
  }
  virtual void join_backward_sums(const Team& team, const GroupSum& sum) const {
    (void)team;
    (void)sum;
  }
  // Brings the parameters that are not trained up to date after a step; `shared` is one worker's.
  virtual void update_state(const float* shared, float* parameters) const {
    (void)shared;
    (void)parameters;
  }

  // Once after the last backward of a step: adds what the workspace holds to the gradient.
  virtual void finish_gradient(float* workspace, float* gradient) const {
    (void)workspace;
    (void)gradient;
  }

  // Weights that take part in one product a row (Dense): adding up their gradient slice by slice
  // would move more memory than the products take time. Such an op keeps their factors instead, and
  // the gradient is computed unit by unit right before the optimizer uses it. Unit u's are the
  // parameters [u * late_unit(), (u + 1) * late_unit()); 0: the op has none.
  virtual std::int64_t late_unit() const { return 0; }
  // Writes the gradient of units [begin, end), (end - begin) * late_unit() floats, and brings the
  // arrays like it that the caller reads next into the cache.
  virtual void late_gradient(std::int64_t begin, std::int64_t end, std::span<const Kept> kept,
                             std::span<const float* const> next, float* gradient) const {
    (void)begin;
    (void)end;
    (void)kept;
    (void)next;
    (void)gradient;
  }

  // The trained parameters fall into units() parts that different workers may update and then pack
  // at the same time.
  virtual std::int64_t units() const { return 0; }
  // The trained parameters of units [begin, end).
  virtual std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end) const {
    (void)begin;
    (void)end;
    return {};
  }
  // Brings `packed` up to date for units [begin, end). `data_gradient`: what backward reads, too.
  virtual void pack(std::int64_t begin, std::int64_t end, const float* parameters,
                    bool data_gradient, float* packed) const {
    (void)begin;
    (void)end;
    (void)parameters;
    (void)data_gradient;
    (void)packed;
  }

 protected:
  Op(Shape output_shape, std::vector<ParameterSpec> parameters)
      : output_shape_(std::move(output_shape)), parameters_(std::move(parameters)) {}

 private:
  Shape output_shape_;
  std::vector<ParameterSpec> parameters_;
};

// Floats from the start of a parameter of `size` floats to the next one's: parameters start on
// cache lines.
constexpr std::int64_t parameter_stride(std::int64_t size) { return (size + 15) / 16 * 16; }
// Floats of all of an op's parameters.
std::int64_t parameter_size(const Op& op);

using OpFactory = std::unique_ptr<Op> (*)(const Attributes&, const Shape& input);
// Of an op that takes several inputs.
using MergeFactory = std::unique_ptr<Op> (*)(const Attributes&, const std::vector<Shape>& inputs);

// Makes the op; ValueError for an unknown name, a wrong attribute or impossible input shapes.
std::unique_ptr<Op> make_op(const std::string& name, const Attributes& attributes,
                            const std::vector<Shape>& inputs);

}  // namespace convlet
