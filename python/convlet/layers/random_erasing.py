"""RandomErasing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from convlet.layers.augmentation import Augmentation, check_factor, check_value_range
from convlet.layers.layer import NativeOps, Shape
from convlet.utils.validation import check_real


class RandomErasing(Augmentation):
    """Fills a rectangle of each image while training, and does nothing otherwise.

    Height and width of the rectangle are those of the image times the roots of two numbers between
    the bounds of `scale`; its place is anywhere (Zhong et al., 2017).

    Args:
        factor: The probability, between 0 and the number given, or between two numbers, from 0
            to 1: it is drawn for each image, too.
        scale: The lowest and the highest share, from 0 to 1; or the highest, the lowest being 0.
        fill_value: The color, one number or one of each of three channels; `None` for normal random
            numbers times the upper end of `value_range`. It is clipped to `value_range`.
        value_range: The lowest and the highest value of a pixel.
        seed: Integer of at least 0; `None` draws one from `convlet.utils.set_random_seed`'s
            generator.
        data_format: `"channels_last"`; nothing else is supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(
        self,
        factor: float | Sequence[float] = 1.0,
        scale: float | Sequence[float] = (0.02, 0.33),
        fill_value: float | Sequence[float] | None = None,
        value_range: Sequence[float] = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.factor = check_factor(factor, 0, 1)
        self.scale = check_factor(scale, 0, 1, name="scale")
        self.value_range = check_value_range(value_range)
        self.fill_value = fill_value
        self._fill = _fill(fill_value)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        attributes: dict[str, Any] = {
            "factor_lower": self.factor[0],
            "factor_upper": self.factor[1],
            "scale_lower": self.scale[0],
            "scale_upper": self.scale[1],
            "value_lower": self.value_range[0],
            "value_upper": self.value_range[1],
            "seed": self._native_seed,
        }
        if self._fill is not None:
            attributes["fill_value"] = self._fill
        return [("random_erasing", attributes)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "factor": self.factor,
            "scale": self.scale,
            "fill_value": self.fill_value,
            "value_range": self.value_range,
        }


def _fill(fill_value: Any) -> tuple[float, ...] | None:
    if fill_value is None:
        return None
    values = fill_value if isinstance(fill_value, (list, tuple)) else (fill_value,)
    if len(values) not in (1, 3):
        raise ValueError(
            "The `fill_value` argument should be a number (or a list of three numbers). "
            f"Received: fill_value={fill_value}"
        )
    return tuple(check_real("fill_value", value) for value in values)
