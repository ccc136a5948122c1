"""Model: what sequential and functional models have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from convlet.layers.keras_tensor import BatchShape
from convlet.layers.layer import Layer, without_batch_axis
from convlet.network import BoundNetwork
from convlet.summary import print_summary
from convlet.trainer import Trainer
from convlet.utils.validation import check_bool, check_integer
from convlet.variables import Variable


class Model(Trainer):
    """A model made of layers.

    `Model(inputs, outputs, name=None)` makes one of symbolic tensors, see
    `convlet.models.Functional`; with a list of several outputs, or a dictionary of outputs, one that
    predicts only.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if cls is not Model:
            return super().__new__(cls)
        from convlet.functional import Functional
        from convlet.multi_output import MultiOutput, has_several

        outputs = kwargs.get("outputs", args[1] if len(args) > 1 else None)
        return super().__new__(MultiOutput if has_several(outputs) else Functional)

    @classmethod
    def from_config(cls, config: Any, custom_objects: Mapping[str, Any] | None = None) -> Model:
        """Makes a model of symbolic tensors from what its `get_config` returned.

        See `convlet.models.Functional.from_config`.
        """
        from convlet.functional import Functional

        return Functional.from_config(config, custom_objects)

    # Structure

    @property
    def layers(self) -> list[Layer]:
        """The layers."""
        raise NotImplementedError(f"{type(self).__name__} does not define `layers`")

    @property
    def input_shape(self) -> BatchShape:
        """Shape of the input, batch axis first."""
        raise NotImplementedError(f"{type(self).__name__} does not define `input_shape`")

    def layer_output_shape(self, index: int) -> BatchShape | None:
        """Returns the output shape of a layer, or `None` while it is not known."""
        raise NotImplementedError(f"{type(self).__name__} does not define `layer_output_shape`")

    def connections(self) -> list[str] | None:
        """Returns what each layer is called on, as text; `None` if the layers are a chain."""
        return None

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
            count = len(self.layers)
            if check_integer("index", index, -count) >= count:
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} "
                    f"but model only has {count} layers."
                )
            return self.layers[index]
        if name is None:
            raise ValueError("Provide either a layer name or layer index at `get_layer`.")
        for layer in self.layers:
            if layer.name == name:
                return layer
        names = [layer.name for layer in self.layers]
        raise ValueError(f"No such layer: {name}. Existing layers are: {names}.")

    def leaves(self, trainable: bool = True) -> list[tuple[Layer, bool]]:
        trainable = trainable and self.trainable
        return [leaf for layer in self.layers for leaf in layer.leaves(trainable)]

    def make_network(self) -> BoundNetwork:
        return BoundNetwork(self, without_batch_axis(self.input_shape))

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

        Of processes that train together the first one prints.

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
        if not self.processes.is_first:
            return
        print_summary(
            self, line_length, positions, print_fn, expand_nested, show_trainable, layer_range
        )

    # Weights

    @property
    def weights(self) -> list[Variable]:
        """All variables, layer by layer, kernel before bias."""
        return [variable for layer in self.layers for variable in layer.weights]

    @property
    def trainable_weights(self) -> list[Variable]:
        if not self.trainable:
            return []
        return [variable for layer in self.layers for variable in layer.trainable_weights]

    @property
    def non_trainable_weights(self) -> list[Variable]:
        if not self.trainable:
            return self.weights
        return [variable for layer in self.layers for variable in layer.non_trainable_weights]

    @property
    def trainable(self) -> bool:
        """Whether training changes the weights; setting it sets it for all layers."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = check_bool("trainable", value)
        for layer in self.layers:
            layer.trainable = value
