// All ops by name: a new one is one line here.
#include "ops/bfloat16_operands.hpp"
#include "ops/factories.hpp"
#include "ops/op.hpp"

namespace convlet {
namespace {

struct Entry {
  const char* name;
  OpFactory make;                // nullptr for an op of several inputs
  MergeFactory merge = nullptr;  // of such an op
};

constexpr Entry kOps[] = {
    {"activation", make_activation},
    {"activity_regularization", make_activity_regularization},
    {"add", nullptr, make_add},
    {"average", nullptr, make_average},
    {"average_pooling1d", make_average_pooling1d},
    {"average_pooling2d", make_average_pooling2d},
    {"batch_normalization", make_batch_normalization},
    {"broadcast", make_broadcast},
    {"concatenate", nullptr, make_concatenate},
    {"conv1d", make_conv1d},
    {"conv2d", make_conv2d},
    {"conv2d_max_pooling2d", make_conv2d_max_pooling2d},
    {"conv2d_transpose", make_conv2d_transpose},
    {"cropping2d", make_cropping2d},
    {"dense", make_dense},
    {"depthwise_conv2d", make_depthwise_conv2d},
    {"dropout", make_dropout},
    {"gaussian_dropout", make_gaussian_dropout},
    {"gaussian_noise", make_gaussian_noise},
    {"global_max_pooling1d", make_global_max_pooling1d},
    {"global_max_pooling2d", make_global_max_pooling2d},
    {"group_normalization", make_group_normalization},
    {"layer_normalization", make_layer_normalization},
    {"max_pooling1d", make_max_pooling1d},
    {"max_pooling2d", make_max_pooling2d},
    {"maximum", nullptr, make_maximum},
    {"minimum", nullptr, make_minimum},
    {"multiply", nullptr, make_multiply},
    {"normalization", make_normalization},
    {"permute", make_permute},
    {"prelu", make_prelu},
    {"random_brightness", make_random_brightness},
    {"random_contrast", make_random_contrast},
    {"random_crop", make_random_crop},
    {"random_erasing", make_random_erasing},
    {"random_flip", make_random_flip},
    {"random_rotation", make_random_rotation},
    {"random_translation", make_random_translation},
    {"random_zoom", make_random_zoom},
    {"rescaling", make_rescaling},
    {"reshape", make_reshape},
    {"softmax", make_softmax},
    {"subtract", nullptr, make_subtract},
    {"unit_normalization", make_unit_normalization},
    {"up_sampling2d", make_up_sampling2d},
    {"zero_padding1d", make_zero_padding1d},
    {"zero_padding2d", make_zero_padding2d},
};

}  // namespace

std::unique_ptr<Op> make_op(const std::string& name, const Attributes& attributes,
                            const std::vector<Shape>& inputs) {
  for (const Shape& input : inputs) elements(input);  // so that no sum of sizes overflows
  for (const Entry& entry : kOps) {
    if (name != entry.name) continue;
    if (entry.merge != nullptr) return entry.merge(attributes, inputs);
    if (inputs.size() != 1)
      throw ValueError("Op '" + name +
                       "' takes one input. Received: " + std::to_string(inputs.size()));
    std::unique_ptr<Op> op = entry.make(attributes, inputs.front());
    const bool bfloat16 = attributes.has("bfloat16") && attributes.boolean("bfloat16");
    return bfloat16 ? with_bfloat16_operands(std::move(op), inputs.front()) : std::move(op);
  }
  throw ValueError("Unknown op: '" + name + "'");
}

double Op::flops() const {
  if (parameters_.empty()) return 0.0;
  const Shape& kernel = parameters_.front().shape;
  if (kernel.empty()) return 0.0;
  return 2.0 * static_cast<double>(elements(output_shape_)) *
         static_cast<double>(elements(kernel)) / static_cast<double>(kernel.back());
}

std::int64_t parameter_size(const Op& op) {
  std::int64_t size = 0;
  for (const ParameterSpec& spec : op.parameters()) size += parameter_stride(elements(spec.shape));
  return size;
}

}  // namespace convlet
