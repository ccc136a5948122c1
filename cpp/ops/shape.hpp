// Shapes of one row of a batch, and the errors that a user may see.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace convlet {

// The user's mistake: becomes Python's ValueError.
class ValueError : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

using Shape = std::vector<std::int64_t>;

// Sizes and offsets inside one row are 32-bit in the kernels.
inline constexpr std::int64_t kMaxElements = INT32_MAX;

// Product of the dimensions; ValueError if one is negative or the product exceeds kMaxElements.
std::int64_t elements(const Shape& shape);

// "(None, 28, 28, 1)": the shape with its batch dimension, as Keras prints it.
std::string batch_string(const Shape& shape);
// "(3, 3)" or "(3,)".
std::string tuple_string(const Shape& shape);

}  // namespace convlet
