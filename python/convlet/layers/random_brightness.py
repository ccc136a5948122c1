"""RandomBrightness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlet.layers.augmentation import Augmentation, check_factor, check_value_range
from convlet.layers.layer import NativeOps, Shape


class RandomBrightness(Augmentation):
    """Changes the brightness of each image at random while training, and does nothing otherwise.

    One number is added to all pixels of an image, and the result clipped to `value_range`.

    Args:
        factor: How much at most, of the width of `value_range`, and as much less; or the lowest
            and the highest value, from -1 to 1.
        value_range: The lowest and the highest value of a pixel.
        seed: Integer of at least 0; `None` draws one from `convlet.utils.set_random_seed`'s
            generator.
        **kwargs: Arguments of `Layer`, and `data_format`: `"channels_last"`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(
        self,
        factor: float | Sequence[float],
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, **kwargs)
        self.factor = check_factor(factor or 0.0, -1, 1)
        self.value_range = sorted(check_value_range(value_range))

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        attributes = {
            "factor_lower": self.factor[0],
            "factor_upper": self.factor[1],
            "value_lower": self.value_range[0],
            "value_upper": self.value_range[1],
            "seed": self._native_seed,
        }
        return [("random_brightness", attributes)]

    def get_config(self) -> dict[str, Any]:
        config = {"factor": self.factor, "value_range": self.value_range}
        return {**super().get_config(), **config}
