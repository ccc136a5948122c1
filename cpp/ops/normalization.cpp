// Normalization: y = (x - mean) / max(sqrt(variance), 1e-7), or the way back, with a mean and a
// variance for each place along some axes. They are attributes, or weights that no training
// changes.
#include <algorithm>
#include <cmath>

#include "kernels/standardize.hpp"
#include "ops/factories.hpp"

namespace convlet {
namespace {

constexpr float kLeastDeviation = 1e-7F;  // keras.config.epsilon()

// Where the statistics of a row are: element i has those of number source[i % source.size()].
struct Places {
  Shape shape;  // of the axes with statistics of their own
  std::vector<std::int64_t> source;
};

// axes: in ascending order, 1 being the first one of a row.
Places kept_axes(const Shape& input, const Shape& axes) {
  Places kept;
  std::vector<bool> own(input.size(), false);
  std::int64_t before = 0;
  for (const std::int64_t axis : axes) {
    if (axis <= before || axis > static_cast<std::int64_t>(input.size())) {
      throw ValueError(
          "`axis` must be axes of the inputs in ascending order, and not that of the batch. "
          "Received: axis=" +
          tuple_string(axes) + ", inputs shape=" + batch_string(input));
    }
    before = axis;
    own[static_cast<std::size_t>(axis - 1)] = true;
    kept.shape.push_back(input[static_cast<std::size_t>(axis - 1)]);
  }
  // The statistics repeat before the first of their axes.
  const Shape period(axes.empty() ? input.end() : input.begin() + (axes.front() - 1), input.end());
  kept.source.resize(static_cast<std::size_t>(elements(period)));
  for (std::size_t i = 0; i < kept.source.size(); ++i) {
    auto rest = static_cast<std::int64_t>(i);
    std::int64_t stride = 1;
    for (std::size_t axis = input.size(); axis-- > input.size() - period.size();) {
      if (own[axis]) {
        kept.source[i] += rest % input[axis] * stride;
        stride *= input[axis];
      }
      rest /= input[axis];
    }
  }
  return kept;
}

class Normalization final : public Op {
 public:
  // Statistics as weights, or those given: a mean and a deviation for each place.
  Normalization(const Shape& shape, const Places& kept, bool invert)
      : Op(shape,
           {{"mean", kept.shape, false}, {"variance", kept.shape, false}, {"count", {}, false}}),
        source_(kept.source),
        invert_(invert),
        size_(elements(shape)),
        variance_at_(parameter_stride(elements(kept.shape))) {}
  Normalization(const Shape& shape, const Places& kept, bool invert, std::vector<float> mean,
                std::vector<float> variance)
      : Op(shape, {}),
        source_(kept.source),
        invert_(invert),
        size_(elements(shape)),
        mean_(std::move(mean)),
        variance_(std::move(variance)) {}

  Storage storage(bool) const override { return {.scratch = 2 * block()}; }

  void forward(const ForwardArgs& a) const override {
    const Statistics statistics = spread(a.parameters, a.scratch);
    (invert_ ? unstandardize : standardize)(statistics, a.rows * size_, a.x, a.y);
  }

  void backward(const BackwardArgs& a) const override {
    if (a.dx == nullptr) return;
    const Statistics statistics = spread(a.parameters, a.scratch);
    (invert_ ? unstandardize_backward : standardize_backward)(statistics, a.rows * size_, a.dy,
                                                              a.dx);
  }

 private:
  std::int64_t period() const { return static_cast<std::int64_t>(source_.size()); }
  // Some periods side by side, so that loops over them are not short.
  std::int64_t block() const {
    constexpr std::int64_t kLeast = 256;
    return (kLeast + period() - 1) / period() * period();
  }

  Statistics spread(const float* parameters, float* scratch) const {
    const float* means = mean_.empty() ? parameters : mean_.data();
    const float* variances = mean_.empty() ? parameters + variance_at_ : variance_.data();
    float* mean = scratch;
    float* deviation = scratch + block();
    for (std::int64_t i = 0; i < block(); ++i) {
      const std::int64_t from = source_[static_cast<std::size_t>(i % period())];
      const float root = std::sqrt(variances[from]);
      mean[i] = means[from];
      deviation[i] = root < kLeastDeviation ? kLeastDeviation : root;
    }
    return {block(), mean, deviation};
  }

  std::vector<std::int64_t> source_;
  bool invert_;
  std::int64_t size_;
  std::int64_t variance_at_ = 0;
  std::vector<float> mean_;  // empty: the weights
  std::vector<float> variance_;
};

std::vector<float> values_of(const Attributes& attributes, const std::string& name,
                             std::int64_t count) {
  const std::vector<double> values = attributes.numbers(name);
  if (static_cast<std::int64_t>(values.size()) != count) {
    throw ValueError("`" + name + "` must have " + std::to_string(count) +
                     " values. Received: " + std::to_string(values.size()));
  }
  return {values.begin(), values.end()};
}

}  // namespace

std::unique_ptr<Op> make_normalization(const Attributes& attributes, const Shape& input) {
  if (input.empty() || elements(input) == 0) {
    throw ValueError(
        "Normalization needs inputs of at least two dimensions, none of them zero. Received: "
        "inputs shape=" +
        batch_string(input));
  }
  const Places kept = kept_axes(input, attributes.integers("axis"));
  const bool invert = attributes.boolean("invert");
  if (!attributes.has("mean")) return std::make_unique<Normalization>(input, kept, invert);
  const std::int64_t count = elements(kept.shape);
  return std::make_unique<Normalization>(input, kept, invert, values_of(attributes, "mean", count),
                                         values_of(attributes, "variance", count));
}

}  // namespace convlet
