// Checked views of the caller's numpy arrays. Every check happens before any work starts.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <cstdint>
#include <string>

#include "engine/worker.hpp"
#include "ops/attributes.hpp"
#include "ops/shape.hpp"

namespace convlet {

namespace py = pybind11;

// What is inside, for docstrings and stubs; to pybind11 they are dict, tuple and list.
using Float32 = py::array_t<float>;
using Options = py::typing::Dict<py::str, py::object>;
template <class... T>
using TupleOf = py::typing::Tuple<T...>;
template <class T>
using ListOf = py::typing::List<T>;
using Dimensions = TupleOf<int, py::ellipsis>;

// (n, *row), n any: what the caller's array must look like.
void check_rows(const py::array& array, const Shape& row, const char* argument);
// C-contiguous and aligned, of this exact shape.
void check_layout(const py::array& array, const char* argument);
void check_shape(const py::array& array, const Shape& shape, const char* argument);

// The data of a C-contiguous array of exactly this type; TypeError otherwise.
template <class T>
const T* data_of(const py::array& array, const char* argument) {
  if (!py::isinstance<py::array_t<T>>(array)) {
    throw py::type_error(std::string("`") + argument + "` must be an array of " +
                         std::string(py::str(py::dtype::of<T>())) +
                         ". Received: dtype=" + std::string(py::str(array.dtype())));
  }
  check_layout(array, argument);
  return static_cast<const T*>(array.data());
}

// A Python object as a C++ value; TypeError if it is none.
template <class T>
T value_of(const py::handle& object, const std::string& argument, const char* expected) {
  try {
    return object.cast<T>();
  } catch (const py::cast_error&) {
    throw py::type_error("`" + argument + "` must be " + expected +
                         ". Received: " + std::string(py::repr(object)));
  }
}

// A tuple of dimensions.
Shape shape_from(const py::handle& dimensions, const char* argument);

// x: uint8 or float32 (n, *row).
Rows rows_of(const py::array& x, const Shape& row);

// y for a criterion on outputs of this row shape: int32 labels (n, *all axes but the last) or
// float32 (n, *output).
Targets targets_of(const py::array& y, const Criterion& criterion, const Shape& output,
                   const char* argument);
// The labels of rows [begin, end) are classes, or the class that is ignored; ValueError otherwise.
void check_labels(const Targets& targets, const Criterion& criterion, std::int64_t begin,
                  std::int64_t end, const char* argument);

// 0 <= begin <= end <= size.
void check_range(std::int64_t begin, std::int64_t end, std::int64_t size);

Shape shape_of(const py::array& array);

// {"name": bool | int | float | str | tuple of ints or floats}
Attributes attributes_of(const py::dict& values);

}  // namespace convlet
