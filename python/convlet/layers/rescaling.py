"""Rescaling: `scale * x + offset`."""

from __future__ import annotations

from typing import Any

from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.utils.validation import check_real


class Rescaling(Layer):
    """Scales and shifts its inputs, for example from 0..255 to 0..1 with `Rescaling(1 / 255)`.

    As the first layer of a model it costs nothing extra: the engine converts each batch of uint8 images that way while
    it reads them.

    Args:
        scale: Factor, a number.
        offset: Added behind it, a number.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(self, scale: float, offset: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = check_real("scale", scale)
        self.offset = check_real("offset", offset)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        return [("rescaling", {"scale": self.scale, "offset": self.offset})]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "scale": self.scale, "offset": self.offset}
