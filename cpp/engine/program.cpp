#include "engine/program.hpp"

#include <cstdlib>
#include <optional>
#include <utility>

namespace convlet {
namespace {

bool is_activation(const OpSpec& spec, const std::string& activation) {
  return spec.name == "activation" && spec.attributes.text("activation") == activation;
}

Tail tail_of(const OpSpec& spec) {
  if (is_activation(spec, "softmax")) return Tail::kSoftmax;
  return is_activation(spec, "sigmoid") ? Tail::kSigmoid : Tail::kNone;
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

// Whether a Conv2D of such an input is a DepthwiseConv2D by another name.
bool is_depthwise(const OpSpec& spec, const Shape& input) {
  return spec.attributes.has("groups") && spec.attributes.integer("groups") == input.back() &&
         input.back() > 1;
}

// CONVLET_WINOGRAD=0 in the environment: no Winograd convolutions in networks made from now on.
bool winograd_is_off() {
  const char* value = std::getenv("CONVLET_WINOGRAD");
  return value != nullptr && std::string(value) == "0";
}

bool uses_winograd(const OpSpec& spec) {
  return spec.name == "conv2d" || spec.name == "conv2d_transpose";
}

// Ops that can apply a ReLU to what they write.
bool takes_relu(const OpSpec& spec) {
  return spec.name == "conv1d" || spec.name == "conv2d" || spec.name == "conv2d_transpose" ||
         spec.name == "depthwise_conv2d" || spec.name == "dense" ||
         spec.name == "batch_normalization";
}

// The user's ops, and who reads what they write.
class Graph {
 public:
  explicit Graph(std::vector<OpSpec> ops) : ops_(std::move(ops)), readers_(ops_.size() + 1) {
    for (std::size_t i = 0; i < ops_.size(); ++i) {
      if (ops_[i].inputs.empty()) throw ValueError("Op '" + ops_[i].name + "' has no input.");
      for (const std::size_t t : ops_[i].inputs) {
        if (t > i) {
          throw ValueError("Op '" + ops_[i].name + "' reads tensor " + std::to_string(t) +
                           ", which no op before it writes.");
        }
        readers_[t].push_back(i);
      }
    }
    for (std::size_t t = 0; t < ops_.size(); ++t) {
      if (!readers_[t].empty()) continue;
      throw ValueError("Nobody reads tensor " + std::to_string(t) + ", which is not the output.");
    }
  }

  std::size_t size() const { return ops_.size(); }
  OpSpec& writer_of(std::size_t t) { return ops_[t - 1]; }
  // What is written by the only op that reads tensor t; nothing if there are several readers, or
  // the one reads more.
  std::optional<std::size_t> only_successor(std::size_t t) const {
    const auto& readers = readers_[t];
    if (readers.size() != 1 || ops_[readers.front()].inputs.size() != 1) return std::nullopt;
    return readers.front() + 1;
  }

 private:
  std::vector<OpSpec> ops_;
  std::vector<std::vector<std::size_t>> readers_;  // by tensor
};

// The op that writes tensor `chain.front()` joined with as many of those behind it as one step can
// do; adds what these write to the chain.
std::unique_ptr<Op> take_op(Graph& graph, std::vector<std::size_t>& chain,
                            const std::vector<Shape>& inputs) {
  OpSpec& spec = graph.writer_of(chain.front());
  if (uses_winograd(spec) && winograd_is_off()) spec.attributes.set("winograd", false);
  auto next = graph.only_successor(chain.back());
  if (takes_relu(spec) && next && is_activation(graph.writer_of(*next), "relu")) {
    spec.attributes.set("activation", std::string("relu"));
    chain.push_back(*next);
    next = graph.only_successor(chain.back());
  }
  std::unique_ptr<Op> op = make_op(spec.name, spec.attributes, inputs);
  if (spec.name == "conv2d" && next && !is_depthwise(spec, inputs.front()) &&
      is_pool_of_four(graph.writer_of(*next), op->output_shape())) {
    op = make_op("conv2d_max_pooling2d", spec.attributes, inputs);
    chain.push_back(*next);
  }
  return op;
}

}  // namespace

Program::Program(const Shape& input, std::vector<OpSpec> ops)
    : tensors{input}, readers(1), op_count(static_cast<int>(ops.size())) {
  elements(input);
  Graph graph(std::move(ops));
  // By the user's tensors: the program's.
  std::vector<std::optional<std::size_t>> tensor_of(graph.size() + 1);
  tensor_of[0] = 0;
  const auto first = graph.only_successor(0);
  if (first && graph.writer_of(*first).name == "rescaling") {
    const Attributes& rescaling = graph.writer_of(*first).attributes;
    input_scale = static_cast<float>(rescaling.number("scale"));
    input_offset = static_cast<float>(rescaling.number("offset"));
    tensor_of[*first] = 0;
  }
  for (std::size_t t = 1; t <= graph.size(); ++t) {
    if (tensor_of[t]) continue;  // part of an earlier step
    tail = t == graph.size() ? tail_of(graph.writer_of(t)) : Tail::kNone;
    Step step{nullptr, {}, static_cast<int>(t) - 1, parameter_size};
    std::vector<Shape> shapes;
    for (const std::size_t from : graph.writer_of(t).inputs) {
      step.inputs.push_back(*tensor_of[from]);
      shapes.push_back(tensors[*tensor_of[from]]);
    }
    std::vector<std::size_t> chain{t};
    step.op = take_op(graph, chain, shapes);
    for (const std::size_t part : chain) tensor_of[part] = tensors.size();
    add_step(std::move(step));
  }
}

void Program::add_step(Step step) {
  for (const std::size_t t : step.inputs) {
    if (readers[t].empty() || readers[t].back() != steps.size()) readers[t].push_back(steps.size());
  }
  readers.emplace_back();
  tensors.push_back(step.op->output_shape());
  for (const ParameterSpec& spec : step.op->parameters()) {
    parameters.push_back({step.index, spec.name, spec.shape, parameter_size, spec.trained});
    parameter_size += parameter_stride(elements(spec.shape));
  }
  flops_per_row += step.op->flops();
  steps.push_back(std::move(step));
}

Wanted::Wanted(const Program& program)
    : frozen(program.steps.size(), false), tensor(program.tensors.size(), true) {}

Wanted::Wanted(const Program& program, const std::vector<bool>& trainable) : tensor{false} {
  for (const Step& step : program.steps) {
    frozen.push_back(!trainable[static_cast<std::size_t>(step.index)]);
    bool wanted = step.op->units() > 0 && !frozen.back();
    for (const std::size_t t : step.inputs) wanted = wanted || tensor[t];
    tensor.push_back(wanted);
  }
}

}  // namespace convlet
