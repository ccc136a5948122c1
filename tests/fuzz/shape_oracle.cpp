#include "shape_oracle.hpp"

#include <algorithm>
#include <initializer_list>

namespace convlet::fuzz {
namespace {

constexpr std::int64_t kMostCounted = 1 << 12;  // sizes

struct TooLarge {};
struct Invalid {};

std::int64_t counted(std::int64_t size) {
  if (size > kMostCounted) throw TooLarge();
  return size;
}

// Sizes of at least `least`.
Shape sizes(const Shape& shape, std::int64_t least) {
  for (const std::int64_t size : shape) {
    if (counted(size) < least) throw Invalid();
  }
  return shape;
}

Shape image(const Shape& input, std::int64_t least = 1) {
  if (input.size() != 3) throw Invalid();
  return sizes(input, least);
}

std::int64_t positive(const Attributes& attributes, const char* name) {
  const std::int64_t value = attributes.integer(name);
  if (value < 1) throw Invalid();
  return counted(value);
}

Shape pair(const Attributes& attributes, const char* name) {
  const Shape values = attributes.integers(name);
  if (values.size() != 2) throw Invalid();
  return sizes(values, 1);
}

Shape dilation(const Attributes& attributes) {
  return attributes.has("dilation_rate") ? pair(attributes, "dilation_rate") : Shape{1, 1};
}

bool is_same(const Attributes& attributes) {
  const std::string padding = attributes.text("padding");
  if (padding != "same" && padding != "valid") throw Invalid();
  return padding == "same";
}

// Windows along one axis: those that begin inside, or those that lie inside.
std::int64_t windows(std::int64_t in, std::int64_t extent, std::int64_t stride, bool same) {
  std::int64_t count = 0;
  for (std::int64_t at = 0; at + (same ? 1 : extent) <= in; at += stride) ++count;
  if (count == 0) throw Invalid();
  return count;
}

Shape slide(const Attributes& attributes, const char* window, const Shape& input,
            std::int64_t channels) {
  const Shape x = image(input);
  const Shape k = pair(attributes, window);
  const Shape s = pair(attributes, "strides");
  const Shape d = dilation(attributes);
  const bool same = is_same(attributes);
  return {windows(x[0], (k[0] - 1) * d[0] + 1, s[0], same),
          windows(x[1], (k[1] - 1) * d[1] + 1, s[1], same), channels};
}

std::string fused(const Attributes& attributes) {
  return attributes.text_or("activation", "linear");
}

void check_kernel(const Attributes& attributes) {
  attributes.boolean("use_bias");
  for (const char* name : {"winograd", "bfloat16"}) {
    if (attributes.has(name)) attributes.boolean(name);
  }
  if (fused(attributes) != "linear" && fused(attributes) != "relu") throw Invalid();
}

Shape conv2d(const Attributes& attributes, const Shape& input) {
  check_kernel(attributes);
  const std::int64_t filters = positive(attributes, "filters");
  const std::int64_t groups = attributes.has("groups") ? positive(attributes, "groups") : 1;
  const Shape y = slide(attributes, "kernel_size", input, filters);
  if (input[2] % groups != 0 || filters % groups != 0) throw Invalid();
  return y;
}

Shape depthwise(const Attributes& attributes, const Shape& input) {
  check_kernel(attributes);
  const std::int64_t multiplier = positive(attributes, "depth_multiplier");
  return slide(attributes, "kernel_size", input, image(input)[2] * multiplier);
}

// Cells that the windows reach; "same" keeps `in` times the stride of them.
std::int64_t transposed(std::int64_t in, std::int64_t k, std::int64_t s, std::int64_t d, bool same,
                        std::optional<std::int64_t> extra) {
  const std::int64_t extent = (k - 1) * d + 1;
  if (extra && (*extra < 0 || *extra >= s)) throw Invalid();
  std::int64_t out = 0;
  if (same) {
    out = extra ? (in - 1) * s + extent - 2 * (extent / 2) + *extra : in * s;
  } else {
    out = (in - 1) * s + (extra ? extent + *extra : std::max(extent, s));
  }
  if (out < 1) throw Invalid();
  return out;
}

Shape conv2d_transpose(const Attributes& attributes, const Shape& input) {
  check_kernel(attributes);
  const Shape x = image(input);
  const Shape k = pair(attributes, "kernel_size");
  const Shape s = pair(attributes, "strides");
  const Shape d = dilation(attributes);
  const bool same = is_same(attributes);
  std::optional<std::int64_t> extra[2];
  if (attributes.has("output_padding")) {
    const Shape given = attributes.integers("output_padding");
    if (given.size() != 2) throw Invalid();
    extra[0] = given[0];
    extra[1] = given[1];
  }
  return {transposed(x[0], k[0], s[0], d[0], same, extra[0]),
          transposed(x[1], k[1], s[1], d[1], same, extra[1]), positive(attributes, "filters")};
}

Shape up_sampling2d(const Attributes& attributes, const Shape& input) {
  const Shape x = image(input, 0);
  const Shape size = pair(attributes, "size");
  const std::string how = attributes.text("interpolation");
  if (how != "nearest" && how != "bilinear") throw Invalid();
  return {x[0] * size[0], x[1] * size[1], x[2]};
}

// `sign` 1: borders are added, -1: they are cut off.
Shape with_borders(const Attributes& attributes, const char* name, const Shape& input, int sign) {
  Shape shape = image(input, 0);
  const Shape sides = attributes.integers(name);
  if (sides.size() != 4) throw Invalid();
  for (std::size_t side = 0; side < 4; ++side) {
    if (sides[side] < 0) throw Invalid();
    shape[side / 2] += sign * counted(sides[side]);
  }
  if (sign < 0 && (shape[0] < 1 || shape[1] < 1)) throw Invalid();
  return shape;
}

Shape dense(const Attributes& attributes, const Shape& input) {
  Shape shape = sizes(input, 0);
  if (shape.empty() || shape.back() < 1) throw Invalid();
  attributes.boolean("use_bias");
  if (attributes.has("bfloat16")) attributes.boolean("bfloat16");
  fused(attributes);
  shape.back() = positive(attributes, "units");
  return shape;
}

Shape broadcast(const Attributes& attributes, const Shape& input) {
  const Shape shape = sizes(attributes.integers("target_shape"), 0);
  sizes(input, 0);
  if (input.size() > shape.size()) throw Invalid();
  const std::size_t missing = shape.size() - input.size();
  for (std::size_t axis = 0; axis < input.size(); ++axis) {
    if (input[axis] != 1 && input[axis] != shape[missing + axis]) throw Invalid();
  }
  return shape;
}

std::optional<Shape> shape_of(const std::string& op, const Attributes& attributes,
                              const Shape& input) {
  if (op == "conv2d") return conv2d(attributes, input);
  if (op == "depthwise_conv2d") return depthwise(attributes, input);
  if (op == "conv2d_transpose") return conv2d_transpose(attributes, input);
  if (op == "max_pooling2d" || op == "average_pooling2d")
    return slide(attributes, "pool_size", input, image(input)[2]);
  if (op == "up_sampling2d") return up_sampling2d(attributes, input);
  if (op == "zero_padding2d") return with_borders(attributes, "padding", input, 1);
  if (op == "cropping2d") return with_borders(attributes, "cropping", input, -1);
  if (op == "broadcast") return broadcast(attributes, input);
  if (op == "dense") return dense(attributes, input);
  return std::nullopt;
}

// Every size, and their product with that of a kernel, far below the engine's limits.
bool all_small(const Attributes& attributes, std::initializer_list<const Shape*> shapes) {
  constexpr std::int64_t kSmall = 24;
  std::vector<std::int64_t> sizes;
  for (const Shape* shape : shapes) sizes.insert(sizes.end(), shape->begin(), shape->end());
  for (const char* name : {"kernel_size", "pool_size", "strides", "dilation_rate", "size",
                           "padding", "cropping", "output_padding"}) {
    if (!attributes.has(name) || (std::string(name) == "padding" && shapes.size() == 0)) continue;
    try {
      for (const std::int64_t value : attributes.integers(name)) sizes.push_back(value);
    } catch (const ValueError&) {  // a text
    }
  }
  return std::all_of(sizes.begin(), sizes.end(), [](std::int64_t s) { return s <= kSmall; });
}

}  // namespace

std::optional<ExpectedShape> expected_shape(const std::string& op, const Attributes& attributes,
                                            const Shape& input) {
  try {
    const std::optional<Shape> shape = shape_of(op, attributes, input);
    if (!shape) return std::nullopt;
    return ExpectedShape{true, *shape, all_small(attributes, {&input, &*shape})};
  } catch (const TooLarge&) {
    return std::nullopt;
  } catch (const Invalid&) {
    return ExpectedShape{false, {}, false};
  } catch (const ValueError&) {  // an attribute that is missing or of another type
    return ExpectedShape{false, {}, false};
  }
}

}  // namespace convlet::fuzz
