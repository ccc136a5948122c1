// A group of processes whose sums Python computes.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <exception>
#include <span>

#include "engine/group.hpp"

namespace convlet {

class PythonGroup final : public Group {
 public:
  // `sum` is called with a writable array.
  PythonGroup(int rank, int size, bool is_sharded, pybind11::function sum)
      : Group(rank, size, is_sharded), sum_(std::move(sum)) {}

  bool sum(std::span<float> values) override { return call(values); }
  bool sum(std::span<double> values) override { return call(values); }

  // Raises what `sum` has raised.
  void check() {
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  // By threads without the interpreter's lock.
  template <class T>
  bool call(std::span<T> values) {
    if (error_) return false;
    const pybind11::gil_scoped_acquire lock;
    try {
      sum_(pybind11::array_t<T>(static_cast<pybind11::ssize_t>(values.size()), values.data(),
                                pybind11::none()));
    } catch (...) {
      error_ = std::current_exception();
    }
    return error_ == nullptr;
  }

  pybind11::function sum_;
  std::exception_ptr error_;
};

}  // namespace convlet
