"""RandomFlip."""

from __future__ import annotations

from typing import Any

from convlet.layers.augmentation import Augmentation
from convlet.layers.layer import NativeOps, Shape
from convlet.utils.validation import check_choice

_MODES = ("horizontal", "vertical", "horizontal_and_vertical")


class RandomFlip(Augmentation):
    """Mirrors half of the images while training, and does nothing otherwise.

    Args:
        mode: `"horizontal"` exchanges left and right, `"vertical"` top and bottom,
            `"horizontal_and_vertical"` both at once, which turns the image by 180 degrees.
        seed: Integer of at least 0; `None` draws one from `convlet.utils.set_random_seed`'s
            generator.
        data_format: `"channels_last"`; nothing else is supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, data_format=data_format, **kwargs)
        self.mode = check_choice("mode", mode, _MODES)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        attributes = {
            "horizontal": self.mode != "vertical",
            "vertical": self.mode != "horizontal",
            "seed": self._native_seed,
        }
        return [("random_flip", attributes)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mode": self.mode}
