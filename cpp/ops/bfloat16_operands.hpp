// Mixed precision: the one place where operands are rounded. An op that finds them rounded computes
// in float32 as always; on a target that multiplies pairs of bfloat16 it may pack them (attribute
// "bfloat16", pair_products.hpp), which changes nothing but the order of additions.
#pragma once

#include <memory>

#include "ops/op.hpp"

namespace convlet {

// The same op, of whose products all operands are rounded to bfloat16: data, weights and, in
// backward, the gradient of the output. Everything else, sums, bias, outputs and the parameters
// themselves, is float32. A product of two bfloat16 numbers is exact in float32.
std::unique_ptr<Op> with_bfloat16_operands(std::unique_ptr<Op> op, const Shape& input);

}  // namespace convlet
