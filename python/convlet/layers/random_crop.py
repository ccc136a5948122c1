"""RandomCrop."""

from __future__ import annotations

from typing import Any

from convlet.layers.augmentation import Augmentation
from convlet.layers.layer import NativeOps, Shape
from convlet.utils.validation import check_integer

Window = tuple[int, int, int, int]  # first row and column, height and width


class RandomCrop(Augmentation):
    """Cuts a window out of the images, in training at random.

    Input (n, height, width, channels), output of the height and width given. In training all
    images of a batch have the same window. Otherwise, as Keras's documentation has it, it is the
    largest one of the output's proportions in the middle, resized (bilinear). So it is in Keras in
    training, if an image is not larger than the output in both directions, but for what is cut
    off: the window begins there and is of the output's size at most.

    Args:
        height: Height of the output.
        width: Width of the output.
        seed: Integer of at least 0; `None` draws one from `convlet.utils.set_random_seed`'s
            generator.
        data_format: `"channels_last"`; nothing else is supported.
        name: Name, unique within a model; `None` for an automatic one.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(
        self,
        height: int,
        width: int,
        seed: int | None = None,
        data_format: str | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(seed=seed, data_format=data_format, name=name, **kwargs)
        self.height = check_integer("height", height, 1, 2**31 - 1)
        self.width = check_integer("width", width, 1, 2**31 - 1)

    def native_ops(self, input_shape: Shape) -> NativeOps:
        attributes: dict[str, Any] = {
            "height": self.height,
            "width": self.width,
            "seed": self._native_seed,
        }
        if len(input_shape) == 3:
            height, width, _ = input_shape
            top, left, *_ = window = self._largest_window(height, width)
            attributes["window"] = window
            if height <= self.height or width <= self.width:
                size = min(self.height, height - top), min(self.width, width - left)
                attributes["training_window"] = (top, left, *size)
        return [("random_crop", attributes)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "height": self.height, "width": self.width}

    def _largest_window(self, height: int, width: int) -> Window:
        rows = max(min(height, int(width * self.height / self.width)), 1)
        columns = max(min(width, int(height * self.width / self.height)), 1)
        return (height - rows) // 2, (width - columns) // 2, rows, columns
