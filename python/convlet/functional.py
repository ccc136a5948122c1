"""Functional: a model made of symbolic tensors."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any

from convlet import layers as layer_classes
from convlet.layers.input_layer import InputLayer
from convlet.layers.keras_tensor import BatchShape, KerasTensor
from convlet.layers.layer import Layer, without_batch_axis
from convlet.model import Model
from convlet.network import Tracer
from convlet.utils.custom_objects import custom_object_scope

# Keras writes these arguments of calls even where they mean nothing.
_IDLE_ARGUMENTS = {"mask": None, "training": None}


class Functional(Model):
    """A model from one symbolic tensor to another: any graph of layers without cycles.

    ```python
    inputs = Input((28, 28, 1))
    x = Conv2D(32, 3, padding="same", activation="relu")(inputs)
    x = Add()([x, Conv2D(32, 3, padding="same")(x)])
    model = Model(inputs, Dense(10)(Flatten()(x)))
    ```

    Args:
        inputs: A symbolic tensor, or a list of one.
        outputs: A symbolic tensor that was made of it, or a list of one.
        name: Name, or `None` for an automatic one.
        trainable: Whether training changes the weights.

    Raises:
        ValueError: If these are several tensors or none, the output does not come from the input
            alone, two layers have the same name, or a layer with weights is used twice.
    """

    KERAS_MODULE = "keras.src.models.functional"

    def __init__(
        self,
        inputs: Any,
        outputs: Any,
        name: str | None = None,
        trainable: bool = True,
    ) -> None:
        super().__init__(name=name)
        self._is_listed = isinstance(inputs, (list, tuple)), isinstance(outputs, (list, tuple))
        self._input = _only_tensor("inputs", inputs)
        self._output = _only_tensor("outputs", outputs)
        producer = self._input.layer
        self._input_layer = (
            producer
            if isinstance(producer, InputLayer)
            else InputLayer(batch_shape=self._input.shape, name=f"{self._input.name}CLONE")
        )
        self._tensors, self._layers = _sorted_graph(self._input, self._output, self._input_layer)
        # What summaries and configurations tell of.
        self._shown = self._tensors
        _check_names(self._layers)
        self.built = True
        # As in Keras its own graph counts as the first call.
        self._calls = [self._output]
        # A layer with weights that is used twice is refused here.
        self.trace(Tracer(without_batch_axis(self._input.shape)), [0])
        if not trainable:
            self.trainable = False

    # Structure

    @property
    def layers(self) -> list[Layer]:
        """The layers, the `InputLayer` first, in Keras's order."""
        return list(self._layers)

    @property
    def inputs(self) -> list[KerasTensor]:
        """A list of one symbolic tensor."""
        return [self._input]

    @property
    def outputs(self) -> list[KerasTensor]:
        """A list of one symbolic tensor."""
        return [self._output]

    @property
    def input(self) -> KerasTensor:
        """The symbolic tensor the model is made from."""
        return self._input

    @property
    def output(self) -> KerasTensor:
        """The symbolic tensor the model makes of it."""
        return self._output

    @property
    def input_shape(self) -> BatchShape:
        """Shape of the input, batch axis first."""
        return self._input.shape

    @property
    def output_shape(self) -> BatchShape:
        """Shape of the output, batch axis first."""
        return self._output.shape

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Checks that the model takes such an input; it is built from the start.

        Args:
            input_shape: Shape of the input, batch axis first.

        Raises:
            ValueError: If it is another one than the model's.
        """
        if input_shape is not None:
            self.compute_output_shape(input_shape)

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> BatchShape:
        """Returns the shape of the output, batch axis first.

        Args:
            input_shape: Shape of the input, batch axis first.

        Raises:
            ValueError: If it is another one than the model's.
        """
        if (None, *without_batch_axis(input_shape)) != self.input_shape:
            raise ValueError(
                f"Model '{self.name}' takes inputs of shape {self.input_shape}. "
                f"Received: input_shape={tuple(input_shape)}"
            )
        return self.output_shape

    def trace(self, tracer: Tracer, inputs: Sequence[int]) -> int:
        numbers = {self._input: inputs[0]}
        for tensor in self._tensors:
            layer = _layer_of(tensor)
            numbers[tensor] = layer.trace(tracer, [numbers[source] for source in tensor.inputs])
        return numbers[self._output]

    def layer_output_shape(self, index: int) -> BatchShape | None:
        layer = self._layers[index]
        return layer.batch_shape if isinstance(layer, InputLayer) else self._nodes(layer)[0].shape

    def connections(self) -> list[str] | None:
        chain = [self._input, *self._shown]
        if [tensor.inputs for tensor in self._shown] == [(tensor,) for tensor in chain[:-1]]:
            return None
        return [
            ", ".join(
                f"{self._name_of(source)}[{source.node_index}][0]"
                for node in self._nodes(layer)
                for source in node.inputs
            )
            or "-"
            for layer in self._layers
        ]

    # Configuration

    def get_config(self) -> dict[str, Any]:
        """Returns all that is needed to make a model of the same structure, as Keras writes it."""
        references = self._end_reference(self._input), self._end_reference(self._output)
        first, last = (
            [reference] if is_listed else reference
            for reference, is_listed in zip(references, self._is_listed, strict=True)
        )
        return {
            "name": self.name,
            "trainable": self.trainable,
            "layers": [
                {
                    **layer_classes.serialize(layer),
                    "name": layer.name,
                    "inbound_nodes": [self._node_config(node) for node in self._nodes(layer)],
                }
                for layer in self._layers
            ],
            "input_layers": first,
            "output_layers": last,
        }

    @classmethod
    def from_config(
        cls, config: Any, custom_objects: Mapping[str, Any] | None = None
    ) -> Functional:
        """Makes a model from what `get_config` returned, or Keras's equivalent.

        Args:
            config: Dictionary with the keys `"name"`, `"layers"`, `"input_layers"` and
                `"output_layers"`.
            custom_objects: Dictionary from names in it to classes of the caller.

        Returns:
            A model with new weights.

        Raises:
            ValueError: If the configuration is of another form, names an unknown layer or has
                something that is not supported.
        """
        keys = ("layers", "input_layers", "output_layers")
        if not isinstance(config, Mapping) or any(key not in config for key in keys):
            raise ValueError(
                "A functional model configuration must be a dictionary containing the keys "
                f"{', '.join(map(repr, keys))}. Received: config={config}"
            )
        with custom_object_scope(custom_objects):
            tensors = _rebuilt_tensors(config["layers"])
        ends = (_reference_in(config[key], key) for key in ("input_layers", "output_layers"))
        (first, first_listed), (last, last_listed) = ends
        start, end = _end(tensors, first), _end(tensors, last)
        return cls(
            inputs=[start] if first_listed else start,
            outputs=[end] if last_listed else end,
            name=config.get("name"),
            trainable=config.get("trainable", True),
        )

    # Helpers

    def _nodes(self, layer: Layer) -> list[KerasTensor]:
        """What the model's calls of a layer return."""
        return [tensor for tensor in self._shown if tensor.layer is layer]

    def _name_of(self, tensor: KerasTensor) -> str:
        return (self._input_layer if tensor is self._input else _layer_of(tensor)).name

    def _reference(self, tensor: KerasTensor) -> list[Any]:
        """Name of the layer, number of the call among the model's, number of the output."""
        if tensor is self._input:
            return [self._name_of(tensor), 0, 0]
        layer = _layer_of(tensor)
        return [layer.name, self._nodes(layer).index(tensor), 0]

    def _end_reference(self, tensor: KerasTensor) -> list[Any]:
        name, number, output = self._reference(tensor)
        return [name, number + _calls_before(tensor), output]

    def _node_config(self, node: KerasTensor) -> dict[str, Any]:
        sources = [
            {
                "class_name": "__keras_tensor__",
                "config": {
                    "shape": source.shape,
                    "dtype": source.dtype,
                    "keras_history": self._reference(source),
                },
            }
            for source in node.inputs
        ]
        return {"args": [sources] if node.is_list else sources, "kwargs": {}}


def deserialize_part(config: Any) -> Layer:
    """Makes a layer of a model, which may be a model itself, from its configuration.

    Raises:
        ValueError: If the class is unknown or an argument is not supported.
    """
    from convlet.models import Sequential

    models: dict[Any, type[Sequential | Functional]] = {
        "Sequential": Sequential,
        "Functional": Functional,
        "Model": Functional,
    }
    if isinstance(config, Mapping) and config.get("class_name") in models:
        return models[config["class_name"]].from_config(config.get("config"))
    return layer_classes.deserialize(config)


def checked_tensors(argument: str, tensors: Any) -> list[KerasTensor]:
    """Returns what a model is to be made of, or to make, as a list.

    Raises:
        ValueError: If something is no symbolic tensor, or there is none.
    """
    listed = list(tensors) if isinstance(tensors, (list, tuple)) else [tensors]
    for tensor in listed:
        if not isinstance(tensor, KerasTensor):
            raise ValueError(
                f"All `{argument}` values must be KerasTensors. Received: {argument}={tensors} "
                f"including invalid value {tensor} of type {type(tensor)}"
            )
    if not listed:
        raise ValueError(f"`{argument}` argument cannot be empty. Received: {argument}={tensors}")
    return listed


def _only_tensor(argument: str, tensors: Any) -> KerasTensor:
    listed = checked_tensors(argument, tensors)
    if len(listed) > 1:
        raise ValueError(
            f"Model does not support several `{argument}`; exactly one tensor is supported. "
            f"Received: {argument}={tensors}"
        )
    return listed[0]


def _calls_before(tensor: KerasTensor) -> int:
    """What Keras adds to the number of a call where it says what a model takes and returns.

    There, and only there, it counts a functional model's own graph as call 0 (`functional.py`).
    """
    return 1 if isinstance(tensor.layer, Functional) else 0


def _end(tensors: Mapping[tuple[str, int], KerasTensor], reference: tuple[str, int]) -> KerasTensor:
    """Returns what a configuration's `input_layers` or `output_layers` stand for."""
    name, number = reference
    first = tensors.get((name, 0))
    found = None if first is None else tensors.get((name, number - _calls_before(first)))
    if found is None:
        raise ValueError(f"The configuration has no tensor {reference}")
    return found


def _layer_of(tensor: KerasTensor) -> Layer:
    if tensor.layer is None:
        raise ValueError(f"{tensor} does not come from a layer")
    return tensor.layer


def _sorted_graph(
    start: KerasTensor, end: KerasTensor, input_layer: InputLayer
) -> tuple[list[KerasTensor], list[Layer]]:
    """What lies between two tensors, and the layers that make it, in Keras's order.

    That is by the longest way to the end, then as a depth-first search from the end meets them
    (`map_graph` of `keras/src/ops/function.py`).
    """
    found, met = _search(start, end)
    depth = {start: 0}
    layer_depth: dict[Layer, int] = {}
    for tensor in reversed(found):
        layer = _layer_of(tensor)
        layer_depth[layer] = max(depth.setdefault(tensor, 0), layer_depth.get(layer, 0))
        depth[tensor] = layer_depth[layer]
        for source in tensor.inputs:
            depth[source] = max(depth[tensor] + 1, depth.get(source, 0))
    order = {layer: number for number, layer in enumerate(met)}
    tensors = sorted(found, key=lambda t: (-depth[t], order[_layer_of(t)], t.node_index))
    layers = sorted(layer_depth, key=lambda layer: (-layer_depth[layer], order[layer]))
    return tensors, [input_layer, *layers]


def _search(start: KerasTensor, end: KerasTensor) -> tuple[list[KerasTensor], list[Layer]]:
    """All tensors behind `start` that `end` is made of, sources first; layers as they are met."""
    found: dict[KerasTensor, None] = {}
    met: dict[Layer, None] = {}
    pending: list[tuple[KerasTensor, bool]] = [(end, False)]
    while pending:
        tensor, is_done = pending.pop()
        if tensor is start or tensor in found:
            continue
        if is_done:
            found[tensor] = None
            continue
        if not tensor.inputs:
            raise ValueError(
                f"Graph disconnected: the output is not made of the input alone, but also of "
                f"{tensor}, which is not connected to `inputs`."
            )
        met.setdefault(_layer_of(tensor))
        pending.append((tensor, True))
        pending.extend((source, False) for source in reversed(tensor.inputs))
    return list(found), list(met)


def _check_names(layers: Sequence[Layer]) -> None:
    names = [layer.name for layer in layers]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f'The name "{name}" is used {names.count(name)} times in the model. '
                "All operation names should be unique."
            )


def _rebuilt_tensors(layers: Any) -> dict[tuple[str, int], KerasTensor]:
    """Calls the layers of a configuration; the tensors by layer's name and number of the call."""
    tensors: dict[tuple[str, int], KerasTensor] = {}
    waiting: list[tuple[str, int, Any, Layer]] = []
    nested: set[str] = set()
    for part in layers:
        layer = deserialize_part(part)
        nodes = part.get("inbound_nodes", [])
        if isinstance(layer, Model) and layer.built:
            nested.add(layer.name)
        if isinstance(layer, InputLayer):
            tensors[layer.name, 0] = layer.output
        waiting += [(layer.name, number, node, layer) for number, node in enumerate(nodes)]
    while waiting:
        left = []
        for name, number, node, layer in waiting:
            arguments, is_list = _arguments_of(node, nested)
            before = [(name, number - 1)] if number else []
            if any(needed not in tensors for needed in (*before, *arguments)):
                left.append((name, number, node, layer))
                continue
            inputs = [tensors[argument] for argument in arguments]
            tensors[name, number] = layer(inputs if is_list else inputs[0])
        if len(left) == len(waiting):
            raise ValueError(f"The layers {[name for name, *_ in left]} have no way from an input")
        waiting = left
    return tensors


def _arguments_of(node: Any, nested: Container[str]) -> tuple[list[tuple[str, int]], bool]:
    """What a layer of a configuration is called on, and whether as a list.

    Args:
        node: One of the layer's `inbound_nodes`.
        nested: Names of the models among the layers.
    """
    if isinstance(node, list):
        return _arguments_in_keras2(node, nested)
    if not isinstance(node, Mapping) or len(node.get("args", ())) != 1:
        raise ValueError(
            "An inbound node must be a dictionary with one argument under the key 'args'. "
            f"Received: {node}"
        )
    _check_idle(node.get("kwargs", {}))
    (argument,) = node["args"]
    is_list = isinstance(argument, (list, tuple))
    references = []
    for tensor in argument if is_list else [argument]:
        if not isinstance(tensor, Mapping) or tensor.get("class_name") != "__keras_tensor__":
            raise ValueError(f"The argument of a call must be a tensor. Received: {tensor}")
        references.append(_reference_in(tensor["config"]["keras_history"], "keras_history")[0])
    return references, is_list


def _arguments_in_keras2(
    node: list[Any], nested: Container[str]
) -> tuple[list[tuple[str, int]], bool]:
    """The same of Keras 2's form: `[[name, number of the call, number of the output, kwargs], ...]`.

    It counts a model's own graph as its call 0.
    """
    references = []
    for tensor in node:
        if not isinstance(tensor, list) or len(tensor) != 4 or not isinstance(tensor[3], Mapping):
            raise ValueError(
                "An inbound node of Keras 2 must be a list of lists of a layer's name, two numbers "
                f"and a dictionary. Received: {node}"
            )
        _check_idle(tensor[3])
        (name, number), _ = _reference_in(tensor[:3], "inbound_nodes")
        references.append((name, number - 1 if name in nested else number))
    if not references:
        raise ValueError("An inbound node has no tensor.")
    return references, len(references) > 1


def _check_idle(arguments: Mapping[str, Any]) -> None:
    """Refuses arguments of a call that would mean something."""
    for key, value in arguments.items():
        if key not in _IDLE_ARGUMENTS or value is not None:
            raise ValueError(f"A call with the argument `{key}={value!r}` is not supported")


def _reference_in(reference: Any, key: str) -> tuple[tuple[str, int], bool]:
    """Layer's name and number of the call, and whether they came in a list."""
    is_listed = bool(reference) and isinstance(reference[0], (list, tuple))
    if is_listed and len(reference) > 1:
        raise ValueError(f"Model does not support several `{key}`. Received: {reference}")
    name, number, output = reference[0] if is_listed else reference
    if output != 0:
        raise ValueError(f"A layer has one output. Received: {key}={reference}")
    return (name, number), is_listed
