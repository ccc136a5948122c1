"""Models: `Sequential`, `Model`, `Functional`, and what makes models from files and from models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convlet import layers as layer_classes
from convlet._lazy import LazyNames, attach
from convlet.functional import Functional, deserialize_part
from convlet.layers.input_layer import InputLayer
from convlet.layers.keras_tensor import BatchShape, KerasTensor
from convlet.layers.layer import Layer, Shape, without_batch_axis
from convlet.model import Model
from convlet.network import Tracer
from convlet.saving.configuration import normalized
from convlet.utils.custom_objects import custom_object_scope
from convlet.utils.naming import auto_name
from convlet.utils.validation import check_bool

if TYPE_CHECKING:
    from convlet.saving.api import clone_model, load_model, model_from_json, save_model

__all__ = [
    "Functional",
    "Model",
    "Sequential",
    "clone_model",
    "load_model",
    "model_from_json",
    "save_model",
]

__getattr__, __dir__ = attach(
    __name__,
    LazyNames(
        "convlet.saving", {"api": ("clone_model", "load_model", "model_from_json", "save_model")}
    ),
)


class Sequential(Model):
    """A stack of layers, each on the output of the one before.

    With a known input shape (an `Input` in front, or `input_shape=` on the first layer) the
    weights are made as layers are added; without one, at the first call with data or in `build`.

    ```python
    model = Sequential([Input((28, 28, 1)), Conv2D(32, 3, activation="relu"), Flatten(), Dense(10)])
    ```

    Args:
        layers: List of layers, or `None`.
        trainable: Whether training changes the weights.
        name: Name, or `None` for an automatic one.

    Raises:
        ValueError: If something in the list cannot be added.
    """

    KERAS_MODULE = "keras"

    def __init__(
        self,
        layers: Sequence[Layer | KerasTensor] | None = None,
        trainable: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(trainable=trainable, name=name)
        self._input_layer: InputLayer | None = None
        self._stack: list[Layer] = []
        # The input, then each layer's output. Empty while the input's shape is not known.
        self._tensors: list[KerasTensor] = []
        if layers is not None and not isinstance(layers, Sequence):
            raise ValueError(f"`layers` must be a list of layers. Received: layers={layers!r}")
        for layer in layers or ():
            self._append(layer)
        self._count_as_functional()

    # Structure

    def add(self, layer: Layer | KerasTensor, rebuild: bool = True) -> None:
        """Adds a layer on top of the stack.

        Args:
            layer: A layer; or first of all an `Input`.
            rebuild: Keras's; there is nothing to rebuild here, either way.

        Raises:
            ValueError: If the layer does not fit; the model is as before then.
        """
        check_bool("rebuild", rebuild)
        self._append(layer)
        self._count_as_functional()

    def pop(self, rebuild: bool = True) -> Layer:
        """Removes the last layer.

        Args:
            rebuild: Keras's; there is nothing to rebuild here, either way.

        Returns:
            The layer.

        Raises:
            IndexError: If there is none.
        """
        check_bool("rebuild", rebuild)
        if not self._stack:
            raise IndexError(f"There are no layers in the model '{self.name}' to remove.")
        layer = self._stack.pop()
        if self._tensors:
            self._tensors.pop()
        self._structure_changed()
        self._count_as_functional()
        return layer

    def build(self, input_shape: Sequence[int | None] | None = None) -> None:
        """Creates the weights of a model whose input shape was not known.

        Args:
            input_shape: Shape of the input, batch axis first: `(None, 28, 28, 1)`.

        Raises:
            ValueError: If a layer cannot take such an input; the model is as before then.
        """
        if not self._stack:
            raise ValueError(
                f"Sequential model {self.name} cannot be built because it has no layers. "
                "Call `model.add(layer)`."
            )
        if self._input_layer is not None:
            known = self._input_layer.batch_shape
            if input_shape is not None and (None, *without_batch_axis(input_shape)) != known:
                raise ValueError(
                    f"Sequential model '{self.name}' has already been configured to use input "
                    f"shape {known}. You cannot build it with input_shape {tuple(input_shape)}"
                )
            return
        if input_shape is None:
            raise ValueError(f"Sequential model '{self.name}' needs an `input_shape` to be built.")
        # First without making anything, so that a layer that does not fit leaves no trace.
        self.compute_output_shape(input_shape)
        self._input_layer = InputLayer(without_batch_axis(input_shape))
        self._tensors = [self._input_layer.output]
        for layer in self._stack:
            self._tensors.append(self._build_layer(layer, self._tensors[-1]))
        self._structure_changed()
        self._count_as_functional()

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the `InputLayer`."""
        return list(self._stack)

    @property
    def input_shape(self) -> BatchShape:
        """Shape of the input, batch axis first."""
        return self._known_tensors("input shape")[0].shape

    @property
    def output_shape(self) -> BatchShape:
        """Shape of the output, batch axis first."""
        return self._known_tensors("output shape")[-1].shape

    @property
    def inputs(self) -> list[KerasTensor]:
        """A list of one symbolic tensor."""
        return [self._known_tensors("inputs")[0]]

    @property
    def outputs(self) -> list[KerasTensor]:
        """A list of one symbolic tensor."""
        return [self._known_tensors("outputs")[-1]]

    def layer_output_shape(self, index: int) -> BatchShape | None:
        return self._tensors[index + 1].shape if self._tensors else None

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> BatchShape:
        """Returns the shape of the output for some shape of the input, batch axis first.

        Args:
            input_shape: Shape of the input, batch axis first.

        Raises:
            ValueError: If a layer cannot take such an input.
        """
        shape: Sequence[int | None] = input_shape
        for layer in self._stack:
            shape = layer.compute_output_shape(shape)
        return tuple(shape)

    def trace(self, tracer: Tracer, inputs: Sequence[int]) -> int:
        tensor = inputs[0]
        for layer in self._stack:
            tensor = layer.trace(tracer, [tensor])
        return tensor

    # Configuration

    def get_config(self) -> dict[str, Any]:
        """Returns all that is needed to make a model of the same structure."""
        stack = [self._input_layer, *self._stack] if self._input_layer else self._stack
        config: dict[str, Any] = {
            **super().get_config(),
            "layers": [layer_classes.serialize(layer) for layer in stack],
        }
        if self.built:
            config["build_input_shape"] = self.input_shape
        return config

    @classmethod
    def from_config(
        cls, config: Any, custom_objects: Mapping[str, Any] | None = None
    ) -> Sequential:
        """Makes a model from what `get_config` returned, here or in Keras.

        Args:
            config: Dictionary with the keys `"name"` and `"layers"`.
            custom_objects: Dictionary from names in it to classes of the caller.

        Returns:
            A model with new weights.

        Raises:
            ValueError: If the configuration is of another form, or names a layer or an argument
                that convlet does not have.
        """
        if not isinstance(config, Mapping) or "name" not in config or "layers" not in config:
            raise ValueError(
                "A Sequential model configuration must be a dictionary containing the 'name' and "
                f"'layers' keys. Received: config={config}"
            )
        with custom_object_scope(custom_objects):
            config = normalized({"class_name": "Sequential", "config": config}, "model")["config"]
            model = cls(name=config["name"], trainable=config.get("trainable", True))
            for layer in config["layers"]:
                model._append(deserialize_part(layer))
            model._count_as_functional()
            shape = config.get("build_input_shape")
            if shape and not model.built:
                model.build(shape)
        return model

    # Helpers

    def _append(self, layer: Layer | KerasTensor) -> None:
        if isinstance(layer, KerasTensor) and isinstance(layer.layer, InputLayer):
            layer = layer.layer
        if not isinstance(layer, Layer):
            raise ValueError(
                "Only instances of `convlet.layers.Layer` can be added to a Sequential model. "
                f"Received: {layer} (of type {type(layer)})"
            )
        self._check_name(layer)
        if isinstance(layer, InputLayer):
            self._add_input(layer)
        else:
            self._add_layer(layer)

    def _add_input(self, layer: InputLayer) -> None:
        if self._input_layer is not None:
            raise ValueError(
                f"Sequential model '{self.name}' has already been configured to use input shape "
                f"{self._input_layer.batch_shape}. You cannot add a different Input layer to it."
            )
        if self._stack:
            raise ValueError(
                f"An Input must be the first layer of the Sequential model '{self.name}'."
            )
        self._input_layer, self._tensors = layer, [layer.output]

    def _add_layer(self, layer: Layer) -> None:
        if layer is self:
            raise ValueError(f"The model '{self.name}' cannot be a layer of itself.")
        if layer.weights and any(layer is other for other in self._stack):
            raise ValueError(
                f"The layer '{layer.name}' is already in the model '{self.name}'; sharing weights "
                "within a model is not supported."
            )
        tensors, input_layer = self._tensors, self._input_layer
        if not self._stack and not tensors:
            known = _input_shape_of(layer)
            if known is not None:
                input_layer = InputLayer(known)
                tensors = [input_layer.output]
        if tensors:
            tensors = [*tensors, self._build_layer(layer, tensors[-1])]
        self._stack.append(layer)
        self._tensors, self._input_layer = tensors, input_layer
        self._structure_changed()

    def _build_layer(self, layer: Layer, tensor: KerasTensor) -> KerasTensor:
        """Builds a layer on a symbolic tensor and returns its output."""
        layer.set_scope(f"{self._scope}{self.name}/")
        output: KerasTensor = layer(tensor)
        return output

    def _structure_changed(self) -> None:
        self.built = bool(self._stack and self._tensors)
        self._network = None

    def _count_as_functional(self) -> None:
        """Counts on with the names of functional models: Keras makes one of each built stack."""
        if self.built:
            auto_name("Functional")

    def _check_name(self, layer: Layer) -> None:
        if any(layer.name == other.name and layer is not other for other in self._stack):
            raise ValueError(
                "All layers added to a Sequential model should have unique names. "
                f"Name '{layer.name}' is already the name of a layer in this model. "
                "Update the `name` argument to pass a unique name."
            )

    def _known_tensors(self, what: str) -> list[KerasTensor]:
        if not self.built:
            raise AttributeError(f"Sequential model '{self.name}' has no defined {what} yet.")
        return self._tensors


def _input_shape_of(layer: Layer) -> Shape | None:
    """The shape of a row of the input, as far as the first layer of a model tells it."""
    if isinstance(layer, Model) and layer.built:
        return without_batch_axis(layer.input_shape)
    return layer.input_shape_argument
