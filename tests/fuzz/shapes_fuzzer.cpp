// Shape inference and plans: bytes become ops with attributes that fit or do not, on inputs of any
// shape. What the engine takes must be the shape that the oracle counts, with parameters and plans
// that lie where there is room for them; what it does not take it refuses with a ValueError, or
// with std::bad_alloc.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <new>
#include <optional>
#include <type_traits>

#include "budget.hpp"
#include "bytes.hpp"
#include "engine/layout.hpp"
#include "engine/program.hpp"
#include "op_schemas.hpp"
#include "shape_oracle.hpp"

namespace convlet::fuzz {
namespace {

constexpr std::size_t kMostMemory = std::size_t{1} << 18;
constexpr std::size_t kMostOps = 5;

constexpr std::int64_t kExtremes[] = {0,
                                      -1,
                                      -2,
                                      kMaxElements,
                                      kMaxElements - 1,
                                      kMaxElements + 1,
                                      46341,  // its square is beyond kMaxElements
                                      65536,
                                      1000,
                                      std::int64_t{1} << 32,
                                      (std::int64_t{1} << 32) + 1,
                                      std::int64_t{1} << 62,
                                      std::numeric_limits<std::int64_t>::max(),
                                      std::numeric_limits<std::int64_t>::min(),
                                      -kMaxElements};
constexpr double kNumbers[] = {0.0,
                               1.0,
                               -1.0,
                               0.5,
                               0.999,
                               1e-3,
                               1e-45,
                               -1e-30,
                               2.0,
                               255.0,
                               1e30,
                               -1e300,
                               std::numeric_limits<double>::infinity(),
                               std::numeric_limits<double>::quiet_NaN()};
constexpr const char* kTexts[] = {"", "valid", "same", "softmax", "nearest", "nobody's"};

std::int64_t draw_size(Bytes& bytes) {
  const std::uint8_t how = bytes.byte();
  if (how < 160) return how % 9 + 1;
  if (how < 192) return how - 160;
  if (how < 208) return static_cast<std::int64_t>(bytes.bytes(2));
  if (how < 212) return static_cast<std::int64_t>(bytes.bytes(8));
  return bytes.one_of(kExtremes);
}

Shape draw_sizes(Bytes& bytes, std::int64_t count) {
  Shape sizes;
  while (count-- > 0) sizes.push_back(draw_size(bytes));
  return sizes;
}

AttributeValue draw_value(Bytes& bytes, Kind kind, std::span<const char* const> texts) {
  switch (kind) {
    case Kind::kFlag:
      return bytes.flag();
    case Kind::kNumber:
      return bytes.one_of(kNumbers);
    case Kind::kSize:
      return draw_size(bytes);
    case Kind::kInteger:
      return bytes.flag() ? draw_size(bytes) : bytes.between(-1, 4);
    case Kind::kText:
      return std::string(
          bytes.one_of(texts.empty() ? std::span<const char* const>(kTexts) : texts));
    case Kind::kSingle:
      return draw_sizes(bytes, 1);
    case Kind::kPair:
      return draw_sizes(bytes, 2);
    case Kind::kIntegers:
      return draw_sizes(bytes, bytes.between(0, 5));
    case Kind::kNumbers:
      break;
  }
  std::vector<double> numbers(static_cast<std::size_t>(bytes.between(0, 4)));
  for (double& number : numbers) number = bytes.one_of(kNumbers);
  return numbers;
}

// For whoever looks at a finding.
void print(const char* name, const AttributeValue& value) {
  if (std::getenv("CONVLET_FUZZ_PRINT") == nullptr) return;
  const auto text = [](const auto& v) -> std::string {
    using T = std::decay_t<decltype(v)>;
    if constexpr (std::is_same_v<T, std::string>) return v;
    if constexpr (std::is_same_v<T, Shape>) return tuple_string(v);
    if constexpr (std::is_arithmetic_v<T>) return std::to_string(v);
    return "numbers";
  };
  std::fprintf(stderr, "  %s=%s\n", name, std::visit(text, value).c_str());
}

OpSpec draw_op(Bytes& bytes, std::size_t last_tensor) {
  const OpSchema& schema = bytes.one_of(op_schemas());
  OpSpec spec{schema.name, {}, {last_tensor}};
  print("op", std::string(schema.name));
  for (const AttributeSchema& attribute : schema.attributes) {
    if (attribute.optional && bytes.flag()) continue;
    const std::uint8_t how = bytes.byte();
    if (how < 4) continue;  // missing
    const bool is_other = how < 8;
    const auto kind = is_other ? static_cast<Kind>(bytes.between(0, 8)) : attribute.kind;
    const auto texts = is_other ? std::span<const char* const>() : attribute.texts;
    const AttributeValue value = draw_value(bytes, kind, texts);
    print(attribute.name, value);
    spec.attributes.set(attribute.name, value);
  }
  const std::uint8_t how = bytes.byte();
  for (int i = 0; how >= 128 && i < how % 4; ++i) {
    spec.inputs.push_back(static_cast<std::size_t>(
        bytes.between(0, static_cast<std::int64_t>(last_tensor) + (how > 250 ? 1 : 0))));
  }
  return spec;
}

// The op, or nothing where it is refused as it may be; `for_memory`: for that.
template <class Make>
auto made(Make&& make, bool& for_memory) -> std::optional<decltype(make())> {
  try {
    const Budget budget(kMostMemory);
    return make();
  } catch (const ValueError& error) {
    require(error.what()[0] != '\0', "a refusal says why");
  } catch (const std::bad_alloc&) {
    for_memory = true;
  }
  return std::nullopt;
}

void check_alone(const OpSpec& spec, const Shape& input) {
  const std::vector<Shape> inputs(spec.inputs.size(), input);
  bool for_memory = false;
  const auto op = made([&] { return make_op(spec.name, spec.attributes, inputs); }, for_memory);
  if (op) {
    require(elements((*op)->output_shape()) >= 0, "an output can be as large as it says");
    for (const ParameterSpec& parameter : (*op)->parameters()) elements(parameter.shape);
  }
  if (for_memory || spec.inputs.size() != 1) return;
  const auto expected = expected_shape(spec.name, spec.attributes, input);
  if (!expected) return;
  if (op) {
    require(expected->is_valid, "what has no meaning is refused");
    require((*op)->output_shape() == expected->shape, "the output's shape is the oracle's");
  } else {
    require(!expected->is_valid || !expected->is_small, "what has a meaning is taken");
  }
}

// The spans lie inside the op's parameters and do not overlap; returns the floats in them.
std::int64_t check_spans(std::vector<Span> spans, const Op& op) {
  std::sort(spans.begin(), spans.end(),
            [](const Span& a, const Span& b) { return a.begin < b.begin; });
  std::int64_t end = 0;
  std::int64_t size = 0;
  for (const Span& span : spans) {
    require(span.size >= 0 && span.begin >= end, "spans of units do not overlap");
    end = span.begin + span.size;
    size += span.size;
  }
  require(end <= parameter_size(op), "spans of units are parameters");
  return size;
}

void check_units(const Op& op) {
  constexpr std::int64_t kMostUnits = 64;
  std::int64_t trained = 0;
  for (const ParameterSpec& spec : op.parameters())
    trained += spec.trained ? elements(spec.shape) : 0;
  require(op.units() >= 0, "units are counted");
  if (op.units() == 0 || op.units() > kMostUnits || trained > kMaxElements / 1024) return;
  require(check_spans(op.unit_spans(0, op.units()), op) == trained, "units are all parameters");
  std::int64_t size = 0;
  for (std::int64_t u = 0; u < op.units(); ++u) size += check_spans(op.unit_spans(u, u + 1), op);
  require(size == trained, "each parameter is one unit's");
}

void check_storage(const Storage& storage) {
  for (const std::int64_t size : {storage.packed, storage.saved_per_row, storage.scratch,
                                  storage.workspace, storage.shared, storage.kept_per_row}) {
    require(size >= 0, "storage has a size");
  }
}

void check_layout(const Program& program, Mode mode, std::int64_t rows) {
  const Layout layout(program, mode, rows);
  const auto check = [&](std::int64_t at, std::int64_t size) {
    require(at >= 0 && at + rows * size <= layout.size, "tensors lie in the arena");
  };
  for (std::size_t t = 0; t < program.tensors.size(); ++t) {
    check(layout.tensor[t], program.tensor_size(t));
    if (mode == Mode::kTraining) check(layout.gradient[t], program.tensor_size(t));
  }
}

void check_program(const Shape& input, const std::vector<OpSpec>& specs) {
  bool for_memory = false;
  const auto program = made([&] { return Program(input, specs); }, for_memory);
  if (!program) return;
  std::int64_t end = 0;
  for (const Parameter& parameter : program->parameters) {
    require(parameter.at >= end && parameter.at % 16 == 0, "parameters have a place each");
    end = parameter.at + elements(parameter.shape);
  }
  require(end <= program->parameter_size, "there is room for the parameters");
  require(std::isfinite(program->flops_per_row) && program->flops_per_row >= 0.0, "work counts");
  for (const Step& step : program->steps) {
    check_units(*step.op);
    for (const bool training : {false, true}) check_storage(step.op->storage(training));
  }
  for (const Mode mode : {Mode::kInference, Mode::kTraining}) {
    require(rows_at_once(*program, mode) >= 1, "a row goes through");
    check_layout(*program, mode, 3);
  }
}

}  // namespace
}  // namespace convlet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace convlet::fuzz;
  Bytes bytes(data, size);
  const convlet::Shape input = draw_sizes(bytes, bytes.between(0, 5));
  print("input", input);
  std::vector<convlet::OpSpec> specs;
  do {
    specs.push_back(draw_op(bytes, specs.size()));
  } while (specs.size() < kMostOps && !bytes.empty());
  check_alone(specs.front(), input);
  check_program(input, specs);
  return 0;
}
