"""UpSampling2D."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.utils.validation import check_choice, check_tuple, refuse_unsupported

_NOT_SUPPORTED = ("bicubic", "lanczos3", "lanczos5")


class UpSampling2D(Layer):
    """Makes images larger.

    Input (n, h, w, c), output (n, size[0] * h, size[1] * w, c). `"nearest"` repeats rows and
    columns; `"bilinear"` takes output pixel i for the place `(i + 1/2) / size - 1/2` of the input,
    no further out than its outermost pixels, and weighs the four neighbours of that place.

    Args:
        size: How many times as high and as wide, or one number for both.
        data_format: `"channels_last"`; nothing else is supported.
        interpolation: `"nearest"` or `"bilinear"`; Keras's others are not supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(
        self,
        size: int | Sequence[int] = (2, 2),
        data_format: str | None = None,
        interpolation: str = "nearest",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse_unsupported("UpSampling2D", {"data_format": (data_format, "channels_last")})
        self.size = check_tuple("size", size, 2)
        self.interpolation = _interpolation(interpolation)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        return [("up_sampling2d", {"size": self.size, "interpolation": self.interpolation})]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "size": self.size,
            "data_format": "channels_last",
            "interpolation": self.interpolation,
        }


def _interpolation(value: Any) -> str:
    if isinstance(value, str) and value.lower() in _NOT_SUPPORTED:
        raise ValueError(
            f"UpSampling2D does not support `interpolation={value!r}`; "
            "the supported ones are 'nearest' and 'bilinear'"
        )
    return check_choice("interpolation", value, ("nearest", "bilinear"))
