// What the module is made of.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>

namespace convlet {

void register_network(pybind11::module_& m);
void register_functions(pybind11::module_& m);

}  // namespace convlet
