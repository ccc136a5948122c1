// Checked views of the caller's numpy arrays. Every check happens before any work starts.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <string>

#include "engine/worker.hpp"
#include "ops/attributes.hpp"
#include "ops/shape.hpp"

namespace convlet {

namespace py = pybind11;

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

// x: uint8 or float32 (n, *row).
Rows rows_of(const py::array& x, const Shape& row);

// 0 <= begin <= end <= size.
void check_range(std::int64_t begin, std::int64_t end, std::int64_t size);

Shape shape_of(const py::array& array);

// {"name": bool | int | float | str | tuple of ints or floats}
Attributes attributes_of(const py::dict& values);

}  // namespace convlet
