"""MaxPooling2D."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlet.layers.pooling import Pooling


class MaxPooling2D(Pooling):
    """Largest value of each window.

    Input (n, ih, iw, c), output (n, oh, ow, c), with the output sizes of `Conv2D`. Padding never
    wins; among equal values the first one gets the gradient.

    Args:
        pool_size: Height and width of the window, or one number for both.
        strides: Steps of the window, or one number for both; `None` means `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`; nothing else is supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    OP = "max_pooling2d"
    AXES = 2

    def __init__(
        self,
        pool_size: int | Sequence[int] = (2, 2),
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(pool_size, strides, padding, data_format, **kwargs)
