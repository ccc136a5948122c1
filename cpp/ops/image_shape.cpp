#include "ops/image_shape.hpp"

namespace convlet {

Image image_of(const std::string& layer, const Shape& input) {
  if (input.size() != 3 || elements(input) == 0) {
    throw ValueError(layer +
                     " expects images of shape (batch, height, width, channels), none of them "
                     "zero. Received: inputs shape=" +
                     batch_string(input));
  }
  return {{input[0], input[1]}, input[2]};
}

}  // namespace convlet
