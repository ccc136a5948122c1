"""ZeroPadding2D and Cropping2D."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.utils.validation import check_tuple, refuse_unsupported

Pair: TypeAlias = tuple[int, ...]


class ZeroPadding2D(Layer):
    """Puts rows and columns of zeros around images.

    Input (n, h, w, c), output (n, top + h + bottom, left + w + right, c).

    Args:
        padding: How many: `((top, bottom), (left, right))`; `(rows, columns)` for the same on both
            sides; or one number for all four.
        data_format: `"channels_last"`; nothing else is supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(
        self,
        padding: int | Sequence[int | Sequence[int]] = (1, 1),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse_unsupported("ZeroPadding2D", {"data_format": (data_format, "channels_last")})
        self.padding = _pairs("padding", padding)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        rows, columns = self.padding
        return [("zero_padding2d", {"padding": (*rows, *columns)})]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "padding": self.padding,
            "data_format": "channels_last",
        }


class Cropping2D(Layer):
    """Cuts rows and columns off images.

    Input (n, h, w, c), output (n, h - top - bottom, w - left - right, c).

    Args:
        cropping: How many: `((top, bottom), (left, right))`; `(rows, columns)` for the same on both
            sides; or one number for all four.
        data_format: `"channels_last"`; nothing else is supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(
        self,
        cropping: int | Sequence[int | Sequence[int]] = ((0, 0), (0, 0)),
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse_unsupported("Cropping2D", {"data_format": (data_format, "channels_last")})
        self.cropping = _pairs("cropping", cropping)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        rows, columns = self.cropping
        return [("cropping2d", {"cropping": (*rows, *columns)})]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "cropping": self.cropping,
            "data_format": "channels_last",
        }


def _pairs(name: str, value: Any) -> tuple[Pair, Pair]:
    """Returns `((top, bottom), (left, right))`, or raises ValueError in Keras's words."""
    if isinstance(value, str) or not hasattr(value, "__len__"):
        size = _same_for_all(name, value)
        return (size, size), (size, size)
    if len(value) != 2:
        raise ValueError(f"`{name}` should have two elements. Received: {name}={value}.")
    rows, columns = value
    return (
        check_tuple(f"1st entry of {name}", rows, 2, minimum=0),
        check_tuple(f"2nd entry of {name}", columns, 2, minimum=0),
    )


def _same_for_all(name: str, value: Any) -> int:
    try:
        size = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        size = None
    if size is None:
        raise ValueError(
            f"`{name}` should be either an int, a tuple of 2 ints (symmetric_height_crop, "
            "symmetric_width_crop), or a tuple of 2 tuples of 2 ints ((top_crop, bottom_crop), "
            f"(left_crop, right_crop)). Received: {name}={value}."
        )
    if size < 0:
        raise ValueError(f"`{name}` cannot be negative. Received: {name}={size}.")
    return size
