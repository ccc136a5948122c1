#include "bindings/arrays.hpp"

namespace convlet {
namespace {

AttributeValue attribute_of(const py::handle& value, const std::string& name) {
  if (py::isinstance<py::bool_>(value)) return value.cast<bool>();
  if (py::isinstance<py::int_>(value))
    return value_of<std::int64_t>(value, name, "an integer of 64 bits");
  if (py::isinstance<py::float_>(value)) return value.cast<double>();
  if (py::isinstance<py::str>(value)) return value.cast<std::string>();
  if (py::isinstance<py::tuple>(value) || py::isinstance<py::list>(value)) {
    const auto items = value.cast<py::sequence>();
    if (py::len(items) > 0 && py::isinstance<py::float_>(items[0])) {
      return value_of<std::vector<double>>(value, name, "a tuple of floats");
    }
    return value_of<Shape>(value, name, "a tuple of integers of 64 bits");
  }
  throw py::type_error("Attribute `" + name +
                       "` must be a bool, int, float, str or tuple of ints or floats. Received: " +
                       std::string(py::repr(value)));
}

}  // namespace

Shape shape_from(const py::handle& dimensions, const char* argument) {
  return value_of<Shape>(dimensions, argument, "a tuple of integers of 64 bits");
}

Shape shape_of(const py::array& array) { return {array.shape(), array.shape() + array.ndim()}; }

void check_layout(const py::array& array, const char* argument) {
  constexpr int kWanted = int{py::array::c_style} | int{py::detail::npy_api::NPY_ARRAY_ALIGNED_};
  if ((array.flags() & kWanted) == kWanted) return;
  throw ValueError(std::string("`") + argument + "` must be a C-contiguous, aligned array.");
}

void check_shape(const py::array& array, const Shape& shape, const char* argument) {
  if (shape_of(array) == shape) return;
  throw ValueError(std::string("`") + argument + "` must have shape " + tuple_string(shape) +
                   ". Received: shape=" + tuple_string(shape_of(array)));
}

void check_rows(const py::array& array, const Shape& row, const char* argument) {
  const Shape shape = shape_of(array);
  if (shape.size() == row.size() + 1 && std::equal(row.begin(), row.end(), shape.begin() + 1))
    return;
  throw ValueError(std::string("`") + argument + "` must have shape " + batch_string(row) +
                   ". Received: shape=" + tuple_string(shape));
}

Rows rows_of(const py::array& x, const Shape& row) {
  check_rows(x, row, "x");
  if (py::isinstance<py::array_t<std::uint8_t>>(x)) return {.bytes = data_of<std::uint8_t>(x, "x")};
  return {.floats = data_of<float>(x, "x")};
}

Targets targets_of(const py::array& y, const Criterion& criterion, const Shape& output,
                   const char* argument) {
  Targets targets{
      .width = elements(output), .positions = criterion.positions(), .classes = criterion.width()};
  if (criterion.wants_labels()) {
    check_rows(y, Shape(output.begin(), output.end() - 1), argument);
    targets.label = data_of<std::int32_t>(y, argument);
  } else {
    check_rows(y, output, argument);
    targets.dense = data_of<float>(y, argument);
  }
  return targets;
}

void check_labels(const Targets& targets, const Criterion& criterion, std::int64_t begin,
                  std::int64_t end, const char* argument) {
  const auto ignored = criterion.ignored_class();
  for (std::int64_t i = begin * targets.positions; i < end * targets.positions; ++i) {
    const std::int32_t label = targets.label[i];
    if ((label >= 0 && label < targets.classes) || ignored == label) continue;
    throw ValueError(std::string("`") + argument + "` must hold labels from 0 to " +
                     std::to_string(targets.classes - 1) + ". Received: " + std::to_string(label));
  }
}

void check_range(std::int64_t begin, std::int64_t end, std::int64_t size) {
  if (0 <= begin && begin <= end && end <= size) return;
  throw ValueError("Rows [" + std::to_string(begin) + ", " + std::to_string(end) +
                   ") are not all among the " + std::to_string(size) + " there are.");
}

Attributes attributes_of(const py::dict& values) {
  Attributes attributes;
  for (const auto& [key, value] : values) {
    const auto name =
        value_of<std::string>(key, "attributes", "a dictionary with strings for keys");
    attributes.set(name, attribute_of(value, name));
  }
  return attributes;
}

}  // namespace convlet
