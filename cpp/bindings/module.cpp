// One extension module an instruction-set level: the same source, other compiler flags.
#include <pybind11/pybind11.h>
#include <pybind11/typing.h>

#include <string>

#include "bindings/register.hpp"
#include "engine/team.hpp"
#include "ops/shape.hpp"
#include "simd/vec.hpp"

namespace {

namespace py = pybind11;

constexpr int kMostThreads = 1024;

void check_count(int count, int least, const char* argument) {
  if (count >= least && count <= kMostThreads) return;
  throw convlet::ValueError("`" + std::string(argument) + "` must be from " +
                            std::to_string(least) + " to " + std::to_string(kMostThreads) +
                            ". Received: " + std::to_string(count));
}

py::typing::Dict<py::str, py::str> build_info() {
  py::dict info;
  info["isa"] = CONVLET_ISA_NAME;
#if defined(__clang__)
  info["compiler"] = "Clang " __clang_version__;
#else
  info["compiler"] = "GCC " __VERSION__;
#endif
  info["build_type"] = CONVLET_BUILD_TYPE;
  info["openmp"] = std::to_string(convlet::openmp_version());
  info["pybind11"] =
      PYBIND11_TOSTRING(PYBIND11_VERSION_MAJOR) "." PYBIND11_TOSTRING(PYBIND11_VERSION_MINOR);
  return info;
}

}  // namespace

PYBIND11_MODULE(CONVLET_MODULE_NAME, m) {
  m.doc() = "convlet's engine, compiled for " CONVLET_ISA_NAME;
  m.attr("ISA") = CONVLET_ISA_NAME;
  m.attr("LANES") = convlet::simd::kLanes;
  m.def("build_info", &build_info, "Instruction set, compiler and versions of this module.");
  m.def("get_num_threads", &convlet::num_threads, "Threads that a call may use.");
  m.def(
      "set_num_threads",
      [](int threads) {
        check_count(threads, 1, "threads");
        convlet::set_num_threads(threads);
      },
      py::arg("threads"), "Sets the number of threads that a call may use, from 1 to 1024.");
  m.def("get_fixed_shares", &convlet::fixed_shares, "What `set_fixed_shares` set.");
  m.def(
      "set_fixed_shares",
      [](int shares) {
        check_count(shares, 0, "shares");
        convlet::set_fixed_shares(shares);
      },
      py::arg("shares"),
      "Parts of a batch, whatever the number of threads; 0: as many as threads.");
  m.def("get_serial_flops", &convlet::serial_flops, "What `set_serial_flops` set.");
  m.def("set_serial_flops", &convlet::set_serial_flops, py::arg("flops"),
        "Floating-point operations below which a call is not worth a second thread.");
  convlet::register_network(m);
  convlet::register_functions(m);
}
