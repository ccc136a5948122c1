"""Global pooling of sequences and images."""

from __future__ import annotations

from typing import Any

from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.utils.validation import check_bool, refuse_unsupported


class GlobalPooling(Layer):
    """One value of each channel."""

    def __init__(
        self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        refuse_unsupported(type(self).__name__, {"data_format": (data_format, "channels_last")})
        self.keepdims = check_bool("keepdims", keepdims)

    def _shaped(self, pooling: NativeOps, input_shape: Shape) -> NativeOps:
        if self.keepdims:
            return pooling
        return [*pooling, ("reshape", {"target_shape": input_shape[-1:]})]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "data_format": "channels_last",
            "keepdims": self.keepdims,
        }
