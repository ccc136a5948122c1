#include "ops/last_axes.hpp"

namespace convlet {

Shape last_axes(const std::string& layer, const Attributes& attributes, const Shape& input) {
  const std::int64_t axis = attributes.integer("axis");
  if (axis < 1 || axis > static_cast<std::int64_t>(input.size()) || elements(input) == 0) {
    throw ValueError(layer +
                     " needs inputs of at least two dimensions, none of them zero, and an axis "
                     "behind the batch axis. Received: inputs shape=" +
                     batch_string(input) + ", axis=" + std::to_string(axis));
  }
  return {input.begin() + (axis - 1), input.end()};
}

}  // namespace convlet
