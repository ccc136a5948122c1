// Module _cpu: what this CPU and its operating system can run. Built with baseline flags, so that
// importing it is safe on any machine; it is asked before one of the _core modules is loaded.

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "cpu/levels.hpp"

PYBIND11_MODULE(_cpu, m) {
  m.doc() = "Instruction-set levels and name of this CPU.";
  m.def("available_levels", &convlet::cpu::available_levels,
        "Instruction-set levels that the CPU and the operating system support, best first.\n\n"
        "Empty on architectures whose baseline is all that convlet uses.");
  m.def("cpu_name", &convlet::cpu::cpu_name,
        "The CPU's own name for itself, or \"unknown\" where it has none.");
}
