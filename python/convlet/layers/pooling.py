"""What max and average pooling of sequences and images have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.utils.validation import check_choice, check_tuple, refuse_unsupported


class Pooling(Layer):
    """One value of each window."""

    # The compiled op, and how many axes its window has.
    OP: ClassVar[str]
    AXES: ClassVar[int]

    def __init__(
        self,
        pool_size: int | Sequence[int],
        strides: int | Sequence[int] | None = None,
        padding: str = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse_unsupported(type(self).__name__, {"data_format": (data_format, "channels_last")})
        self.pool_size = check_tuple("pool_size", pool_size, self.AXES)
        self.strides = (
            self.pool_size if strides is None else check_tuple("strides", strides, self.AXES)
        )
        self.padding = check_choice("padding", padding, ("valid", "same"))

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        pooling = {"pool_size": self.pool_size, "strides": self.strides, "padding": self.padding}
        return [(self.OP, pooling)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "pool_size": self.pool_size,
            "padding": self.padding,
            "strides": self.strides,
            "data_format": "channels_last",
        }
