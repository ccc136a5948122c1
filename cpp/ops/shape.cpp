#include "ops/shape.hpp"

namespace convlet {
namespace {

std::string join(const Shape& shape) {
  std::string text;
  for (const std::int64_t d : shape) text += (text.empty() ? "" : ", ") + std::to_string(d);
  return text;
}

}  // namespace

std::int64_t elements(const Shape& shape) {
  std::int64_t product = 1;
  for (const std::int64_t d : shape) {
    if (d < 0)
      throw ValueError("A dimension cannot be negative. Received shape=" + tuple_string(shape));
    if (d > kMaxElements || (product *= d) > kMaxElements) {
      throw ValueError(
          "At most " + std::to_string(kMaxElements) +
          " elements fit in one row of a tensor. Received shape=" + tuple_string(shape));
    }
  }
  return product;
}

std::string batch_string(const Shape& shape) {
  return shape.empty() ? "(None,)" : "(None, " + join(shape) + ")";
}

std::string tuple_string(const Shape& shape) {
  return "(" + join(shape) + (shape.size() == 1 ? ",)" : ")");
}

}  // namespace convlet
