#include "engine/program.hpp"

#include <cstdlib>
#include <utility>

namespace convlet {
namespace {

bool is_activation(const OpSpec& spec, const std::string& activation) {
  return spec.name == "activation" && spec.attributes.text("activation") == activation;
}

// Whether `pool` is a 2x2 max pooling that cuts an image of height x width into whole windows and
// drops the rest.
bool is_pool_of_four(const OpSpec& pool, const Shape& image) {
  const Shape two{2, 2};
  if (pool.name != "max_pooling2d") return false;
  if (pool.attributes.integers("pool_size") != two || pool.attributes.integers("strides") != two)
    return false;
  const bool even = image[0] % 2 == 0 && image[1] % 2 == 0;
  return image[0] >= 2 && image[1] >= 2 && (even || pool.attributes.text("padding") == "valid");
}

// CONVLET_WINOGRAD=0 in the environment: no Winograd convolutions in networks made from now on.
bool winograd_is_off() {
  const char* value = std::getenv("CONVLET_WINOGRAD");
  return value != nullptr && std::string(value) == "0";
}

// Ops that can apply a ReLU to what they write.
bool takes_relu(const OpSpec& spec) {
  return spec.name == "conv2d" || spec.name == "dense" || spec.name == "batch_normalization";
}

// The op at `next` joined with as many of those behind it as one step can do; moves `next` past
// them.
std::unique_ptr<Op> take_step(std::vector<OpSpec>& ops, std::size_t& next, const Shape& input) {
  OpSpec spec = std::move(ops[next++]);
  if (spec.name == "conv2d" && winograd_is_off()) spec.attributes.set("winograd", false);
  if (takes_relu(spec) && next < ops.size() && is_activation(ops[next], "relu")) {
    spec.attributes.set("activation", std::string("relu"));
    ++next;
  }
  std::unique_ptr<Op> op = make_op(spec.name, spec.attributes, input);
  if (spec.name == "conv2d" && next < ops.size() &&
      is_pool_of_four(ops[next], op->output_shape())) {
    op = make_op("conv2d_max_pooling2d", spec.attributes, input);
    ++next;
  }
  return op;
}

// Two operations for each weight and output position; the last axis of a kernel is the output's
// channels.
double flops(const Op& op) {
  if (op.parameters().empty()) return 0.0;
  const Shape& kernel = op.parameters().front().shape;
  return 2.0 * static_cast<double>(elements(op.output_shape())) *
         static_cast<double>(elements(kernel)) / static_cast<double>(kernel.back());
}

}  // namespace

Program::Program(const Shape& input, std::vector<OpSpec> ops)
    : tensors{input}, op_count(static_cast<int>(ops.size())) {
  std::size_t next = 0;
  if (!ops.empty() && ops.front().name == "rescaling") {
    input_scale = static_cast<float>(ops.front().attributes.number("scale"));
    input_offset = static_cast<float>(ops.front().attributes.number("offset"));
    next = 1;
  }
  elements(input);
  while (next < ops.size()) {
    const int index = static_cast<int>(next);
    ends_in_softmax = next + 1 == ops.size() && is_activation(ops[next], "softmax");
    Step step{take_step(ops, next, tensors.back()), index, parameter_size};
    tensors.push_back(step.op->output_shape());
    for (const ParameterSpec& spec : step.op->parameters()) {
      parameters.push_back({index, spec.name, spec.shape, parameter_size, spec.trained});
      parameter_size += parameter_stride(elements(spec.shape));
    }
    flops_per_row += flops(*step.op);
    steps.push_back(std::move(step));
  }
}

Wanted::Wanted(const Program& program)
    : frozen(program.steps.size(), false), tensor(program.tensors.size(), true) {}

Wanted::Wanted(const Program& program, const std::vector<bool>& trainable) : tensor{false} {
  for (const Step& step : program.steps) {
    frozen.push_back(!trainable[static_cast<std::size_t>(step.index)]);
    const bool trained = step.op->units() > 0 && !frozen.back();
    tensor.push_back(trained || tensor.back());
  }
}

}  // namespace convlet
