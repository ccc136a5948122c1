// All ops by name: a new one is one line here.
#include "ops/factories.hpp"
#include "ops/op.hpp"

namespace convlet {
namespace {

struct Entry {
  const char* name;
  OpFactory make;
};

constexpr Entry kOps[] = {
    {"activation", make_activation},
    {"average_pooling2d", make_average_pooling2d},
    {"batch_normalization", make_batch_normalization},
    {"conv2d", make_conv2d},
    {"conv2d_max_pooling2d", make_conv2d_max_pooling2d},
    {"dense", make_dense},
    {"dropout", make_dropout},
    {"gaussian_dropout", make_gaussian_dropout},
    {"gaussian_noise", make_gaussian_noise},
    {"global_max_pooling2d", make_global_max_pooling2d},
    {"max_pooling2d", make_max_pooling2d},
    {"rescaling", make_rescaling},
    {"reshape", make_reshape},
};

}  // namespace

std::unique_ptr<Op> make_op(const std::string& name, const Attributes& attributes,
                            const Shape& input) {
  for (const Entry& entry : kOps) {
    if (name == entry.name) return entry.make(attributes, input);
  }
  throw ValueError("Unknown op: '" + name + "'");
}

std::int64_t parameter_size(const Op& op) {
  std::int64_t size = 0;
  for (const ParameterSpec& spec : op.parameters()) size += parameter_stride(elements(spec.shape));
  return size;
}

}  // namespace convlet
