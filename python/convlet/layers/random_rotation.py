"""RandomRotation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlet.layers.augmentation import Augmentation, check_factor, check_sampling
from convlet.layers.layer import NativeOps, Shape


class RandomRotation(Augmentation):
    """Turns each image at random while training, and does nothing otherwise.

    Args:
        factor: How many full turns at most, counter-clockwise, and as many clockwise; or the
            lowest and the highest value, from -1 to 1.
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
        factor: float | Sequence[float],
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor = check_factor(factor or 0.0, -1, 1)
        self._sampling = check_sampling(fill_mode, interpolation, fill_value)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        attributes = {
            "factor_lower": self.factor[0],
            "factor_upper": self.factor[1],
            "seed": self._native_seed,
            **self._sampling,
        }
        return [("random_rotation", attributes)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor, **self._sampling}
