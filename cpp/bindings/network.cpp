// The class Network: the engine's one object that Python holds.
#include "engine/network.hpp"

#include "bindings/arrays.hpp"
#include "bindings/group.hpp"
#include "bindings/register.hpp"
#include "engine/turn.hpp"

namespace convlet {
namespace {

// The parts of one entry of a list of tuples of three.
py::tuple triple_of(const py::handle& item, const char* argument) {
  if (py::isinstance<py::tuple>(item) && py::len(item) == 3)
    return py::reinterpret_borrow<py::tuple>(item);
  throw py::type_error(
      std::string("`") + argument +
      "` must be a list of tuples of three. Received: " + std::string(py::repr(item)));
}

std::string text_of(const py::handle& value, const char* argument) {
  return value_of<std::string>(value, argument, "tuples that start with a string");
}

py::dict dict_of(const py::handle& value, const char* argument) {
  if (py::isinstance<py::dict>(value)) return py::reinterpret_borrow<py::dict>(value);
  throw py::type_error(
      std::string("`") + argument +
      "` must be tuples with a dictionary second. Received: " + std::string(py::repr(value)));
}

std::vector<OpSpec> specs_from(const py::list& ops) {
  std::vector<OpSpec> specs;
  for (const py::handle& item : ops) {
    const py::tuple op = triple_of(item, "ops");
    std::vector<std::size_t> inputs;
    for (const auto tensor : shape_from(op[2], "ops")) {
      if (tensor < 0) throw ValueError("There is no tensor " + std::to_string(tensor) + ".");
      inputs.push_back(static_cast<std::size_t>(tensor));
    }
    specs.push_back({text_of(op[0], "ops"), attributes_of(dict_of(op[1], "ops")), inputs});
  }
  return specs;
}

// A read-only array that shares memory with, and keeps alive, its owner.
py::array view_of(const float* data, const Shape& shape, const py::handle& owner) {
  py::array view(py::dtype::of<float>(), shape, data, owner);
  view.attr("flags").attr("writeable") = false;
  return view;
}

void check_parameter(const Network& network, std::size_t index) {
  if (index >= network.program().parameters.size())
    throw py::index_error("There is no parameter " + std::to_string(index));
}

ListOf<TupleOf<int, std::string, Float32>> parameters_of(const py::object& self) {
  const auto& network = self.cast<const Network&>();
  py::list list;
  for (const Parameter& p : network.program().parameters) {
    list.append(py::make_tuple(p.op, p.name, view_of(network.parameters() + p.at, p.shape, self)));
  }
  return list;
}

// Copies of some parameters, all of them from between the same two steps of training.
ListOf<Float32> read_parameters(Network& network, const std::vector<std::size_t>& indices) {
  const auto& parameters = network.program().parameters;
  py::list copies;
  std::vector<float*> to;
  for (const std::size_t index : indices) {
    check_parameter(network, index);
    py::array_t<float> copy(parameters[index].shape);
    to.push_back(copy.mutable_data());
    copies.append(copy);
  }
  {
    const py::gil_scoped_release release;
    const Turn turn(network.mutex());
    for (std::size_t i = 0; i < to.size(); ++i) {
      const Parameter& parameter = parameters[indices[i]];
      std::copy_n(network.parameters() + parameter.at, elements(parameter.shape), to[i]);
    }
  }
  return copies;
}

// Sets all of them or, where something is wrong, none.
void write_parameters(Network& network, const std::vector<std::size_t>& indices,
                      const ListOf<Float32>& values) {
  if (indices.size() != values.size())
    throw ValueError("There must be as many `values` as `indices`.");
  std::vector<py::array> arrays;  // which the list may lose meanwhile
  std::vector<const float*> from;
  for (std::size_t i = 0; i < indices.size(); ++i) {
    check_parameter(network, indices[i]);
    arrays.push_back(value_of<py::array>(values[i], "values", "a list of arrays"));
    check_shape(arrays.back(), network.program().parameters[indices[i]].shape, "value");
    from.push_back(data_of<float>(arrays.back(), "value"));
  }
  const py::gil_scoped_release release;
  const Turn turn(network.mutex());
  for (std::size_t i = 0; i < from.size(); ++i) network.set_parameter(indices[i], from[i]);
}

void set_parameter(Network& network, std::size_t index, const py::array& value) {
  ListOf<Float32> values;
  values.append(value);
  write_parameters(network, {index}, values);
}

void require_training(const Network& network) {
  if (!network.can_train()) throw ValueError("Call configure_training() first.");
}

ListOf<TupleOf<std::string, int, Float32>> optimizer_slots(const py::object& self) {
  auto& network = self.cast<Network&>();
  require_training(network);
  // The views keep the updater: configure_training() replaces the network's.
  using Shared = std::shared_ptr<Updater>;
  const py::capsule owner(new Shared(network.shared_updater()),
                          [](void* shared) { delete static_cast<Shared*>(shared); });
  py::list list;
  for (const Updater::Slot& slot : network.updater().slots()) {
    for (const std::size_t index : network.trained_parameters()) {
      const Parameter& p = network.program().parameters[index];
      list.append(
          py::make_tuple(slot.name, index, view_of(slot.values.data() + p.at, p.shape, owner)));
    }
  }
  return list;
}

void set_optimizer_slot(Network& network, std::size_t index, const py::array& value) {
  require_training(network);
  const auto trained = network.trained_parameters();
  auto& slots = network.updater().slots();
  if (index >= slots.size() * trained.size()) {
    throw py::index_error("There is no optimizer slot " + std::to_string(index));
  }
  const Parameter& parameter = network.program().parameters[trained[index % trained.size()]];
  check_shape(value, parameter.shape, "value");
  const float* data = data_of<float>(value, "value");
  const Turn turn(network.mutex());
  std::copy_n(data, elements(parameter.shape),
              slots[index / trained.size()].values.data() + parameter.at);
}

std::vector<float> optimizer_scalars(Network& network) {
  require_training(network);
  return network.updater().scalars();
}

void set_optimizer_scalar(Network& network, std::size_t index, float value) {
  require_training(network);
  auto& scalars = network.updater().scalars();
  if (index >= scalars.size())
    throw py::index_error("There is no optimizer scalar " + std::to_string(index));
  const Turn turn(network.mutex());
  scalars[index] = value;
}

void set_parameter_rules(Network& network, const std::vector<Options>& rules) {
  require_training(network);
  std::vector<Attributes> attributes;
  for (const py::dict& rule : rules) attributes.push_back(attributes_of(rule));
  const Turn turn(network.mutex());
  network.updater().set_rules(attributes);
}

void check_batch_size(std::int64_t batch_size) {
  if (batch_size < 1)
    throw ValueError("`batch_size` must be at least 1. Received: " + std::to_string(batch_size));
}

void require_objective(const Network& network) {
  require_training(network);
  if (!network.has_objective()) throw ValueError("The caller computes this network's loss.");
}

// Every visited row exists, and so do its labels.
void check_visited(const Labels& labels, const Criterion& loss, std::int64_t begin,
                   std::int64_t end, std::int64_t rows) {
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t row = labels.row(i);
    if (row < 0 || row >= rows) {
      throw ValueError("`order` names row " + std::to_string(row) + " of " + std::to_string(rows) +
                       ".");
    }
    if (labels.targets.label != nullptr) check_labels(labels.targets, loss, row, row + 1, "y");
  }
}

// The weights of `rows` rows: one a row, or one a position.
void take_weights(Labels& labels, const py::array& sample_weight, const Shape& output,
                  std::int64_t rows) {
  Shape by_position{rows};
  by_position.insert(by_position.end(), output.begin(), output.end() - 1);
  labels.weighs_positions = by_position.size() > 1 && sample_weight.ndim() > 1;
  check_shape(sample_weight, labels.weighs_positions ? by_position : Shape{rows}, "sample_weight");
  labels.sample_weight = data_of<float>(sample_weight, "sample_weight");
}

const std::int64_t* order_of(const std::optional<py::array>& order) {
  if (!order) return nullptr;
  check_rows(*order, {}, "order");
  return data_of<std::int64_t>(*order, "order");
}

float* outputs_of(const Network& network, py::array& outputs, std::int64_t rows) {
  check_rows(outputs, network.output_shape(), "outputs");
  if (outputs.shape(0) != rows)
    throw ValueError("`outputs` must have " + std::to_string(rows) + " rows.");
  data_of<float>(outputs, "outputs");
  return static_cast<float*>(outputs.mutable_data());
}

Dataset dataset_of(const Network& network, const py::array& x, const py::array& y,
                   const std::optional<py::array>& order,
                   const std::optional<py::array>& sample_weight, std::int64_t begin,
                   std::int64_t end, std::optional<py::array>& outputs) {
  require_objective(network);
  const Criterion& loss = network.objective().loss();
  Dataset data;
  data.x = rows_of(x, network.program().tensors.front());
  data.labels.targets = targets_of(y, loss, network.output_shape(), "y");
  const std::int64_t rows = x.shape(0);
  if (y.shape(0) != rows) {
    throw ValueError("x and y must have the same number of rows. Received: " +
                     std::to_string(rows) + " and " + std::to_string(y.shape(0)));
  }
  if (sample_weight) take_weights(data.labels, *sample_weight, network.output_shape(), rows);
  data.labels.order = order_of(order);
  check_range(begin, end, order ? order->shape(0) : rows);
  check_visited(data.labels, loss, begin, end, rows);
  if (outputs) data.outputs = outputs_of(network, *outputs, end - begin);
  data.outputs_begin = begin;
  return data;
}

void set_group(Network& network, int rank, int size, bool is_sharded,
               std::optional<py::typing::Callable<void(py::array)>> all_reduce) {
  std::shared_ptr<Group> group;
  if (all_reduce) {
    if (rank < 0 || rank >= size)
      throw ValueError("`rank` must be from 0 to `size` - 1. Received: rank=" +
                       std::to_string(rank) + ", size=" + std::to_string(size));
    group = std::make_shared<PythonGroup>(rank, size, is_sharded, std::move(*all_reduce));
  }
  {
    const py::gil_scoped_release release;
    const Turn turn(network.mutex());
    network.swap_group(group);
  }
}

// f() without the interpreter's lock, in this thread's turn; then raises what the group has raised.
template <class F>
void call_in_group(Network& network, F&& f) {
  std::shared_ptr<Group> group;
  {
    const py::gil_scoped_release release;
    const Turn turn(network.mutex());
    group = network.group();
    f();
  }
  if (group != nullptr) static_cast<PythonGroup&>(*group).check();
}

// How many batches the rows make; others of a group may have more.
std::int64_t batches_of(std::int64_t rows, std::int64_t batch_size,
                        std::optional<std::int64_t> batches) {
  check_batch_size(batch_size);
  const std::int64_t own = rows == 0 ? 0 : (rows - 1) / batch_size + 1;
  if (batches.value_or(own) < own)
    throw ValueError("`batches` must be at least " + std::to_string(own) +
                     ". Received: " + std::to_string(*batches));
  return batches.value_or(own);
}

void train(Network& network, const py::array& x, const py::array& y,
           const std::optional<py::array>& order, std::int64_t begin, std::int64_t end,
           std::int64_t batch_size, const std::optional<py::array>& sample_weight,
           const std::optional<py::array>& learning_rates, std::optional<py::array> outputs,
           std::optional<std::int64_t> batches) {
  const Dataset data = dataset_of(network, x, y, order, sample_weight, begin, end, outputs);
  const std::int64_t count = batches_of(end - begin, batch_size, batches);
  if (count == 0) return;
  const float* rates = nullptr;
  if (learning_rates) {
    check_shape(*learning_rates, {count}, "learning_rates");
    rates = data_of<float>(*learning_rates, "learning_rates");
  }
  call_in_group(network, [&] {
    if (network.group() == nullptr && count > batches_of(end - begin, batch_size, {}))
      throw ValueError("Only in a group can a batch be empty.");
    network.train(data, begin, end, batch_size, count, rates);
  });
}

void evaluate(Network& network, const py::array& x, const py::array& y, std::int64_t begin,
              std::int64_t end, std::int64_t batch_size,
              const std::optional<py::array>& sample_weight, std::optional<py::array> outputs) {
  const Dataset data = dataset_of(network, x, y, std::nullopt, sample_weight, begin, end, outputs);
  check_batch_size(batch_size);
  if (begin == end) return;
  const py::gil_scoped_release release;
  const Turn turn(network.mutex());
  network.evaluate(data, begin, end, batch_size);
}

void train_forward(Network& network, const py::array& x, const std::optional<py::array>& order,
                   std::int64_t begin, std::int64_t end, py::array out, std::int64_t first_row,
                   std::optional<std::int64_t> group_rows) {
  require_training(network);
  const Rows rows = rows_of(x, network.program().tensors.front());
  const std::int64_t* visited = order_of(order);
  check_range(begin, end, order ? order->shape(0) : x.shape(0));
  Labels sequence;
  sequence.order = visited;
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t row = sequence.row(i);
    if (row < 0 || row >= x.shape(0))
      throw ValueError("`order` names row " + std::to_string(row) + ", which is not there.");
  }
  float* to = outputs_of(network, out, end - begin);
  const std::int64_t batch_rows = group_rows.value_or(end - begin);
  if (batch_rows == 0) throw ValueError("A batch must have at least one row.");
  if (batch_rows < end - begin || first_row < 0 || first_row > batch_rows - (end - begin))
    throw ValueError("The rows must be some of the batch's `group_rows`.");
  call_in_group(network, [&] {
    network.train_forward(rows, visited, begin, end, first_row, batch_rows, to);
  });
}

void train_backward(Network& network, const py::array& dy, double loss,
                    std::optional<float> learning_rate) {
  require_training(network);
  check_rows(dy, network.output_shape(), "dy");
  const float* data = data_of<float>(dy, "dy");
  const std::int64_t rows = dy.shape(0);
  call_in_group(network, [&] {
    if (rows != network.pending_rows())
      throw ValueError("`dy` must have the rows of the last train_forward().");
    network.train_backward(data, loss, learning_rate.value_or(network.learning_rate));
  });
}

void evaluate_forward(Network& network, const py::array& x, std::int64_t begin, std::int64_t end,
                      py::array out) {
  require_training(network);
  const Rows rows = rows_of(x, network.program().tensors.front());
  check_range(begin, end, x.shape(0));
  float* to = outputs_of(network, out, end - begin);
  if (begin == end) return;
  const py::gil_scoped_release release;
  const Turn turn(network.mutex());
  network.evaluate_forward(rows, begin, end, to);
}

void count(Network& network, double loss, std::int64_t rows) {
  require_training(network);
  const Turn turn(network.mutex());
  network.count(loss, rows);
}

void predict(Network& network, const py::array& x, py::array& out, std::int64_t begin,
             std::int64_t end) {
  const Rows rows = rows_of(x, network.program().tensors.front());
  check_rows(out, network.output_shape(), "out");
  data_of<float>(out, "out");
  auto* to = static_cast<float*>(out.mutable_data());
  check_range(begin, end, std::min(x.shape(0), out.shape(0)));
  if (begin == end) return;
  const py::gil_scoped_release release;
  const Turn turn(network.mutex());
  network.predict(rows, begin, end, to);
}

std::vector<double> means(Network& network) {
  const Turn turn(network.mutex());
  return network.means();
}

void reset_metrics(Network& network) {
  const Turn turn(network.mutex());
  network.totals.clear();
}

TupleOf<double, double, double, std::vector<double>> totals_of(Network& network) {
  const Turn turn(network.mutex());
  const Totals& totals = network.totals;
  return py::make_tuple(totals.rows, totals.weight, totals.loss, totals.metrics);
}

void set_totals(Network& network, double rows, double weight, double loss,
                const ListOf<double>& sums) {
  std::vector<double> metrics;
  for (const py::handle& sum : sums)
    metrics.push_back(value_of<double>(sum, "metrics", "real numbers"));
  const Turn turn(network.mutex());
  const std::size_t count = network.totals.metrics.size();
  if (metrics.size() != count) {
    throw ValueError("`metrics` must have " + std::to_string(count) +
                     " sums. Received: " + std::to_string(metrics.size()));
  }
  network.totals = {.rows = rows, .weight = weight, .loss = loss, .metrics = metrics};
}

void check_flags(const Network& network, const std::vector<bool>& flags, const char* argument) {
  const auto count = static_cast<std::size_t>(network.program().op_count);
  if (flags.size() == count) return;
  throw ValueError("`" + std::string(argument) + "` must have one flag for each of the " +
                   std::to_string(count) + " ops. Received: " + std::to_string(flags.size()));
}

void set_trainable(Network& network, const std::vector<bool>& trainable) {
  check_flags(network, trainable, "trainable");
  const Turn turn(network.mutex());
  network.set_trainable(trainable);
}

void predict_as_in_training(Network& network, const py::array& x, py::array& out,
                            std::uint64_t step, const std::vector<bool>& trainable,
                            const std::optional<std::vector<bool>>& resting) {
  const Rows rows = rows_of(x, network.program().tensors.front());
  check_rows(out, network.output_shape(), "out");
  data_of<float>(out, "out");
  check_flags(network, trainable, "trainable");
  const std::vector<bool> rests = resting.value_or(std::vector<bool>(trainable.size(), false));
  check_flags(network, rests, "resting");
  check_range(0, x.shape(0), out.shape(0));
  auto* to = static_cast<float*>(out.mutable_data());
  if (x.shape(0) == 0) return;
  const std::int64_t count = x.shape(0);
  const py::gil_scoped_release release;
  const Turn turn(network.mutex());
  network.predict_as_in_training(rows, count, step, trainable, rests, to);
}

TupleOf<Float32, ListOf<Float32>> vector_jacobian_product(Network& network, const py::array& x,
                                                          const py::array& dy, bool training,
                                                          std::uint64_t step) {
  const Program& program = network.program();
  const Rows rows = rows_of(x, program.tensors.front());
  check_rows(dy, network.output_shape(), "dy");
  const float* dy_data = data_of<float>(dy, "dy");
  if (dy.shape(0) != x.shape(0)) throw ValueError("x and dy must have the same number of rows.");
  py::array_t<float> dx(shape_of(x));
  py::array_t<float> gradient(std::max<std::int64_t>(program.parameter_size, 1));
  {
    float* dx_data = dx.mutable_data();
    float* gradient_data = gradient.mutable_data();
    const py::gil_scoped_release release;
    const Turn turn(network.mutex());
    network.vector_jacobian_product(rows, x.shape(0), {training, step}, dy_data, dx_data,
                                    gradient_data);
  }
  py::list parts;
  for (const Parameter& p : program.parameters) {
    py::array_t<float> part(p.shape);
    std::copy_n(gradient.data() + p.at, elements(p.shape), part.mutable_data());
    parts.append(part);
  }
  return py::make_tuple(dx, parts);
}

void configure_training(Network& network, const std::string& loss, const Options& loss_attributes,
                        const std::string& optimizer, const Options& optimizer_attributes,
                        const ListOf<TupleOf<std::string, Options, bool>>& metrics) {
  std::vector<MetricSpec> specs;
  for (const py::handle& item : metrics) {
    const py::tuple metric = triple_of(item, "metrics");
    specs.push_back({text_of(metric[0], "metrics"), attributes_of(dict_of(metric[1], "metrics")),
                     value_of<bool>(metric[2], "metrics", "tuples with a bool last")});
  }
  const Turn turn(network.mutex());
  network.configure_training(loss, attributes_of(loss_attributes), optimizer,
                             attributes_of(optimizer_attributes), specs);
}

// pybind11's `__new__` leaves the network to `__init__`, which nobody has to call, and an object
// without one reads memory that is not its own. Here `__new__` makes all of it.
constexpr const char* kMaker = "_make";

void make_whole(PyHeapTypeObject* type) {
  type->ht_type.tp_new = [](PyTypeObject* of, PyObject* args, PyObject* kwargs) -> PyObject* {
    const auto maker = py::reinterpret_steal<py::object>(
        PyObject_GetAttrString(reinterpret_cast<PyObject*>(of), kMaker));
    return maker ? PyObject_Call(maker.ptr(), args, kwargs) : nullptr;
  };
  type->ht_type.tp_init = [](PyObject*, PyObject*, PyObject*) { return 0; };
}

// Not a unique_ptr: where memory runs out while pybind11 registers the object, it would be deleted
// twice.
Network* make_network(const Dimensions& input_shape,
                      const ListOf<TupleOf<std::string, Options, ListOf<py::int_>>>& ops) {
  return new Network(shape_from(input_shape, "input_shape"), specs_from(ops));
}

TupleOf<Dimensions, ListOf<TupleOf<std::string, Dimensions, bool>>> infer_op(
    const std::string& name, const Options& attributes, const py::Args<Dimensions>& input_shapes) {
  std::vector<Shape> inputs;
  for (const py::handle& shape : input_shapes) inputs.push_back(shape_from(shape, "input_shapes"));
  const auto op = make_op(name, attributes_of(attributes), inputs);
  py::list parameters;
  for (const ParameterSpec& spec : op->parameters()) {
    parameters.append(py::make_tuple(spec.name, py::tuple(py::cast(spec.shape)), spec.trained));
  }
  return py::make_tuple(py::tuple(py::cast(op->output_shape())), parameters);
}

}  // namespace

void register_network(py::module_& m) {
  using py::arg;
  m.def(
      "infer_op", &infer_op, arg("name"), arg("attributes"),
      "Output shape and parameters [(name, shape, is_trained), ...] of an op; shapes are per row.");

  py::class_<Network>(m, "Network", py::module_local(), py::is_final(),
                      py::custom_type_setup(make_whole),
                      "A graph of ops with parameters, that trains and predicts.")
      .def_static(kMaker, &make_network, py::return_value_policy::take_ownership,
                  arg("input_shape"), arg("ops"), "What `__new__` returns.")
      // For its signature: `__new__` has made the network, and pybind11 makes none twice.
      .def(py::init(&make_network), arg("input_shape"), arg("ops"),
           "Ops are (name, attributes, inputs): tensor 0 is the input, i + 1 what op i makes.")
      .def_property_readonly(
          "output_shape",
          [](const Network& n) -> Dimensions { return py::tuple(py::cast(n.output_shape())); },
          "Shape of a row of the output.")
      .def("parameters", &parameters_of, "All parameters: (op, name, read-only view).")
      .def("read_parameters", &read_parameters, arg("indices"),
           "Copies of parameters, between two steps of a training.")
      .def("write_parameters", &write_parameters, arg("indices"), arg("values"),
           "Copies values into parameters, all or none.")
      .def("set_parameter", &set_parameter, arg("index"), arg("value"),
           "Copies values into a parameter.")
      .def("configure_training", &configure_training, arg("loss"), arg("loss_attributes"),
           arg("optimizer"), arg("optimizer_attributes"), arg("metrics"),
           "Loss, optimizer and metrics (name, attributes, is_weighted); slots start anew.")
      .def_readwrite("learning_rate", &Network::learning_rate, "Of the next step.")
      .def_readwrite("iterations", &Network::iterations, "Steps that were done.")
      .def("optimizer_slots", &optimizer_slots,
           "State of the optimizer: (slot, parameter, read-only view).")
      .def("set_optimizer_slot", &set_optimizer_slot, arg("index"), arg("value"),
           "Copies values into a slot.")
      .def("optimizer_scalars", &optimizer_scalars, "State of the optimizer that is not arrays.")
      .def("set_optimizer_scalar", &set_optimizer_scalar, arg("index"), arg("value"),
           "Sets one of them.")
      .def("set_parameter_rules", &set_parameter_rules, arg("rules"),
           "Penalty, constraint and decay of each parameter.")
      .def("set_group", &set_group, arg("rank"), arg("size"), arg("is_sharded"),
           arg("all_reduce").none(true),
           "Trains together with other processes: `all_reduce` gets an array and puts in the place "
           "of each "
           "value its sum over all of them. `None`: alone again.")
      .def("train", &train, arg("x"), arg("y"), arg("order").none(true), arg("begin"), arg("end"),
           arg("batch_size"), arg("sample_weight").none(true),
           arg("learning_rates").none(true) = py::none(), arg("outputs").none(true) = py::none(),
           arg("batches").none(true) = py::none(),
           "Trains on rows [begin, end) of the order, a step for each batch; adds to the totals.")
      .def("evaluate", &evaluate, arg("x"), arg("y"), arg("begin"), arg("end"), arg("batch_size"),
           arg("sample_weight").none(true), arg("outputs").none(true) = py::none(),
           "Adds loss and metrics of rows [begin, end) to the totals.")
      .def("train_forward", &train_forward, arg("x"), arg("order").none(true), arg("begin"),
           arg("end"), arg("out"), arg("first_row") = 0, arg("group_rows").none(true) = py::none(),
           "The first half of a step whose loss the caller computes: outputs of a batch.")
      .def("train_backward", &train_backward, arg("dy"), arg("loss"),
           arg("learning_rate").none(true) = py::none(),
           "The second half: gradients from those of the outputs, and the update.")
      .def("evaluate_forward", &evaluate_forward, arg("x"), arg("begin"), arg("end"), arg("out"),
           "Outputs of rows [begin, end), for a loss that the caller computes.")
      .def("count", &count, arg("loss"), arg("rows"),
           "Adds a batch whose loss the caller has computed to the totals.")
      .def("reset_metrics", &reset_metrics, "Forgets the totals.")
      .def("metrics", &means, "Loss and metrics, as means over what was counted.")
      .def("totals", &totals_of, "What the means are made of: (rows, weight, loss, metrics).")
      .def("set_totals", &set_totals, arg("rows"), arg("weight"), arg("loss"), arg("metrics"),
           "Goes on with totals from another time.")
      .def("predict", &predict, arg("x"), arg("out"), arg("begin"), arg("end"),
           "Writes the outputs of rows [begin, end) into those rows of `out`.")
      .def("set_trainable", &set_trainable, arg("trainable"),
           "Says of each op whether training changes its parameters.")
      .def("predict_as_in_training", &predict_as_in_training, arg("x"), arg("out"), arg("step"),
           arg("trainable"), arg("resting") = py::none(),
           "Outputs of all rows as one batch, with dropout and statistics as in a step; ops that "
           "rest do what they do in prediction.")
      .def("vector_jacobian_product", &vector_jacobian_product, arg("x"), arg("dy"),
           arg("training") = false, arg("step") = 0,
           "Gradients of sum(outputs * dy) by x and by each parameter.");
}

}  // namespace convlet
