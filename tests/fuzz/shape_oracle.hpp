// What shape an op must give, from the definitions: windows are counted one by one.
#pragma once

#include <optional>

#include "ops/attributes.hpp"

namespace convlet::fuzz {

struct ExpectedShape {
  bool is_valid;  // false: the op must refuse
  Shape shape;
  bool is_small;  // so that no limit of the engine is an excuse
};

// Nothing for an op, or sizes, that the oracle does not count.
std::optional<ExpectedShape> expected_shape(const std::string& op, const Attributes& attributes,
                                            const Shape& input);

}  // namespace convlet::fuzz
