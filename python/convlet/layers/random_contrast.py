"""RandomContrast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlet.layers.augmentation import Augmentation, check_factor, check_value_range
from convlet.layers.layer import NativeOps, Shape


class RandomContrast(Augmentation):
    """Changes the contrast of each image at random while training, and does nothing otherwise.

    `(x - mean) * f + mean` with the mean of each channel, clipped to `value_range`; f is between
    `1 - lower` and `1 + upper`.

    Args:
        factor: Two numbers, lower and upper, or one for upper alone, lower then being 0: from 0
            to 1, as in Keras.
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
        self.factor = check_factor(factor, 0, 1)
        self.value_range = check_value_range(value_range)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        attributes = {
            "factor_lower": 1.0 - self.factor[0],
            "factor_upper": 1.0 + self.factor[1],
            "value_lower": self.value_range[0],
            "value_upper": self.value_range[1],
            "seed": self._native_seed,
        }
        return [("random_contrast", attributes)]

    def get_config(self) -> dict[str, Any]:
        config = {"factor": self.factor, "value_range": self.value_range}
        return {**super().get_config(), **config}
