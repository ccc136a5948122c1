// Kernels that are not ops: losses and optimizers on whole arrays, for convlet.ops.
#include <algorithm>

#include "bindings/arrays.hpp"
#include "bindings/register.hpp"
#include "engine/optimizer.hpp"
#include "kernels/bfloat16.hpp"
#include "ops/loss.hpp"

namespace convlet {
namespace {

// Value and gradient of a criterion for each of y_pred's rows, which are positions.
TupleOf<Float32, Float32> criterion(const std::string& name, const Options& attributes,
                                    const py::array& y_true, const py::array& y_pred) {
  const Shape shape = shape_of(y_pred);
  if (shape.size() != 2)
    throw ValueError("`y_pred` must have shape (rows, n). Received: " + tuple_string(shape));
  const float* predictions = data_of<float>(y_pred, "y_pred");
  const auto value = make_metric(name, attributes_of(attributes), {shape[1]});
  const Targets targets = targets_of(y_true, *value, {shape[1]}, "y_true");
  if (y_true.shape(0) != shape[0])
    throw ValueError("y_true and y_pred must have the same number of rows.");
  if (targets.label != nullptr) check_labels(targets, *value, 0, shape[0], "y_true");
  const float* t = targets.dense;
  const bool binary = t != nullptr && std::all_of(t, t + y_true.size(),
                                                  [](float v) { return v == 0.0F || v == 1.0F; });
  py::array_t<float> values(shape[0]);
  py::array_t<float> gradient(shape);
  std::vector<float> row(static_cast<std::size_t>(shape[1]));
  for (std::int64_t i = 0; i < shape[0]; ++i) {
    std::copy_n(predictions + i * shape[1], shape[1], row.begin());
    const Judged judged{.targets = &targets,
                        .row = i,
                        .binary_targets = binary,
                        .y = row.data(),
                        .dy = gradient.mutable_data() + i * shape[1]};
    values.mutable_data()[i] = (*value)(judged, false);
  }
  return py::make_tuple(values, gradient);
}

float* writable(py::array& array, std::int64_t size, const char* argument) {
  data_of<float>(array, argument);
  if (array.size() != size)
    throw ValueError(std::string("`") + argument + "` must be as large as w.");
  return static_cast<float*>(array.mutable_data());
}

// One step of an optimizer, in place, on arrays the caller owns.
void optimizer_step(const std::string& name, const Options& attributes, py::array w,
                    const py::array& g, std::vector<py::array> slots, double learning_rate,
                    std::int64_t iteration) {
  const auto optimizer = make_optimizer(name, attributes_of(attributes));
  const std::int64_t size = w.size();
  if (g.size() != size) throw ValueError("`g` must be as large as w.");
  if (slots.size() != optimizer->slots().size()) {
    throw ValueError("`slots` must hold " + std::to_string(optimizer->slots().size()) +
                     " arrays. Received: " + std::to_string(slots.size()));
  }
  std::vector<float*> pointers;
  for (py::array& slot : slots) pointers.push_back(writable(slot, size, "slots"));
  optimizer->begin_step(static_cast<float>(learning_rate), iteration);
  optimizer->update(size, data_of<float>(g, "g"), writable(w, size, "w"), pointers.data());
}

py::array_t<float> rounded_to_bfloat16(const py::array& x) {
  const float* from = data_of<float>(x, "x");
  py::array_t<float> y(shape_of(x));
  round_bfloat16(x.size(), from, y.mutable_data());
  return y;
}

}  // namespace

void register_functions(py::module_& m) {
  using py::arg;
  m.def("criterion", &criterion, arg("name"), arg("attributes"), arg("y_true"), arg("y_pred"),
        "A loss or metric of each row, and a loss's gradient with respect to y_pred.");
  m.def("optimizer_step", &optimizer_step, arg("name"), arg("attributes"), arg("w"), arg("g"),
        arg("slots"), arg("learning_rate"), arg("iteration"),
        "One step of an optimizer on w and its slots, in place.");
  m.def("round_bfloat16", &rounded_to_bfloat16, arg("x"), "x with each value rounded to bfloat16.");
}

}  // namespace convlet
