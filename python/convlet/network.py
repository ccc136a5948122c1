"""The native network of a chain of layers, and the variables that live in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet import _native

if TYPE_CHECKING:
    from convlet._native import core
    from convlet.layers.layer import Layer
    from convlet.variables import Variable

Shape: TypeAlias = tuple[int, ...]
Input: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.uint8]


class BoundNetwork:
    """A native network whose parameters are the variables of the layers it was made from.

    Args:
        layers: Built layers, first to last.
        input_shape: Shape of one row of the input.

    Attributes:
        native: The native network.
        variables: Its parameters, in its order.
        input_shape: Shape of one row of the input.
        output_shape: Shape of one row of the output.
    """

    def __init__(self, layers: Sequence[Layer], input_shape: Shape) -> None:
        ops: list[tuple[str, dict[str, Any], list[int]]] = []
        variables: list[Variable] = []
        shape = input_shape
        self._layers = layers
        self._leaf_of_op: list[int] = []
        for index, (leaf, _) in enumerate(self._leaves()):
            for name, attributes in leaf.native_ops(shape):
                shape, _ = _native.core.infer_op(name, attributes, shape)
                ops.append((name, attributes, [len(ops)]))
                self._leaf_of_op.append(index)
            variables.extend(leaf.weights)
        self.native: core.Network = _native.core.Network(input_shape, ops)
        self.input_shape = input_shape
        self.output_shape: Shape = tuple(self.native.output_shape)
        self.variables = variables
        self._views = [view for _, _, view in self.native.parameters()]
        if [view.shape for view in self._views] != [variable.shape for variable in variables]:
            raise ValueError("The weights of the layers are not the parameters of their operations")

    def synchronize(self) -> None:
        """Fetches the variables that another model has bound to its own network meanwhile."""
        native = self.native
        for index, variable in enumerate(self.variables):
            if variable.network is not native:
                variable.bind(native, index, self._views[index])

    def settle_trainable(self) -> None:
        """Makes `trainable` of the layers, as it is now, what holds for training from now on.

        Raises:
            ValueError: If only some of a layer's weights are trainable.
        """
        self.native.set_trainable(self._trainable_ops())

    def predict_as_in_training(self, x: Input, call: int) -> npt.NDArray[np.float32]:
        """Returns the outputs for a batch of rows as in training, for the call-th time."""
        self.synchronize()
        outputs = np.empty((len(x), *self.output_shape), np.float32)
        # Steps of training count from 0: calls have the upper half of the numbers.
        self.native.predict_as_in_training(x, outputs, 2**63 + call, self._trainable_ops())
        return outputs

    def predict(self, x: Input) -> npt.NDArray[np.float32]:
        """Returns the outputs for rows that are known to have the right layout."""
        self.synchronize()
        rows = len(x)
        outputs = np.empty((rows, *self.output_shape), np.float32)
        self.native.predict(x, outputs, 0, rows)
        return outputs

    def _leaves(self) -> list[tuple[Layer, bool]]:
        return [leaf for layer in self._layers for leaf in layer.leaves()]

    def _trainable_ops(self) -> list[bool]:
        leaves = self._leaves()
        for layer, _ in leaves:
            odd = [v.path for v in layer.weights if v.is_trained and v.trainable != layer.trainable]
            if odd:
                raise ValueError(
                    f"Layer '{layer.name}' can only be trainable or frozen as a whole, and "
                    f"`trainable` of {', '.join(odd)} differs from the layer's."
                )
        return [leaves[index][1] for index in self._leaf_of_op]
