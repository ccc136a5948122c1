"""RandomZoom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from convlet.layers.augmentation import Augmentation, check_sampling, check_two_sided
from convlet.layers.layer import NativeOps, Shape

_EXPECTED = (
    "The `height_factor` and `width_factor` arguments should be a number (or a list of two "
    "numbers) in the range (-1.0, 1.0]. "
)
_LOWEST = math.nextafter(-1.0, 0.0)  # of what is above -1


class RandomZoom(Augmentation):
    """Zooms each image at random while training, and does nothing otherwise.

    Args:
        height_factor: How much of the image's height is seen more, of itself, at most, and as much
            less; or the lowest and the highest value, above -1 and up to 1. Positive numbers zoom
            out, negative ones zoom in.
        width_factor: Likewise; `None` for the same zoom as of the height.
        fill_mode: What lies beyond the edges: `"reflect"` (d c b a | a b c d | d c b a), `"wrap"`
            (a b c d | a b c d | a b c d), `"constant"` (k k k k | a b c d | k k k k) or
            `"nearest"` (a a a a | a b c d | d d d d).
        interpolation: `"bilinear"` or `"nearest"`.
        seed: Integer of at least 0; `None` draws one from `convlet.utils.set_random_seed`'s
            generator.
        fill_value: What `"constant"` fills with.
        data_format: `"channels_last"`; nothing else is supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        NotImplementedError: If there is no such `fill_mode` or `interpolation`, as in Keras.
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(
        self,
        height_factor: float | Sequence[float],
        width_factor: float | Sequence[float] | None = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.height_factor = height_factor
        self.width_factor = width_factor
        self._height = check_two_sided("height_factor", height_factor, _EXPECTED, _LOWEST)
        self._width = (
            None
            if width_factor is None
            else check_two_sided("width_factor", width_factor, _EXPECTED, _LOWEST)
        )
        self._sampling = check_sampling(fill_mode, interpolation, fill_value)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        attributes = {
            "height_lower": self._height[0],
            "height_upper": self._height[1],
            "seed": self._native_seed,
            **self._sampling,
        }
        if self._width is not None:
            attributes["width_lower"], attributes["width_upper"] = self._width
        return [("random_zoom", attributes)]

    def get_config(self) -> dict[str, Any]:
        factors = {"height_factor": self.height_factor, "width_factor": self.width_factor}
        return {**super().get_config(), **factors, **self._sampling}
