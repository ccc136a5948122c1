"""Models: `Sequential`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convlet import layers as layer_classes
from convlet.layers.input_layer import InputLayer, KerasTensor
from convlet.layers.layer import BatchShape, Layer, Shape, without_batch_axis
from convlet.network import BoundNetwork
from convlet.summary import print_summary
from convlet.trainer import Trainer
from convlet.utils.validation import check_bool, check_integer
from convlet.variables import Variable

__all__ = ["Sequential"]


class Sequential(Trainer):
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

    def __init__(
        self,
        layers: Sequence[Layer | KerasTensor] | None = None,
        trainable: bool = True,
        name: str | None = None,
    ) -> None:
        super().__init__(trainable=trainable, name=name)
        self._input_layer: InputLayer | None = None
        self._stack: list[Layer] = []
        # Row shapes: of the input, then of each layer's output. Empty while not known.
        self._shapes: list[Shape] = []
        if layers is not None and not isinstance(layers, Sequence):
            raise ValueError(f"`layers` must be a list of layers. Received: layers={layers!r}")
        for layer in layers or ():
            self.add(layer)

    # Structure

    def add(self, layer: Layer | KerasTensor) -> None:
        """Adds a layer on top of the stack.

        Args:
            layer: A layer; or first of all an `Input`.

        Raises:
            ValueError: If the layer does not fit; the model is as before then.
        """
        if isinstance(layer, KerasTensor) and layer.layer is not None:
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

    def pop(self) -> Layer:
        """Removes the last layer.

        Returns:
            The layer.

        Raises:
            IndexError: If there is none.
        """
        if not self._stack:
            raise IndexError(f"There are no layers in the model '{self.name}' to remove.")
        layer = self._stack.pop()
        if self._shapes:
            self._shapes.pop()
        self._structure_changed()
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
        shapes = [without_batch_axis(input_shape)]
        for layer in self._stack:
            shapes.append(self._build_layer(layer, shapes[-1]))
        self._input_layer, self._shapes = InputLayer(shapes[0]), shapes
        self._structure_changed()

    @property
    def layers(self) -> list[Layer]:
        """The layers, without the `InputLayer`."""
        return list(self._stack)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Returns a layer by name or by position.

        Args:
            name: Name of the layer.
            index: Position of the layer; negative positions count from the end.

        Raises:
            ValueError: If there is no such layer, or not exactly one argument is given.
        """
        if index is not None and name is not None:
            raise ValueError(
                f"Provide only a layer name or a layer index. Received: index={index}, name={name}."
            )
        if index is not None:
            count = len(self._stack)
            if check_integer("index", index, -count) >= count:
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} "
                    f"but model only has {count} layers."
                )
            return self._stack[index]
        if name is None:
            raise ValueError("Provide either a layer name or layer index at `get_layer`.")
        for layer in self._stack:
            if layer.name == name:
                return layer
        names = [layer.name for layer in self._stack]
        raise ValueError(f"No such layer: {name}. Existing layers are: {names}.")

    @property
    def input_shape(self) -> BatchShape:
        """Shape of the input, batch axis first."""
        return (None, *self._known_shapes("input shape")[0])

    @property
    def output_shape(self) -> BatchShape:
        """Shape of the output, batch axis first."""
        return (None, *self._known_shapes("output shape")[-1])

    @property
    def inputs(self) -> list[KerasTensor]:
        """A list of one symbolic tensor."""
        return [KerasTensor((None, *self._known_shapes("inputs")[0]), self._input_layer)]

    @property
    def outputs(self) -> list[KerasTensor]:
        """A list of one symbolic tensor."""
        return [KerasTensor((None, *self._known_shapes("outputs")[-1]))]

    def layer_output_shape(self, index: int) -> BatchShape | None:
        """Returns the output shape of a layer, or `None` while it is not known."""
        return (None, *self._shapes[index + 1]) if self._shapes else None

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

    def leaves(self, trainable: bool = True) -> list[tuple[Layer, bool]]:
        trainable = trainable and self.trainable
        return [leaf for layer in self._stack for leaf in layer.leaves(trainable)]

    def make_network(self) -> BoundNetwork:
        return BoundNetwork([self], self._known_shapes("input shape")[0])

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable[[str], Any] | None = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Sequence[str] | None = None,
    ) -> None:
        """Prints the layers, their output shapes and the number of their parameters.

        Args:
            line_length: Width of the table; `None` means 88, or less in a narrow terminal.
            positions: Where the columns end, as shares of the width.
            print_fn: Called once with the whole text instead of printing it.
            expand_nested: Whether to show the layers of nested models.
            show_trainable: Whether to add a column that tells which layers are trainable.
            layer_range: Names (or regular expressions) of the first and the last layer to show.

        Raises:
            ValueError: If the width is too small or an argument has no meaning.
        """
        print_summary(
            self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range
        )

    # Weights

    @property
    def weights(self) -> list[Variable]:
        """All variables, layer by layer, kernel before bias."""
        return [variable for layer in self._stack for variable in layer.weights]

    @property
    def trainable_weights(self) -> list[Variable]:
        if not self.trainable:
            return []
        return [variable for layer in self._stack for variable in layer.trainable_weights]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        if not self.trainable:
            return self.weights
        return [variable for layer in self._stack for variable in layer.non_trainable_weights]

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets it for all layers."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = check_bool("trainable", value)
        for layer in self._stack:
            layer.trainable = value

    def save_weights(self, filepath: str | os.PathLike[str], overwrite: bool = True) -> None:
        """Writes the weights, and the optimizer's state if there is one, to a `.weights.h5` file.

        The file appears whole or not at all, and Keras can read it.

        Args:
            filepath: Path of the file; the name must end in `.weights.h5`.
            overwrite: Whether a file of that name may be replaced.

        Raises:
            ValueError: If the name ends otherwise or the model has not been built.
            FileExistsError: If the file exists and `overwrite` is false.
            OSError: If the file cannot be written.
        """
        from convlet.saving import weights_h5

        weights_h5.save_weights(self, filepath, overwrite)

    def load_weights(self, filepath: str | os.PathLike[str]) -> None:
        """Reads the weights from a `.weights.h5` file that convlet or Keras has written.

        The optimizer's state is read too, if the file has it and it fits the model's optimizer.

        Args:
            filepath: Path of the file; the name must end in `.weights.h5`.

        Raises:
            ValueError: If the name ends otherwise, the model has not been built, or the file is
                broken, unsafe or of another model; the model is as before then.
            OSError: If the file cannot be read.
        """
        from convlet.saving import weights_h5

        weights_h5.load_weights(self, filepath)

    # Configuration

    def get_config(self) -> dict[str, Any]:
        """Returns all that is needed to make a model of the same structure."""
        stack = [self._input_layer, *self._stack] if self._input_layer else self._stack
        config = {
            **super().get_config(),
            "layers": [layer_classes.serialize(layer) for layer in stack],
        }
        if self.built:
            config["build_input_shape"] = self.input_shape
        return config

    @classmethod
    def from_config(cls, config: Any) -> Sequential:
        """Makes a model from what `get_config` returned.

        Args:
            config: Dictionary with the keys `"name"` and `"layers"`.

        Returns:
            A model with new weights.

        Raises:
            ValueError: If the configuration is of another form or names an unknown layer.
        """
        if not isinstance(config, Mapping) or "name" not in config or "layers" not in config:
            raise ValueError(
                "A Sequential model configuration must be a dictionary containing the 'name' and "
                f"'layers' keys. Received: config={config}"
            )
        model = cls(name=config["name"], trainable=config.get("trainable", True))
        for layer in config["layers"]:
            nested = isinstance(layer, Mapping) and layer.get("class_name") == "Sequential"
            model.add(
                cls.from_config(layer["config"]) if nested else layer_classes.deserialize(layer)
            )
        build_input_shape = config.get("build_input_shape")
        if build_input_shape and not model.built:
            model.build(build_input_shape)
        return model

    # Helpers

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
        self._input_layer, self._shapes = layer, [layer.row_shape]

    def _add_layer(self, layer: Layer) -> None:
        if layer is self:
            raise ValueError(f"The model '{self.name}' cannot be a layer of itself.")
        if layer.weights and any(layer is other for other in self._stack):
            raise ValueError(
                f"The layer '{layer.name}' is already in the model '{self.name}'; sharing weights "
                "within a model is not supported."
            )
        shapes = self._shapes
        if not self._stack and not shapes:
            known = _input_shape_of(layer)
            shapes = [] if known is None else [known]
        if shapes:
            shapes = [*shapes, self._build_layer(layer, shapes[-1])]
            if self._input_layer is None:
                self._input_layer = InputLayer(shapes[0])
        self._stack.append(layer)
        self._shapes = shapes
        self._structure_changed()

    def _build_layer(self, layer: Layer, shape: Shape) -> Shape:
        """Builds a layer on an input of the given row shape and returns that of its output."""
        layer.set_scope(f"{self._scope}{self.name}/")
        layer.build((None, *shape))
        return without_batch_axis(layer.compute_output_shape((None, *shape)))

    def _structure_changed(self) -> None:
        self.built = bool(self._stack and self._shapes)
        self._network = None

    def _check_name(self, layer: Layer) -> None:
        if any(layer.name == other.name and layer is not other for other in self._stack):
            raise ValueError(
                "All layers added to a Sequential model should have unique names. "
                f"Name '{layer.name}' is already the name of a layer in this model. "
                "Update the `name` argument to pass a unique name."
            )

    def _known_shapes(self, what: str) -> list[Shape]:
        if not self.built:
            raise AttributeError(f"Sequential model '{self.name}' has no defined {what} yet.")
        return self._shapes


def _input_shape_of(layer: Layer) -> Shape | None:
    """The shape of a row of the input, as far as the first layer of a model tells it."""
    if isinstance(layer, Sequential) and layer.built:
        return without_batch_axis(layer.input_shape)
    return layer.input_shape_argument
