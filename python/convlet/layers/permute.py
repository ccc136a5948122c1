"""Permute."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from convlet.layers.layer import Layer, NativeOps, Shape

_MOST_AXES = 4


class Permute(Layer):
    """Puts the axes of each row into another order.

    Args:
        dims: For each axis of the output which of the input's it is; they count from 1, without
            the batch axis: `(2, 1)` transposes. At most 4.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = _dims(dims)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        return [("permute", {"dims": self.dims})]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "dims": self.dims}


def _dims(given: Any) -> Shape:
    try:
        dims = tuple(operator.index(axis) for axis in given)
    except TypeError:
        dims = ()
    if not dims or sorted(dims) != list(range(1, len(dims) + 1)):
        raise ValueError(
            "Invalid permutation argument `dims` for Permute Layer. The set of indices in `dims` "
            f"must be consecutive and start from 1. Received dims={given}"
        )
    if len(dims) > _MOST_AXES:
        raise ValueError(
            f"Permute does not support `dims={dims}`; at most {_MOST_AXES} axes are supported"
        )
    return dims
