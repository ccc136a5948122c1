"""Weights of a model that is being loaded: zeros, and no more of them than its file holds.

A configuration of a few bytes can ask for layers of any size. While a model is built from a file,
each weight is counted against what the file has before memory is taken for it (CVE-2026-0897 in
Keras), and none is drawn at random: the file's values take its place.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from contextvars import ContextVar

import numpy as np
import numpy.typing as npt

_left: ContextVar[list[int] | None] = ContextVar("convlet_placeholders_left", default=None)


@contextlib.contextmanager
def placeholders(limit: int) -> Iterator[None]:
    """Makes weights start as zeros inside the block, up to a number of values in all of them."""
    token = _left.set([limit])
    try:
        yield
    finally:
        _left.reset(token)


def placeholder(shape: tuple[int, ...]) -> npt.NDArray[np.float32] | None:
    """Returns zeros while a model is being loaded, else `None`.

    Raises:
        ValueError: If the file does not hold that many values.
    """
    left = _left.get()
    if left is None:
        return None
    left[0] -= math.prod(shape)
    if left[0] < 0:
        raise ValueError("the file holds fewer weights than its layers need.")
    return np.zeros(shape, np.float32)
