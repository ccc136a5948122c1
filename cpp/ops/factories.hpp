// One factory an op, each defined in the file of the op (conv2d_max_pooling2d: conv2d.cpp,
// gaussian_dropout: gaussian_noise.cpp).
#pragma once

#include "ops/op.hpp"

namespace convlet {

std::unique_ptr<Op> make_activation(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_average_pooling2d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_batch_normalization(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_conv2d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_conv2d_max_pooling2d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_dense(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_dropout(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_gaussian_dropout(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_gaussian_noise(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_global_max_pooling2d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_max_pooling2d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_rescaling(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_reshape(const Attributes& attributes, const Shape& input);

}  // namespace convlet
