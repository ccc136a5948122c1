"""MaxPooling1D."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlet.layers.pooling import Pooling


class MaxPooling1D(Pooling):
    """Largest value of each window.

    Input (n, steps, c), output (n, windows, c), with the output sizes of `Conv1D`. Padding never
    wins; among equal values the first one gets the gradient.

    Args:
        pool_size: Length of the window.
        strides: Step of the window; `None` means `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`; nothing else is supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    OP = "max_pooling1d"
    AXES = 1

    def __init__(
        self,
        pool_size: int | Sequence[int] = 2,
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)
