// A network as the engine runs it: the user's graph of ops, fused into steps, with every
// parameter's place in one flat array.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ops/loss.hpp"
#include "ops/op.hpp"

namespace convlet {

// One of the user's ops. The network's input is tensor 0, and op i writes tensor i + 1.
struct OpSpec {
  std::string name;
  Attributes attributes;
  std::vector<std::size_t> inputs;  // tensors, of ops before it
};

struct Step {
  std::unique_ptr<Op> op;
  std::vector<std::size_t> inputs;  // tensors it reads
  int index;                        // of the user's op, the first one if several are fused
  std::int64_t parameters_at;       // in the flat array of parameters
};

// One tensor of parameters.
struct Parameter {
  int op;  // index among the user's ops
  std::string name;
  Shape shape;
  std::int64_t at;  // in the flat array
  bool trained;     // by the optimizer
};

// Step s writes tensor s + 1 and reads tensors before it; tensor 0 is the network's input, the last
// one its output.
struct Program {
  // Fuses Conv2D + ReLU, Conv2D (+ ReLU) + 2x2 MaxPooling2D, and Conv2DTranspose, DepthwiseConv2D,
  // Dense and BatchNormalization + ReLU into one step each where nobody else reads what is between
  // them, and a Rescaling in front into the gathering of the batch. ValueError where an op reads a
  // tensor that no op before it writes, or nobody reads one that is not the output.
  Program(const Shape& input, std::vector<OpSpec> ops);

  std::vector<Step> steps;
  std::vector<Shape> tensors;
  std::vector<std::vector<std::size_t>> readers;  // by tensor: steps, in order
  std::vector<Parameter> parameters;
  std::int64_t parameter_size = 0;
  int op_count;  // of the user's ops
  float input_scale = 1.0F;
  float input_offset = 0.0F;
  Tail tail = Tail::kNone;
  double flops_per_row = 0.0;  // a rough count of the forward pass

  std::int64_t tensor_size(std::size_t tensor) const { return elements(tensors[tensor]); }

 private:
  void add_step(Step step);
};

// Which gradients a backward pass is to compute.
struct Wanted {
  std::vector<bool> frozen;  // by step: its parameters' are not
  std::vector<bool> tensor;  // by tensor

  // All: of every parameter and of the network's input.
  explicit Wanted(const Program& program);
  // Those that the parameters of the user's ops marked `trainable` need: nothing below the lowest.
  Wanted(const Program& program, const std::vector<bool>& trainable);
};

}  // namespace convlet
