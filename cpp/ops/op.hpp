// One executable step of a network. An Op is immutable once made, so all workers share it; whatever
// changes is handed in: the worker's slice of activations, the network's parameters, scratch
// memory. Nothing here allocates after the constructor, starts threads or throws from forward and
// backward.
#pragma once

#include <cstdint>
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
};

// One of `count` nearly equal parts.
struct Part {
  std::int64_t index = 0;
  std::int64_t count = 1;

  // Where it begins and ends in a range of `size`.
  std::int64_t begin(std::int64_t size) const { return size * index / count; }
  std::int64_t end(std::int64_t size) const { return size * (index + 1) / count; }
  template <class T>
  std::span<const T> of(const std::vector<T>& all) const {
    const auto size = static_cast<std::int64_t>(all.size());
    return std::span(all).subspan(static_cast<std::size_t>(begin(size)),
                                  static_cast<std::size_t>(end(size) - begin(size)));
  }
};

struct ForwardArgs {
  std::int64_t rows;
  const float* x;  // [rows][input]
  float* y;        // [rows][output]
  const float* parameters;
  const float* packed;
  float* saved;  // nullptr in inference
  float* scratch;
};

struct BackwardArgs {
  std::int64_t rows;
  const float* x;
  const float* y;
  float* dy;  // [rows][output]; the op may overwrite it
  float* dx;  // [rows][input], overwritten; nullptr where nobody needs it
  const float* parameters;
  const float* packed;
  const float* saved;
  float* scratch;
  float* workspace;
  float* gradient;  // the layout of parameters, accumulated
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

  virtual void forward(const ForwardArgs& a) const = 0;
  // Part `part` of `parts` of forward's output, from all of x: for workers that share a few large
  // rows in inference. Parts do not overlap; together they are the same bits. An op that cannot be
  // parted does everything in its first part.
  virtual void forward_part(const ForwardArgs& a, Part part) const {
    if (part.index == 0) forward(a);
  }
  virtual void backward(const BackwardArgs& a) const = 0;
  // Once after the last backward of a step: adds what the workspace holds to the gradient.
  virtual void finish_gradient(float* workspace, float* gradient) const {
    (void)workspace;
    (void)gradient;
  }

  // The parameters fall into units() parts that different workers may update and then pack at the
  // same time.
  virtual std::int64_t units() const { return 0; }
  // The parameters of units [begin, end).
  virtual std::vector<Span> unit_spans(std::int64_t begin, std::int64_t end) const {
    (void)begin;
    (void)end;
    return {};
  }
  // Brings `packed` up to date for units [begin, end). `training`: what backward reads, too.
  virtual void pack(std::int64_t begin, std::int64_t end, const float* parameters, bool training,
                    float* packed) const {
    (void)begin;
    (void)end;
    (void)parameters;
    (void)training;
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

// Makes the op; ValueError for an unknown name, a wrong attribute or an impossible input shape.
std::unique_ptr<Op> make_op(const std::string& name, const Attributes& attributes,
                            const Shape& input);

}  // namespace convlet
