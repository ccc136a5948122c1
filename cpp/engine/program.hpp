// A network as the engine runs it: the user's chain of ops, fused into steps, with every
// parameter's place in one flat array.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ops/op.hpp"

namespace convlet {

struct OpSpec {
  std::string name;
  Attributes attributes;
};

struct Step {
  std::unique_ptr<Op> op;
  int index;                   // of the user's op, the first one if several are fused
  std::int64_t parameters_at;  // in the flat array of parameters
};

// One tensor of parameters.
struct Parameter {
  int op;  // index among the user's ops
  std::string name;
  Shape shape;
  std::int64_t at;  // in the flat array
  bool trained;     // by the optimizer
};

// Step s reads tensor s and writes tensor s + 1; tensor 0 is the network's input.
struct Program {
  // Fuses Conv2D + ReLU, Conv2D (+ ReLU) + 2x2 MaxPooling2D, Dense + ReLU and BatchNormalization +
  // ReLU into one step each, and a Rescaling in front into the gathering of the batch.
  Program(const Shape& input, std::vector<OpSpec> ops);

  std::vector<Step> steps;
  std::vector<Shape> tensors;
  std::vector<Parameter> parameters;
  std::int64_t parameter_size = 0;
  int op_count;  // of the user's ops
  float input_scale = 1.0F;
  float input_offset = 0.0F;
  bool ends_in_softmax = false;
  double flops_per_row = 0.0;  // a rough count of the forward pass

  std::int64_t tensor_size(std::size_t tensor) const { return elements(tensors[tensor]); }
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
