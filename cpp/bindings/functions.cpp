// Kernels that are not ops: losses and optimizers on whole arrays, for convlet.ops.
#include <algorithm>

#include "bindings/arrays.hpp"
#include "bindings/register.hpp"
#include "engine/optimizer.hpp"
#include "ops/loss.hpp"

namespace convlet {
namespace {

// Loss of each row of y_pred, and scale 1 gradients.
py::tuple crossentropy(const py::array& y_true, const py::array& y_pred, bool from_logits) {
  const Shape shape = shape_of(y_pred);
  if (shape.size() != 2)
    throw ValueError("`y_pred` must have shape (rows, classes). Received: " + tuple_string(shape));
  const float* p = data_of<float>(y_pred, "y_pred");
  const bool labels = y_true.ndim() == 1;
  check_shape(y_true, labels ? Shape{shape[0]} : shape, "y_true");
  Targets targets{.width = shape[1]};
  if (labels) {
    targets.label = data_of<std::int32_t>(y_true, "y_true");
    const auto* end = targets.label + shape[0];
    const auto bad = [&](std::int32_t label) { return label < 0 || label >= shape[1]; };
    if (std::any_of(targets.label, end, bad)) {
      throw ValueError("`y_true` must hold labels from 0 to " + std::to_string(shape[1] - 1) + ".");
    }
  } else {
    targets.dense = data_of<float>(y_true, "y_true");
  }
  Attributes attributes;
  attributes.set("from_logits", from_logits);
  const auto loss =
      make_loss(labels ? "sparse_categorical_crossentropy" : "categorical_crossentropy", attributes,
                {shape[1]});
  py::array_t<float> losses(shape[0]);
  py::array_t<float> gradient(shape);
  std::vector<float> row(static_cast<std::size_t>(shape[1]));
  for (std::int64_t i = 0; i < shape[0]; ++i) {
    std::copy_n(p + i * shape[1], shape[1], row.begin());
    losses.mutable_data()[i] =
        (*loss)(targets, i, false, 1.0F, row.data(), gradient.mutable_data() + i * shape[1]);
  }
  return py::make_tuple(losses, gradient);
}

float* writable(py::array& array, std::int64_t size, const char* argument) {
  data_of<float>(array, argument);
  if (array.size() != size)
    throw ValueError(std::string("`") + argument + "` must be as large as w.");
  return static_cast<float*>(array.mutable_data());
}

// One step of an optimizer, in place, on arrays the caller owns.
void optimizer_step(const std::string& name, const py::dict& attributes, py::array w,
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

}  // namespace

void register_functions(py::module_& m) {
  using py::arg;
  m.def("crossentropy", &crossentropy, arg("y_true"), arg("y_pred"), arg("from_logits"),
        "Loss of each row and its gradient with respect to y_pred; integer y_true (rows,) are "
        "labels.");
  m.def("optimizer_step", &optimizer_step, arg("name"), arg("attributes"), arg("w"), arg("g"),
        arg("slots"), arg("learning_rate"), arg("iteration"),
        "One step of an optimizer on w and its slots, in place.");
}

}  // namespace convlet
