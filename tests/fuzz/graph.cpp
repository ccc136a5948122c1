#include "graph.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "geometry.hpp"
#include "kernels/random.hpp"

namespace convlet::fuzz {
namespace {

constexpr std::int64_t kMostProducts = 1 << 15;  // of all rows, by op
constexpr std::int64_t kMostElements = 1 << 11;  // of a row
constexpr std::size_t kMostNodes = 6;

// Sizes on both sides of a vector's 4, 8 and 16 lanes.
constexpr std::int64_t kChannels[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33};

// Draws nodes; each draw_... gives nothing where the bytes ask for what has no meaning, or for too
// much.
class Drawing {
 public:
  Drawing(Bytes& bytes, Graph& graph) : bytes_(bytes), graph_(graph) {}

  bool add_one() {
    std::optional<Node> node = draw();
    if (!node || elements(node->shape) > kMostElements) return false;
    graph_.nodes.push_back(std::move(*node));
    return true;
  }

 private:
  const Shape& shape() const { return graph_.shape(graph_.nodes.size()); }
  bool is_image() const { return shape().size() == 3; }

  std::optional<Node> draw() {
    switch (bytes_.byte() % 20) {
      case 0:
      case 1:
      case 2:
      case 3:
        return shape().size() == 2 ? convolution1d() : convolution();
      case 4:
        return depthwise();
      case 5:
        return transposed();
      case 6:
      case 7:
      case 8:
        return pooling(true);
      case 9:
        return pooling(false);
      case 10:
        return borders();
      case 11:
        return up_sampling();
      case 12:
        return permutation();
      case 13:
        return flattened();
      case 14:
        return dropout();
      case 15:
        return normalization();
      case 16:
        return residual();
      case 17:
        return dense();
      default:
        return activation();
    }
  }

  Node node(const char* name, const Shape& shape) const {
    return {{name, {}, {graph_.nodes.size()}}, nullptr, shape, {}};
  }

  // Of a linear op: its terms are its definition.
  std::optional<Node> made(Node node, std::vector<Term> terms, const Shape& kernel = {},
                           std::int64_t bias = 0, bool winograd = false) const {
    if (static_cast<std::int64_t>(terms.size()) * graph_.rows > kMostProducts) return std::nullopt;
    if (!kernel.empty()) node.parameter_shapes.push_back(kernel);
    if (bias > 0) node.parameter_shapes.push_back({bias});
    node.layer = linear(std::move(terms), elements(shape()), elements(node.shape),
                        kernel.empty() ? 0 : elements(kernel), bias, winograd);
    return node;
  }

  // One axis of a window, and what the op's attributes say of both.
  struct Window {
    std::int64_t cells, stride, dilation;
  };
  Window window(std::int64_t most_cells, bool dilates) {
    const std::uint8_t how = bytes_.byte();
    const std::int64_t cells = how < 96 ? 3 : 1 + how % most_cells;
    const std::uint8_t step = bytes_.byte();
    return {cells, step < 128 ? 1 : 1 + step % 4, dilates && step % 8 == 7 ? 1 + step % 3 : 1};
  }
  Window window_of_two() { return bytes_.byte() < 128 ? Window{2, 2, 1} : window(4, false); }

  static void set_windows(Attributes& attributes, const char* name, const Window& y,
                          const Window& x, bool same) {
    attributes.set(name, Shape{y.cells, x.cells});
    attributes.set("strides", Shape{y.stride, x.stride});
    attributes.set("padding", std::string(same ? "same" : "valid"));
    if (y.dilation > 1 || x.dilation > 1)
      attributes.set("dilation_rate", Shape{y.dilation, x.dilation});
  }

  // Whether the engine may take Winograd's way.
  static bool has_winograd(const Window& y, const Window& x, std::int64_t groups) {
    const auto fits = [](const Window& w) {
      return w.cells == 3 && w.stride == 1 && w.dilation == 1;
    };
    return groups == 1 && fits(y) && fits(x);
  }

  // May the products be so many?
  bool is_affordable(std::int64_t pixels, const Window& y, const Window& x, std::int64_t channels,
                     std::int64_t filters) const {
    return pixels * y.cells * x.cells * channels * filters * graph_.rows <= 4 * kMostProducts;
  }

  std::optional<Node> convolution() {
    if (!is_image()) return std::nullopt;
    const Shape& in = shape();
    const Window y = window(6, true);
    const Window x = bytes_.flag() ? y : window(6, true);
    const bool same = bytes_.flag();
    const bool bias = bytes_.flag();
    std::int64_t groups = 1;
    const std::uint8_t grouped = bytes_.byte();
    if (grouped >= 192) groups = std::gcd(in[2], std::int64_t{grouped} % 8 + 1);
    if (grouped >= 240) groups = in[2];
    std::int64_t filters = bytes_.one_of(kChannels);
    filters = std::max(filters / groups, std::int64_t{1}) * groups;
    const Slide down = slide(in[0], y.cells, y.stride, y.dilation, same);
    const Slide across = slide(in[1], x.cells, x.stride, x.dilation, same);
    if (down.out == 0 || across.out == 0) return std::nullopt;
    if (!is_affordable(down.out * across.out, y, x, in[2] / groups, filters)) return std::nullopt;
    Node op = node("conv2d", {down.out, across.out, filters});
    set_windows(op.spec.attributes, "kernel_size", y, x, same);
    op.spec.attributes.set("filters", filters);
    op.spec.attributes.set("use_bias", bias);
    if (groups > 1) op.spec.attributes.set("groups", groups);
    if (grouped == 1) op.spec.attributes.set("winograd", false);
    return made(std::move(op), convolution_terms(down, across, in[2], filters, groups),
                {y.cells, x.cells, in[2] / groups, filters}, bias ? filters : 0,
                has_winograd(y, x, groups));
  }

  std::optional<Node> convolution1d() {
    const Shape& in = shape();
    const Window x = window(6, true);
    const bool same = bytes_.flag();
    const bool bias = bytes_.flag();
    const std::int64_t filters = bytes_.one_of(kChannels);
    const Slide across = slide(in[0], x.cells, x.stride, x.dilation, same);
    if (across.out == 0 || !is_affordable(across.out, {1, 1, 1}, x, in[1], filters))
      return std::nullopt;
    Node op = node("conv1d", {across.out, filters});
    op.spec.attributes.set("kernel_size", Shape{x.cells});
    op.spec.attributes.set("strides", Shape{x.stride});
    op.spec.attributes.set("padding", std::string(same ? "same" : "valid"));
    if (x.dilation > 1) op.spec.attributes.set("dilation_rate", Shape{x.dilation});
    op.spec.attributes.set("filters", filters);
    op.spec.attributes.set("use_bias", bias);
    return made(std::move(op),
                convolution_terms(slide(1, 1, 1, 1, false), across, in[1], filters, 1),
                {x.cells, in[1], filters}, bias ? filters : 0);
  }

  std::optional<Node> depthwise() {
    if (!is_image()) return std::nullopt;
    const Shape& in = shape();
    const Window y = window(6, true);
    const Window x = bytes_.flag() ? y : window(6, true);
    const bool same = bytes_.flag();
    const bool bias = bytes_.flag();
    const std::int64_t multiplier = 1 + std::max<std::int64_t>(bytes_.byte() - 192, 0) % 4;
    const Slide down = slide(in[0], y.cells, y.stride, y.dilation, same);
    const Slide across = slide(in[1], x.cells, x.stride, x.dilation, same);
    if (down.out == 0 || across.out == 0) return std::nullopt;
    if (!is_affordable(down.out * across.out, y, x, in[2], multiplier)) return std::nullopt;
    Node op = node("depthwise_conv2d", {down.out, across.out, in[2] * multiplier});
    set_windows(op.spec.attributes, "kernel_size", y, x, same);
    op.spec.attributes.set("depth_multiplier", multiplier);
    op.spec.attributes.set("use_bias", bias);
    return made(std::move(op), depthwise_terms(down, across, in[2], multiplier),
                {y.cells, x.cells, in[2], multiplier}, bias ? in[2] * multiplier : 0);
  }

  std::optional<Node> transposed() {
    if (!is_image()) return std::nullopt;
    const Shape& in = shape();
    const Window y = window(5, true);
    const Window x = bytes_.flag() ? y : window(5, true);
    const bool same = bytes_.flag();
    const bool bias = bytes_.flag();
    const std::int64_t filters = bytes_.one_of(kChannels);
    const std::uint8_t padding = bytes_.byte();
    const bool pads = padding >= 192;
    const Shape extra{pads ? padding % y.stride : -1, pads ? padding / 8 % x.stride : -1};
    const Slide down = transposed_slide(in[0], y.cells, y.stride, y.dilation, same, extra[0]);
    const Slide across = transposed_slide(in[1], x.cells, x.stride, x.dilation, same, extra[1]);
    if (down.in < 1 || across.in < 1) return std::nullopt;
    if (!is_affordable(in[0] * in[1], y, x, in[2], filters)) return std::nullopt;
    Node op = node("conv2d_transpose", {down.in, across.in, filters});
    set_windows(op.spec.attributes, "kernel_size", y, x, same);
    op.spec.attributes.set("filters", filters);
    op.spec.attributes.set("use_bias", bias);
    if (pads) op.spec.attributes.set("output_padding", extra);
    return made(std::move(op), transposed_terms(down, across, in[2], filters),
                {y.cells, x.cells, filters, in[2]}, bias ? filters : 0, has_winograd(y, x, 1));
  }

  std::optional<Node> pooling(bool of_maxima) {
    if (!is_image()) return std::nullopt;
    const Shape& in = shape();
    const Window y = window_of_two();
    const Window x = bytes_.flag() ? y : window_of_two();
    const bool same = bytes_.flag();
    const Slide down = slide(in[0], y.cells, y.stride, 1, same);
    const Slide across = slide(in[1], x.cells, x.stride, 1, same);
    if (down.out == 0 || across.out == 0) return std::nullopt;
    Node op =
        node(of_maxima ? "max_pooling2d" : "average_pooling2d", {down.out, across.out, in[2]});
    set_windows(op.spec.attributes, "pool_size", y, x, same);
    if (!of_maxima) return made(std::move(op), average_terms(down, across, in[2]));
    op.layer = maximum(windows(down, across, in[2]), elements(in));
    return op;
  }

  std::optional<Node> borders() {
    if (!is_image()) return std::nullopt;
    const Shape& in = shape();
    const bool crop = bytes_.flag();
    Shape sides;
    for (int side = 0; side < 4; ++side) sides.push_back(bytes_.between(0, 2));
    const std::int64_t sign = crop ? -1 : 1;
    const Shape out{in[0] + sign * (sides[0] + sides[1]), in[1] + sign * (sides[2] + sides[3]),
                    in[2]};
    if (out[0] < 1 || out[1] < 1) return std::nullopt;
    Node op = node(crop ? "cropping2d" : "zero_padding2d", out);
    op.spec.attributes.set(crop ? "cropping" : "padding", sides);
    return made(std::move(op),
                border_terms(crop ? out : in, crop ? in : out, sides[0], sides[2], crop));
  }

  std::optional<Node> up_sampling() {
    if (!is_image()) return std::nullopt;
    const Shape& in = shape();
    const bool bilinear = bytes_.flag();
    const std::int64_t sh = bytes_.between(1, 4);
    const std::int64_t sw = bytes_.between(1, 4);
    if (elements(in) * sh * sw > kMostElements) return std::nullopt;
    Node op = node("up_sampling2d", {in[0] * sh, in[1] * sw, in[2]});
    op.spec.attributes.set("size", Shape{sh, sw});
    op.spec.attributes.set("interpolation", std::string(bilinear ? "bilinear" : "nearest"));
    return made(std::move(op), up_sampling_terms(in, sh, sw, bilinear));
  }

  std::optional<Node> permutation() {
    const Shape& in = shape();
    Shape dims(in.size());
    std::iota(dims.begin(), dims.end(), 1);
    for (std::int64_t n = bytes_.between(0, 5); n-- > 0;)
      std::next_permutation(dims.begin(), dims.end());
    Shape out;
    for (const std::int64_t dim : dims) out.push_back(in[static_cast<std::size_t>(dim - 1)]);
    Node op = node("permute", out);
    op.spec.attributes.set("dims", dims);
    return made(std::move(op), permutation_terms(in, dims));
  }

  // To one axis, or two.
  std::optional<Node> flattened() {
    const std::int64_t size = elements(shape());
    Shape out{size};
    if (bytes_.flag()) out = {size / shape().back(), shape().back()};
    Node op = node("reshape", out);
    op.spec.attributes.set("target_shape", out);
    return made(std::move(op), identity_terms(size));
  }

  // The mask is drawn as the engine draws it.
  std::optional<Node> dropout() {
    const std::int64_t size = elements(shape());
    const double rate = bytes_.flag() ? 0.5 : 0.25;
    const std::uint64_t seed = bytes_.byte();
    std::vector<double> factors(static_cast<std::size_t>(graph_.rows * size), 1.0);
    std::vector<std::uint8_t> keep(static_cast<std::size_t>(size));
    for (std::int64_t r = 0; graph_.training && r < graph_.rows; ++r) {
      random_mask({seed, graph_.step, static_cast<std::uint32_t>(r)}, size,
                  static_cast<std::uint64_t>(std::llround(rate * 0x1p32)), keep.data());
      for (std::size_t i = 0; i < keep.size(); ++i) {
        factors[static_cast<std::size_t>(r) * keep.size() + i] =
            keep[i] != 0 ? static_cast<float>(1.0 / (1.0 - rate)) : 0.0;
      }
    }
    Node op = node("dropout", shape());
    op.spec.attributes.set("rate", rate);
    op.spec.attributes.set("seed", static_cast<std::int64_t>(seed));
    op.layer = times(std::move(factors));
    return op;
  }

  // In inference: in training a row's output depends on the others.
  std::optional<Node> normalization() {
    if (graph_.training) return std::nullopt;
    constexpr double kEpsilon = 0.125;
    const std::int64_t channels = shape().back();
    const bool scale = bytes_.flag();
    const bool center = bytes_.flag();
    Node op = node("batch_normalization", shape());
    op.spec.attributes.set("center", center);
    op.spec.attributes.set("scale", scale);
    op.spec.attributes.set("momentum", 0.5);
    op.spec.attributes.set("epsilon", kEpsilon);
    op.parameter_shapes.assign(std::size_t{2} + (scale ? 1 : 0) + (center ? 1 : 0), {channels});
    op.layer = batch_normalization(channels, scale, center, kEpsilon);
    return op;
  }

  // The sum with an earlier tensor of the same shape.
  std::optional<Node> residual() {
    const std::size_t last = graph_.nodes.size();
    const auto from = static_cast<std::size_t>(bytes_.byte()) % (last + 1);
    if (graph_.shape(from) != shape()) return std::nullopt;
    Node op = node("add", shape());
    op.spec.inputs = {from, last};
    return op;
  }

  std::optional<Node> dense() {
    const std::int64_t in = shape().back();
    const std::int64_t rows = elements(shape()) / in;
    const bool bias = bytes_.flag();
    const std::int64_t units = bytes_.one_of(kChannels);
    if (!is_affordable(rows, {1, 1, 1}, {1, 1, 1}, in, units)) return std::nullopt;
    Shape out = shape();
    out.back() = units;
    Node op = node("dense", out);
    op.spec.attributes.set("units", units);
    op.spec.attributes.set("use_bias", bias);
    return made(std::move(op), dense_terms(rows, in, units), {in, units}, bias ? units : 0);
  }

  std::optional<Node> activation() {
    const std::uint8_t which = bytes_.byte();
    const bool is_relu = which < 224;
    const bool is_tanh = which % 2 == 1;
    Node op = node("activation", shape());
    op.spec.attributes.set("activation", std::string(is_relu   ? "relu"
                                                     : is_tanh ? "tanh"
                                                               : "sigmoid"));
    op.layer = is_relu ? relu() : is_tanh ? tanh() : sigmoid();
    return op;
  }

  Bytes& bytes_;
  Graph& graph_;
};

Shape draw_input(Bytes& bytes) {
  const std::uint8_t how = bytes.byte();
  if (how >= 224) return {bytes.between(1, 64)};
  const std::int64_t channels = how < 64 ? 1 : bytes.one_of(kChannels);
  if (how >= 192) return {bytes.between(1, 20), channels};
  return {bytes.between(1, 14), bytes.between(1, 14), channels};
}

}  // namespace

Graph draw_graph(Bytes& bytes) {
  Graph graph{draw_input(bytes), 1 + bytes.byte() % 7, bytes.byte() < 128, bytes.byte(), {}};
  Drawing drawing(bytes, graph);
  while (graph.nodes.size() < kMostNodes && !bytes.empty() && drawing.add_one()) {
  }
  return graph;
}

}  // namespace convlet::fuzz
