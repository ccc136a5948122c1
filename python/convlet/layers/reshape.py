"""Reshape."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from convlet.layers.layer import Layer, NativeOps, Shape


class Reshape(Layer):
    """Gives each row another shape; the order of its values, channels fastest, stays.

    Args:
        target_shape: Shape of one row of the output. One entry may be -1: what the others leave.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown or has no meaning.
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.target_shape = _target_shape(target_shape)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        return [("reshape", {"target_shape": self.target_shape})]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "target_shape": self.target_shape}


def _target_shape(given: Any) -> Shape:
    try:
        shape = () if isinstance(given, str) else tuple(operator.index(size) for size in given)
    except TypeError:
        shape = ()
    if not shape:
        raise ValueError(
            f"`target_shape` must be a tuple of integers. Received: target_shape={given!r}"
        )
    if min(shape) < -1:
        raise ValueError(
            "Each dimension in `target_shape` must be a non-negative integer, or `-1` for a single "
            f"unknown dimension. Received: target_shape={shape}."
        )
    if shape.count(-1) > 1:
        raise ValueError(
            "There must be at most one unknown dimension (-1) in `target_shape`. "
            f"Received: target_shape={shape}."
        )
    return shape
