// One factory an op, each defined in the file of the op (conv2d_max_pooling2d: conv2d.cpp,
// cropping2d: zero_padding2d.cpp, gaussian_dropout: gaussian_noise.cpp, random_rotation,
// random_translation and random_zoom: random_affine.cpp, random_brightness and random_contrast:
// random_color.cpp, softmax: activation.cpp, those on
// sequences: view1d.cpp).
#pragma once

#include "ops/op.hpp"

namespace convlet {

std::unique_ptr<Op> make_activation(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_average_pooling1d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_average_pooling2d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_batch_normalization(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_broadcast(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_conv1d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_conv2d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_conv2d_max_pooling2d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_conv2d_transpose(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_cropping2d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_dense(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_depthwise_conv2d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_dropout(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_gaussian_dropout(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_activity_regularization(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_gaussian_noise(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_global_max_pooling1d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_global_max_pooling2d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_group_normalization(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_layer_normalization(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_max_pooling1d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_max_pooling2d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_normalization(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_permute(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_prelu(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_random_brightness(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_random_contrast(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_random_crop(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_random_erasing(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_random_flip(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_random_rotation(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_random_translation(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_random_zoom(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_rescaling(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_reshape(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_softmax(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_unit_normalization(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_up_sampling2d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_zero_padding1d(const Attributes& attributes, const Shape& input);
std::unique_ptr<Op> make_zero_padding2d(const Attributes& attributes, const Shape& input);

// Of several inputs; all but concatenate in elementwise_merge.cpp.
std::unique_ptr<Op> make_add(const Attributes& attributes, const std::vector<Shape>& inputs);
std::unique_ptr<Op> make_average(const Attributes& attributes, const std::vector<Shape>& inputs);
std::unique_ptr<Op> make_concatenate(const Attributes& attributes,
                                     const std::vector<Shape>& inputs);
std::unique_ptr<Op> make_maximum(const Attributes& attributes, const std::vector<Shape>& inputs);
std::unique_ptr<Op> make_minimum(const Attributes& attributes, const std::vector<Shape>& inputs);
std::unique_ptr<Op> make_multiply(const Attributes& attributes, const std::vector<Shape>& inputs);
std::unique_ptr<Op> make_subtract(const Attributes& attributes, const std::vector<Shape>& inputs);

}  // namespace convlet
