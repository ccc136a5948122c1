// What ops that work on the last axes of a row have in common.
#pragma once

#include <string>

#include "ops/attributes.hpp"

namespace convlet {

// The axes from the attribute `axis` on, 1 being the first behind the batch axis. ValueError if
// there is no such axis or an axis of the input has no elements.
Shape last_axes(const std::string& layer, const Attributes& attributes, const Shape& input);

}  // namespace convlet
