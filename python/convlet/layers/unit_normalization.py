"""UnitNormalization."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlet.layers.last_axes import check_axes, first_of_last_axes
from convlet.layers.layer import Layer, NativeOps, Shape


class UnitNormalization(Layer):
    """Divides by the length: `x / sqrt(sum(x**2))`, the factor being at most 1e12.

    Args:
        axis: The axis, or list of axes, to sum over: the last ones; nothing else is supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        TypeError: If `axis` is neither an integer nor a list of them.
        ValueError: If an argument is unknown or not supported.
    """

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = check_axes(
            axis,
            "Invalid value for `axis` argument: expected an int or a list/tuple of ints. "
            f"Received: axis={axis}",
        )

    def native_ops(self, input_shape: Shape) -> NativeOps:
        first = first_of_last_axes("UnitNormalization", self.axis, input_shape)
        return [("unit_normalization", {"axis": first})]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}
