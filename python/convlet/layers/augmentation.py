"""What layers that change images at random have in common."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from convlet.layers.keras_tensor import is_symbolic
from convlet.layers.layer import Layer
from convlet.utils.random_state import layer_seed
from convlet.utils.validation import check_real, is_finite, refuse_unsupported

FILL_MODES = ("reflect", "wrap", "constant", "nearest")
INTERPOLATIONS = ("nearest", "bilinear")

Bounds = tuple[float, float]


class Augmentation(Layer):
    """Base class: changes images at random while training, and does nothing otherwise.

    Input and output (n, height, width, channels). Each row has random numbers of its own; the same
    seed gives the same ones whatever the number of threads. As in Keras a call without `training`
    is one in training, and may be on a single image.

    Args:
        seed: Integer of at least 0; `None` draws one from `convlet.utils.set_random_seed`'s
            generator.
        data_format: `"channels_last"`; nothing else is supported.
        bounding_box_format: `None`; nothing else is supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    TRAINING_BY_DEFAULT: ClassVar[bool] = True

    def __init__(
        self,
        *,
        seed: int | None,
        data_format: str | None = None,
        bounding_box_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse_unsupported(
            type(self).__name__,
            {
                "data_format": (data_format, "channels_last"),
                "bounding_box_format": (bounding_box_format, None),
            },
        )
        self.data_format = "channels_last"
        self.seed = seed
        self._native_seed = layer_seed(seed)

    def __call__(self, inputs: Any, training: bool | None = None) -> Any:
        if not is_symbolic(inputs) and np.ndim(inputs) == 3:
            return super().__call__(np.asarray(inputs)[None], training)[0]
        return super().__call__(inputs, training)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "data_format": self.data_format, "seed": self.seed}


def check_sampling(fill_mode: Any, interpolation: Any, fill_value: Any) -> dict[str, Any]:
    """Returns the attributes of the compiled code that say how images are read between pixels.

    Raises:
        NotImplementedError: In Keras's words, if there is no such mode or interpolation.
        ValueError: If the value is no finite number.
    """
    if fill_mode not in FILL_MODES:
        raise NotImplementedError(f"Unknown `fill_mode` {fill_mode}. Expected of one {FILL_MODES}.")
    if interpolation not in INTERPOLATIONS:
        raise NotImplementedError(
            f"Unknown `interpolation` {interpolation}. Expected of one {INTERPOLATIONS}."
        )
    return {
        "fill_mode": fill_mode,
        "interpolation": interpolation,
        "fill_value": check_real("fill_value", fill_value),
    }


def check_factor(factor: Any, lowest: float, highest: float, name: str = "factor") -> Bounds:
    """Returns the bounds that a `factor` argument stands for: a number, or two of them.

    Raises:
        ValueError: In Keras's words, if it is something else or out of range.
    """
    error = ValueError(
        f"The `{name}` argument should be a number (or a list of two numbers) in the range "
        f"[{lowest}, {highest}]. Received: factor={factor}"
    )
    if isinstance(factor, (tuple, list)):
        if len(factor) != 2 or not all(_is_number(item) for item in factor):
            raise error
        if factor[0] > highest or factor[1] < lowest:
            raise error
        lower, upper = sorted(factor)
        return lower, upper
    if not _is_number(factor) or not lowest <= factor <= highest:
        raise error
    return max(-abs(factor), lowest), abs(factor)


def check_value_range(value_range: Any) -> Bounds:
    """Returns the lowest and the highest value of a pixel.

    Raises:
        ValueError: In Keras's words, if they are not two numbers.
    """
    pair = isinstance(value_range, (tuple, list)) and len(value_range) == 2
    if not pair or not all(_is_number(item) for item in value_range):
        raise ValueError(
            "The `value_range` argument should be a list of two numbers. "
            f"Received: value_range={value_range}"
        )
    return value_range[0], value_range[1]


def check_two_sided(name: str, factor: Any, expected: str, lowest: float) -> Bounds:
    """Returns the bounds that an argument such as `height_factor` stands for.

    Args:
        name: Name of the argument.
        factor: A number, for both sides of 0, or two of them.
        expected: Keras's words for what it should be.
        lowest: What a number must be at least; it must be at most 1.

    Raises:
        ValueError: In Keras's words, if it is something else or out of range.
    """
    pair = isinstance(factor, (tuple, list))
    numbers = list(factor) if pair else [factor]
    if len(numbers) != (2 if pair else 1) or not all(_is_number(item) for item in numbers):
        raise ValueError(f"{expected}Received: {name}={factor}")
    for number in numbers:
        if not lowest <= number <= 1.0:
            raise ValueError(f"{expected}Received: input_number={number}")
    lower, upper = sorted(numbers) if pair else (-abs(factor), abs(factor))
    return lower, upper


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and is_finite(value)
