"""Layers of several inputs: Add, Average, Concatenate, Maximum, Minimum, Multiply, Subtract."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any, ClassVar

import numpy as np

from convlet.layers.keras_tensor import BatchShape, KerasTensor, is_symbolic
from convlet.layers.layer import Layer, NativeOps, Shape, without_batch_axis
from convlet.network import Tracer
from convlet.utils.validation import check_integer


class Merge(Layer):
    """Base class of the layers that are called on a list of tensors."""

    TAKES_LIST = True

    def build(self, input_shape: Any) -> None:
        """Checks the shapes; there are no weights.

        Args:
            input_shape: List of the shapes of the inputs, batch axis first.

        Raises:
            ValueError: If they do not fit together.
        """
        self.compute_output_shape(input_shape)
        self.built = True

    def compute_output_shape(self, input_shape: Any) -> BatchShape:
        """Returns the shape of the output, batch axis first.

        Args:
            input_shape: List of the shapes of the inputs, batch axis first.

        Raises:
            ValueError: If they do not fit together.
        """
        shapes = list(input_shape) if isinstance(input_shape, Sequence) else []
        if not shapes or not all(isinstance(shape, Sequence) for shape in shapes):
            raise ValueError(
                "A merge layer should be called on a list of inputs. Received: "
                f"input_shape={input_shape} (not a list of shapes)"
            )
        shape, _ = self._infer(*shapes)
        return (None, *shape)

    def __call__(self, inputs: Any, training: bool | None = None) -> Any:
        """Applies the layer to a list of symbolic tensors.

        Args:
            inputs: List of symbolic tensors.
            training: Accepted as in Keras; the layer does the same either way.

        Returns:
            A symbolic tensor.

        Raises:
            ValueError: If they are arrays or do not fit together.
        """
        del training
        if not is_symbolic(inputs):
            raise ValueError(
                f"{type(self).__name__} can only be called on a list of symbolic tensors, in a "
                f"model. Received: inputs of type {type(inputs)}"
            )
        return self._call_symbolically(inputs)


class _Elementwise(Merge):
    OPERATION: ClassVar[str]

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        return [(self.OPERATION, {})]

    def trace(self, tracer: Tracer, inputs: Sequence[int]) -> int:
        shape = _common_shape([tracer.shapes[number] for number in inputs])
        same = [
            number
            if tracer.shapes[number] == shape
            else tracer.add(self, [("broadcast", {"target_shape": shape})], [number])
            for number in inputs
        ]
        return super().trace(tracer, same)

    def _infer(self, *input_shapes: Sequence[int | None]) -> Any:
        shapes = [without_batch_axis(input_shape) for input_shape in input_shapes]
        with suppress(ValueError):  # of shapes that do not fit: the compiled code says why
            shapes = [_common_shape(shapes)] * len(shapes)
        return super()._infer(*((None, *shape) for shape in shapes))


def _common_shape(shapes: Sequence[Shape]) -> Shape:
    """The shape to which all of these can be repeated, aligned at the last axis, as in numpy."""
    return np.broadcast_shapes(*shapes)


class Add(_Elementwise):
    """Sum of the inputs.

    Axes that are missing in front, and axes of size 1, are repeated.

    Args:
        **kwargs: Arguments of `Layer`.
    """

    OPERATION = "add"


class Average(_Elementwise):
    """Mean of the inputs.

    Axes that are missing in front, and axes of size 1, are repeated.

    Args:
        **kwargs: Arguments of `Layer`.
    """

    OPERATION = "average"


class Maximum(_Elementwise):
    """Largest of the inputs, element by element; the first of equal ones gets the gradient.

    Axes that are missing in front, and axes of size 1, are repeated.

    Args:
        **kwargs: Arguments of `Layer`.
    """

    OPERATION = "maximum"


class Minimum(_Elementwise):
    """Smallest of the inputs, element by element; the first of equal ones gets the gradient.

    Axes that are missing in front, and axes of size 1, are repeated.

    Args:
        **kwargs: Arguments of `Layer`.
    """

    OPERATION = "minimum"


class Multiply(_Elementwise):
    """Product of the inputs.

    Axes that are missing in front, and axes of size 1, are repeated: a `(1, 1, 8)` tensor of
    weights scales the channels of a `(28, 28, 8)` one.

    Args:
        **kwargs: Arguments of `Layer`.
    """

    OPERATION = "multiply"


class Subtract(_Elementwise):
    """Difference of two inputs.

    Axes that are missing in front, and axes of size 1, are repeated.

    Args:
        **kwargs: Arguments of `Layer`.
    """

    OPERATION = "subtract"


class Concatenate(Merge):
    """Puts the inputs one behind the other along an axis, in which alone they may differ.

    Args:
        axis: The axis, counted with the batch axis, which it must not be; -1 for the last.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown or has no meaning.
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = check_integer("axis", axis, -8, 8)

    def native_ops(self, input_shape: Shape) -> NativeOps:
        rank = len(input_shape) + 1
        axis = self.axis + rank if self.axis < 0 else self.axis
        if not 0 < axis < rank:
            raise ValueError(
                f"Concatenate does not support `axis={self.axis}` for inputs of rank {rank}; it "
                "must be an axis other than that of the batch"
            )
        return [("concatenate", {"axis": axis - 1})]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


def add(inputs: Sequence[KerasTensor], **kwargs: Any) -> Any:
    """Applies `Add(**kwargs)` to a list of symbolic tensors."""
    return Add(**kwargs)(inputs)


def average(inputs: Sequence[KerasTensor], **kwargs: Any) -> Any:
    """Applies `Average(**kwargs)` to a list of symbolic tensors."""
    return Average(**kwargs)(inputs)


def concatenate(inputs: Sequence[KerasTensor], axis: int = -1, **kwargs: Any) -> Any:
    """Applies `Concatenate(axis, **kwargs)` to a list of symbolic tensors."""
    return Concatenate(axis=axis, **kwargs)(inputs)


def maximum(inputs: Sequence[KerasTensor], **kwargs: Any) -> Any:
    """Applies `Maximum(**kwargs)` to a list of symbolic tensors."""
    return Maximum(**kwargs)(inputs)


def minimum(inputs: Sequence[KerasTensor], **kwargs: Any) -> Any:
    """Applies `Minimum(**kwargs)` to a list of symbolic tensors."""
    return Minimum(**kwargs)(inputs)


def multiply(inputs: Sequence[KerasTensor], **kwargs: Any) -> Any:
    """Applies `Multiply(**kwargs)` to a list of symbolic tensors."""
    return Multiply(**kwargs)(inputs)


def subtract(inputs: Sequence[KerasTensor], **kwargs: Any) -> Any:
    """Applies `Subtract(**kwargs)` to a list of symbolic tensors."""
    return Subtract(**kwargs)(inputs)
