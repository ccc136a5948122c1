#include "op_schemas.hpp"

namespace convlet::fuzz {
namespace {

using A = AttributeSchema;
using enum Kind;

constexpr const char* kPaddings[] = {"valid", "same"};
constexpr const char* kFused[] = {"linear", "relu"};
constexpr const char* kInterpolations[] = {"nearest", "bilinear"};
constexpr const char* kFillModes[] = {"constant", "nearest", "reflect", "wrap"};
constexpr const char* kActivations[] = {
    "celu",        "clipped_relu", "elu",         "exponential", "gelu",           "glu",
    "hard_shrink", "hard_sigmoid", "hard_silu",   "hard_tanh",   "leaky_relu",     "linear",
    "log_sigmoid", "log_softmax",  "mish",        "relu",        "relu6",          "selu",
    "sigmoid",     "silu",         "soft_shrink", "softmax",     "softplus",       "softsign",
    "sparse_plus", "sparsemax",    "squareplus",  "tanh",        "sparse_sigmoid", "tanh_shrink",
    "threshold"};

constexpr A kActivation[] = {{"activation", kText, false, kActivations},
                             {"negative_slope", kNumber, true},
                             {"max_value", kNumber, true},
                             {"threshold", kNumber, true},
                             {"default_value", kNumber, true},
                             {"alpha", kNumber, true},
                             {"approximate", kFlag, true},
                             {"b", kNumber, true}};
constexpr A kActivityRegularization[] = {{"l1", kNumber, true}, {"l2", kNumber, true}};
constexpr A kPooling1D[] = {
    {"pool_size", kSingle}, {"strides", kSingle}, {"padding", kText, false, kPaddings}};
constexpr A kPooling2D[] = {
    {"pool_size", kPair}, {"strides", kPair}, {"padding", kText, false, kPaddings}};
constexpr A kBatchNormalization[] = {{"center", kFlag},
                                     {"scale", kFlag},
                                     {"activation", kText, true, kFused},
                                     {"momentum", kNumber},
                                     {"epsilon", kNumber}};
constexpr A kBroadcast[] = {{"target_shape", kIntegers}};
constexpr A kConcatenate[] = {{"axis", kInteger}};
constexpr A kConv1D[] = {{"kernel_size", kSingle}, {"filters", kSize},
                         {"strides", kSingle},     {"padding", kText, false, kPaddings},
                         {"use_bias", kFlag},      {"dilation_rate", kSingle, true},
                         {"groups", kSize, true},  {"activation", kText, true, kFused},
                         {"bfloat16", kFlag, true}};
constexpr A kConv2D[] = {{"kernel_size", kPair},    {"filters", kSize},
                         {"strides", kPair},        {"padding", kText, false, kPaddings},
                         {"use_bias", kFlag},       {"dilation_rate", kPair, true},
                         {"groups", kSize, true},   {"activation", kText, true, kFused},
                         {"winograd", kFlag, true}, {"bfloat16", kFlag, true}};
constexpr A kConv2DTranspose[] = {{"kernel_size", kPair},
                                  {"filters", kSize},
                                  {"strides", kPair},
                                  {"padding", kText, false, kPaddings},
                                  {"use_bias", kFlag},
                                  {"dilation_rate", kPair, true},
                                  {"output_padding", kPair, true},
                                  {"activation", kText, true, kFused},
                                  {"winograd", kFlag, true},
                                  {"bfloat16", kFlag, true}};
constexpr A kCropping2D[] = {{"cropping", kIntegers}};
constexpr A kDense[] = {{"units", kSize},
                        {"use_bias", kFlag},
                        {"activation", kText, true, kFused},
                        {"bfloat16", kFlag, true}};
constexpr A kDepthwiseConv2D[] = {{"kernel_size", kPair},
                                  {"depth_multiplier", kSize},
                                  {"strides", kPair},
                                  {"padding", kText, false, kPaddings},
                                  {"use_bias", kFlag},
                                  {"dilation_rate", kPair, true},
                                  {"activation", kText, true, kFused},
                                  {"bfloat16", kFlag, true}};
constexpr A kDropout[] = {{"rate", kNumber}, {"seed", kInteger}, {"noise_shape", kIntegers, true}};
constexpr A kGaussianDropout[] = {{"rate", kNumber}, {"seed", kInteger}};
constexpr A kGaussianNoise[] = {{"stddev", kNumber}, {"seed", kInteger}};
constexpr A kGroupNormalization[] = {
    {"groups", kSize}, {"center", kFlag}, {"scale", kFlag}, {"epsilon", kNumber}};
constexpr A kLayerNormalization[] = {{"axis", kInteger},
                                     {"center", kFlag},
                                     {"scale", kFlag},
                                     {"rms_scaling", kFlag},
                                     {"epsilon", kNumber}};
constexpr A kNormalization[] = {
    {"axis", kIntegers}, {"invert", kFlag}, {"mean", kNumbers, true}, {"variance", kNumbers, true}};
constexpr A kPermute[] = {{"dims", kIntegers}};
constexpr A kPRelu[] = {{"shared_axes", kIntegers}};
constexpr A kRandomColor[] = {{"value_lower", kNumber},
                              {"value_upper", kNumber},
                              {"factor_lower", kNumber},
                              {"factor_upper", kNumber},
                              {"seed", kInteger}};
constexpr A kRandomCrop[] = {{"height", kSize},
                             {"width", kSize},
                             {"window", kIntegers},
                             {"seed", kInteger},
                             {"training_window", kIntegers, true}};
constexpr A kRandomErasing[] = {{"factor_lower", kNumber},      {"factor_upper", kNumber},
                                {"scale_lower", kNumber},       {"scale_upper", kNumber},
                                {"value_lower", kNumber},       {"value_upper", kNumber},
                                {"fill_value", kNumbers, true}, {"seed", kInteger}};
constexpr A kRandomFlip[] = {{"horizontal", kFlag}, {"vertical", kFlag}, {"seed", kInteger}};
constexpr A kRandomRotation[] = {
    {"factor_lower", kNumber}, {"factor_upper", kNumber},
    {"fill_value", kNumber},   {"fill_mode", kText, false, kFillModes},
    {"seed", kInteger},        {"interpolation", kText, false, kInterpolations}};
constexpr A kRandomAffine[] = {{"height_lower", kNumber},
                               {"height_upper", kNumber},
                               {"width_lower", kNumber, true},
                               {"width_upper", kNumber, true},
                               {"fill_value", kNumber},
                               {"fill_mode", kText, false, kFillModes},
                               {"interpolation", kText, false, kInterpolations},
                               {"seed", kInteger}};
constexpr A kRescaling[] = {{"scale", kNumber}, {"offset", kNumber}};
constexpr A kReshape[] = {{"target_shape", kIntegers}};
constexpr A kSoftmax[] = {{"axis", kInteger}};
constexpr A kUpSampling2D[] = {{"size", kPair}, {"interpolation", kText, false, kInterpolations}};
constexpr A kZeroPadding[] = {{"padding", kIntegers}};

constexpr OpSchema kOps[] = {
    {"activation", kActivation},
    {"activity_regularization", kActivityRegularization},
    {"add", {}},
    {"average", {}},
    {"average_pooling1d", kPooling1D},
    {"average_pooling2d", kPooling2D},
    {"batch_normalization", kBatchNormalization},
    {"broadcast", kBroadcast},
    {"concatenate", kConcatenate},
    {"conv1d", kConv1D},
    {"conv2d", kConv2D},
    {"conv2d_max_pooling2d", kConv2D},
    {"conv2d_transpose", kConv2DTranspose},
    {"cropping2d", kCropping2D},
    {"dense", kDense},
    {"depthwise_conv2d", kDepthwiseConv2D},
    {"dropout", kDropout},
    {"gaussian_dropout", kGaussianDropout},
    {"gaussian_noise", kGaussianNoise},
    {"global_max_pooling1d", {}},
    {"global_max_pooling2d", {}},
    {"group_normalization", kGroupNormalization},
    {"layer_normalization", kLayerNormalization},
    {"max_pooling1d", kPooling1D},
    {"max_pooling2d", kPooling2D},
    {"maximum", {}},
    {"minimum", {}},
    {"multiply", {}},
    {"normalization", kNormalization},
    {"permute", kPermute},
    {"prelu", kPRelu},
    {"random_brightness", kRandomColor},
    {"random_contrast", kRandomColor},
    {"random_crop", kRandomCrop},
    {"random_erasing", kRandomErasing},
    {"random_flip", kRandomFlip},
    {"random_rotation", kRandomRotation},
    {"random_translation", kRandomAffine},
    {"random_zoom", kRandomAffine},
    {"rescaling", kRescaling},
    {"reshape", kReshape},
    {"softmax", kSoftmax},
    {"subtract", {}},
    {"unit_normalization", kSoftmax},
    {"up_sampling2d", kUpSampling2D},
    {"zero_padding1d", kZeroPadding},
    {"zero_padding2d", kZeroPadding},
};

}  // namespace

std::span<const OpSchema> op_schemas() { return kOps; }

}  // namespace convlet::fuzz
