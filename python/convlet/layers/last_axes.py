"""The `axis` argument of layers that work on the last axes of their input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlet.utils.validation import check_integer

_MOST_AXES = 64  # numpy's limit


def check_axes(axis: Any, message: str) -> int | list[int]:
    """Returns an axis or a list of axes.

    Args:
        axis: What came.
        message: Keras's words for what it should be.

    Raises:
        TypeError: If it is neither an integer nor a list or tuple.
        ValueError: If the list is empty or has something else in it.
    """
    if isinstance(axis, (list, tuple)):
        if not axis:
            raise ValueError(f"`axis` must name at least one axis. Received: axis={axis}")
        return [check_integer("axis", item, -_MOST_AXES, _MOST_AXES) for item in axis]
    if isinstance(axis, bool) or not isinstance(axis, int):
        raise TypeError(message)
    return axis


def first_of_last_axes(owner: str, axis: int | Sequence[int], input_shape: Sequence[int]) -> int:
    """Returns the first of the axes of a batch, of which they must be the last ones.

    Args:
        owner: Name of the layer's class.
        axis: The axes, 0 being that of the batch.
        input_shape: Shape of one row of the input.

    Raises:
        ValueError: If the input has no such axis, or they are not the last ones in their order.
    """
    rank = len(input_shape) + 1
    axes = [axis] if isinstance(axis, int) else sorted(axis)
    for item in axes:
        if not -rank <= item < rank:
            raise ValueError(
                f"Axis {item} is out of bounds for input shape {(None, *input_shape)}. "
                f"Received: axis={axis}"
            )
    found = [item % rank for item in axes]
    if found != list(range(rank - len(found), rank)) or found[0] == 0:
        raise ValueError(
            f"{owner} does not support `axis={axis}` for such an input; the axes must be the last "
            "ones, without that of the batch"
        )
    return found[0]
