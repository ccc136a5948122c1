"""AveragePooling2D."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.utils.validation import check_choice, check_tuple, refuse_unsupported


class AveragePooling2D(Layer):
    """Mean of each window.

    Input (n, ih, iw, c), output (n, oh, ow, c), with the output sizes of `Conv2D`. Padding does not
    count: a window at the border is divided by the number of its cells inside the image.

    Args:
        pool_size: Height and width of the window, or one number for both.
        strides: Steps of the window, or one number for both; `None` means `pool_size`.
        padding: `"valid"` or `"same"`.
        data_format: `"channels_last"`; nothing else is supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(
        self,
        pool_size: int | Sequence[int],
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse_unsupported("AveragePooling2D", {"data_format": (data_format, "channels_last")})
        self.pool_size = check_tuple("pool_size", pool_size, 2)
        self.strides = self.pool_size if strides is None else check_tuple("strides", strides, 2)
        self.padding = check_choice("padding", padding, ("valid", "same"))

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        pooling = {"pool_size": self.pool_size, "strides": self.strides, "padding": self.padding}
        return [("average_pooling2d", pooling)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "padding": self.padding,
            "strides": self.strides,
            "data_format": "channels_last",
        }
