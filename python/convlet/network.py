"""The native network of a layer or model, and the variables that live in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet import _native
from convlet._thread_lock import ThreadLock

if TYPE_CHECKING:
    from convlet._native import core
    from convlet.layers.layer import Layer
    from convlet.variables import Variable

Shape: TypeAlias = tuple[int, ...]
NativeOps: TypeAlias = list[tuple[str, dict[str, Any]]]
Input: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.uint8]

# Held by a thread that makes a network or moves variables into one: another one that saw them half
# way could bring back values from before a step of training.
MOVING = ThreadLock()


class Tracer:
    """Writes down what a layer, or a model of layers, does to a tensor.

    Args:
        input_shape: Shape of one row of the input, which is tensor 0.

    Attributes:
        shapes: Shapes of one row of the tensors.
        ops: Operations of the compiled code, each of which makes the next tensor.
        layers: The layer that each operation belongs to.
        variables: Their parameters.
    """

    def __init__(self, input_shape: Shape) -> None:
        self.shapes = [input_shape]
        self.ops: list[tuple[str, dict[str, Any], list[int]]] = []
        self.layers: list[Layer] = []
        self.variables: list[Variable] = []

    def add(self, layer: Layer, ops: NativeOps, inputs: Sequence[int]) -> int:
        """Adds the operations of a layer and returns the number of the tensor that it returns.

        Args:
            layer: The layer.
            ops: The first one reads all inputs, each other one what the one before makes.
            inputs: Numbers of the tensors that the layer is called on.

        Raises:
            ValueError: If the layer has weights and was called before.
        """
        if layer.weights and any(layer is other for other in self.layers):
            raise ValueError(
                f"The layer '{layer.name}' is called more than once; sharing weights within a "
                "model is not supported."
            )
        tensors = list(inputs)
        for name, attributes in ops:
            shapes = [self.shapes[tensor] for tensor in tensors]
            shape, _ = _native.core.infer_op(name, attributes, *shapes)
            self.ops.append((name, attributes, tensors))
            self.layers.append(layer)
            self.shapes.append(shape)
            tensors = [len(self.ops)]
        self.variables.extend(layer.weights)
        return tensors[0]


class BoundNetwork:
    """A native network whose parameters are the variables of the layer it was made from.

    Args:
        layer: A built layer or model.
        input_shape: Shape of one row of the input.

    Attributes:
        native: The native network.
        variables: Its parameters, in its order.
        input_shape: Shape of one row of the input.
        output_shape: Shape of one row of the output.
    """

    def __init__(self, layer: Layer, input_shape: Shape) -> None:
        tracer = Tracer(input_shape)
        layer.trace(tracer, [0])
        self.native: core.Network = _native.core.Network(input_shape, tracer.ops)
        self.input_shape = input_shape
        self.output_shape: Shape = tuple(self.native.output_shape)
        self.variables = tracer.variables
        self._layer = layer
        self._layer_of_op = tracer.layers
        self._views = [view for _, _, view in self.native.parameters()]
        if [view.shape for view in self._views] != [v.shape for v in self.variables]:
            raise ValueError("The weights of the layers are not the parameters of their operations")

    def synchronize(self) -> None:
        """Fetches the variables that another model has bound to its own network meanwhile."""
        native = self.native
        for variable in self.variables:
            if variable.network is not native:
                self._fetch()
                return

    def _fetch(self) -> None:
        with MOVING:
            for index, variable in enumerate(self.variables):
                if variable.network is not self.native:
                    variable.bind(self.native, index, self._views[index])

    def settle_trainable(self) -> None:
        """Makes `trainable` of the layers, as it is now, what holds for training from now on.

        Raises:
            ValueError: If only some of a layer's weights are trainable.
        """
        self.native.set_trainable(self._trainable_ops())

    @property
    def trains_by_default(self) -> bool:
        """Whether a layer does what it does in training unless a call says otherwise."""
        return any(layer.TRAINING_BY_DEFAULT for layer in self._layer_of_op)

    def predict_as_in_training(
        self, x: Input, call: int, *, by_default: bool = False
    ) -> npt.NDArray[np.float32]:
        """Returns the outputs for a batch of rows as in training, for the call-th time.

        Args:
            x: Rows.
            call: Number of the call: random numbers depend on it.
            by_default: Whether only those layers do so whose default it is.
        """
        self.synchronize()
        outputs = np.empty((len(x), *self.output_shape), np.float32)
        trainable, resting = self._trainable_ops(), [False] * len(self._layer_of_op)
        if by_default:
            resting = [not layer.TRAINING_BY_DEFAULT for layer in self._layer_of_op]
            trainable = [False] * len(resting)
        # Steps of training count from 0: calls have the upper half of the numbers.
        self.native.predict_as_in_training(x, outputs, 2**63 + call, trainable, resting)
        return outputs

    def predict(self, x: Input) -> npt.NDArray[np.float32]:
        """Returns the outputs for rows that are known to have the right layout."""
        self.synchronize()
        rows = len(x)
        outputs = np.empty((rows, *self.output_shape), np.float32)
        self.native.predict(x, outputs, 0, rows)
        return outputs

    def _trainable_ops(self) -> list[bool]:
        trainable: dict[Layer, bool] = {}
        for layer, is_trainable in self._layer.leaves():
            trainable[layer] = is_trainable
            odd = [v.path for v in layer.weights if v.is_trained and v.trainable != layer.trainable]
            if odd:
                raise ValueError(
                    f"Layer '{layer.name}' can only be trainable or frozen as a whole, and "
                    f"`trainable` of {', '.join(odd)} differs from the layer's."
                )
        return [trainable[layer] for layer in self._layer_of_op]
