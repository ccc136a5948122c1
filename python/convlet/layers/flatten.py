"""Flatten."""

from __future__ import annotations

import math
from typing import Any

from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.utils.validation import refuse_unsupported


class Flatten(Layer):
    """Makes a vector of each row: (n, h, w, c) becomes (n, h * w * c), channels fastest.

    Args:
        data_format: `"channels_last"`; nothing else is supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown or not supported.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        refuse_unsupported("Flatten", {"data_format": (data_format, "channels_last")})

    def native_ops(self, input_shape: Shape) -> NativeOps:
        return [("reshape", {"target_shape": (math.prod(input_shape),)})]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": "channels_last"}
