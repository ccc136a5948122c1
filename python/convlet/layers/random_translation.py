"""RandomTranslation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlet.layers.augmentation import Augmentation, check_sampling, check_two_sided
from convlet.layers.layer import NativeOps, Shape

_EXPECTED = (
    "The `factor` argument should be a number (or a list of two numbers) in the range [-1.0, 1.0]. "
)


class RandomTranslation(Augmentation):
    """Moves each image at random while training, and does nothing otherwise.

    Args:
        height_factor: How far down at most, in heights of the image, and as far up; or the lowest
            and the highest value, from -1 to 1.
        width_factor: How far to the right, in widths of the image, likewise.
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
        width_factor: float | Sequence[float],
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
        self._height = check_two_sided("height_factor", height_factor, _EXPECTED, -1.0)
        self._width = check_two_sided("width_factor", width_factor, _EXPECTED, -1.0)
        self._sampling = check_sampling(fill_mode, interpolation, fill_value)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        attributes = {
            "height_lower": self._height[0],
            "height_upper": self._height[1],
            "width_lower": self._width[0],
            "width_upper": self._width[1],
            "seed": self._native_seed,
            **self._sampling,
        }
        return [("random_translation", attributes)]

    def get_config(self) -> dict[str, Any]:
        factors = {"height_factor": self.height_factor, "width_factor": self.width_factor}
        return {**super().get_config(), **factors, **self._sampling}
