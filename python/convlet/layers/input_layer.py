"""Input and InputLayer: the shape of the data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlet.layers.keras_tensor import BatchShape, KerasTensor
from convlet.layers.layer import Layer, NativeOps, Shape, row_shape, without_batch_axis
from convlet.utils.validation import refuse_unsupported


class InputLayer(Layer):
    """Says what shape the rows of the data have.

    Args:
        shape: Shape of one row.
        batch_size: `None`: any number of rows; nothing else is supported.
        dtype: `None` or `"float32"`. (Data of other types are converted, uint8 on the fly.)
        sparse: `False`; nothing else is supported.
        ragged: `False`; nothing else is supported.
        batch_shape: The same as `shape` with `None` put in front.
        optional: `False`; nothing else is supported.
        name: Name, or `None` for an automatic one.

    Raises:
        ValueError: If the shape is missing or not fully known, or an option is not supported.
    """

    def __init__(
        self,
        shape: Sequence[int] | None = None,
        batch_size: int | None = None,
        dtype: Any = None,
        sparse: bool | None = None,
        ragged: bool | None = None,
        batch_shape: Sequence[int | None] | None = None,
        input_tensor: Any = None,
        optional: bool = False,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name)
        batch_row = None if batch_shape is None else without_batch_axis(batch_shape)
        rows = batch_size if batch_shape is None else batch_shape[0]
        refuse_unsupported(
            "Input",
            {
                "dtype": (dtype, "float32"),
                "batch_size": (rows, None),
                "sparse": (sparse, False),
                "ragged": (ragged, False),
                "input_tensor": (input_tensor, None),
                "optional": (optional, False),
            },
        )
        if (shape is None) == (batch_shape is None):
            raise ValueError(
                "You must pass a `shape` argument."
                if shape is None
                else "You cannot pass both `shape` and `batch_shape` at the same time."
            )
        if batch_row is not None:
            self.row_shape = batch_row
        elif shape is not None:
            self.row_shape = row_shape("shape", shape)
        self.built = True
        self._calls = [KerasTensor(self.batch_shape, self, name=name)]

    @property
    def batch_shape(self) -> BatchShape:
        return (None, *self.row_shape)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        return []

    def __reduce__(self) -> Any:
        return type(self).from_config, (self.get_config(),)  # with a symbolic tensor of its own

    def get_config(self) -> dict[str, Any]:
        return {
            "batch_shape": self.batch_shape,
            "dtype": self.dtype,
            "sparse": False,
            "ragged": False,
            "name": self.name,
        }


def Input(
    shape: Sequence[int] | None = None,
    batch_size: int | None = None,
    dtype: Any = None,
    sparse: bool | None = None,
    ragged: bool | None = None,
    batch_shape: Sequence[int | None] | None = None,
    name: str | None = None,
    tensor: Any = None,
    optional: bool = False,
) -> KerasTensor:
    """Makes the input of a model: `x = Input((28, 28, 1))`, `Sequential([Input((28, 28, 1)), ...])`.

    Args:
        shape: Shape of one row.
        batch_size: `None`; nothing else is supported.
        dtype: `None` or `"float32"`.
        sparse: `False`; nothing else is supported.
        ragged: `False`; nothing else is supported.
        batch_shape: The same as `shape` with `None` put in front.
        name: Name, or `None` for an automatic one.
        tensor: `None`; nothing else is supported.
        optional: `False`; nothing else is supported.

    Returns:
        A symbolic tensor.

    Raises:
        ValueError: If the shape is missing or not fully known, or an option is not supported.
    """
    refuse_unsupported("Input", {"tensor": (tensor, None)})
    layer = InputLayer(
        shape=shape,
        batch_size=batch_size,
        dtype=dtype,
        sparse=sparse,
        ragged=ragged,
        batch_shape=batch_shape,
        optional=optional,
        name=name,
    )
    return layer.output
