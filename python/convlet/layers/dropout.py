"""Dropout and SpatialDropout2D."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.utils.random_state import layer_seed
from convlet.utils.validation import check_integer, check_rate, refuse_unsupported


class Dropout(Layer):
    """Sets elements to zero at random while training, and does nothing otherwise.

    In training `y = x / (1 - rate)` with probability `1 - rate`, else 0, independently for each
    element, row and step (Srivastava et al., 2014). The same seed gives the same masks whatever
    the number of threads.

    Args:
        rate: Probability of zero, from 0 to 1.
        noise_shape: `None`: each element on its own. Or the shape of the mask with the batch axis
            first, `None` or the full size for an axis, 1 where elements share their fate, side by
            side; the batch axis must be `None`: `(None, 1, 1, c)` drops whole channels.
        seed: Integer of at least 0; `None` draws one from `convlet.utils.set_random_seed`'s
            generator.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(
        self,
        rate: float,
        noise_shape: Sequence[int | None] | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rate = check_rate("rate", rate)
        self.noise_shape = None if noise_shape is None else _noise_shape(noise_shape)
        self.seed = seed
        self._native_seed = layer_seed(seed)

    def native_ops(self, input_shape: Shape) -> NativeOps:
        if self.rate == 0.0:
            return []
        attributes: dict[str, Any] = {"rate": self.rate, "seed": self._native_seed}
        noise_shape = self.noise_shape
        if noise_shape is not None:
            if len(noise_shape) != len(input_shape) + 1:
                raise ValueError(
                    f"`noise_shape` must have {len(input_shape) + 1} entries for such an input. "
                    f"Received: noise_shape={noise_shape}"
                )
            attributes["noise_shape"] = tuple(
                size if noise is None else noise
                for noise, size in zip(noise_shape[1:], input_shape, strict=True)
            )
        return [("dropout", attributes)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "rate": self.rate,
            "seed": self.seed,
            "noise_shape": self.noise_shape,
        }


class SpatialDropout2D(Dropout):
    """Sets whole channels of images to zero at random while training, see `Dropout`.

    Args:
        rate: Probability of zero, from 0 to 1.
        data_format: `"channels_last"`; nothing else is supported.
        seed: As of `Dropout`.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(
        self,
        rate: float,
        data_format: str | None = None,
        seed: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(rate, noise_shape=(None, 1, 1, None), seed=seed, **kwargs)
        refuse_unsupported("SpatialDropout2D", {"data_format": (data_format, "channels_last")})

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["noise_shape"]
        if config["trainable"]:  # which Keras's class does not take
            del config["trainable"]
        return {**config, "data_format": "channels_last"}


def _noise_shape(noise_shape: Any) -> tuple[int | None, ...]:
    if not isinstance(noise_shape, Iterable) or isinstance(noise_shape, str):
        raise ValueError(
            "Invalid value received for argument `noise_shape`. Expected an iterable of integers "
            f"(e.g., a tuple or list). Received: noise_shape={noise_shape}"
        )
    shape = tuple(
        None if size is None else check_integer("noise_shape", size, 1) for size in noise_shape
    )
    if not shape or shape[0] is not None:
        raise ValueError(
            f"Dropout does not support `noise_shape={shape}`; the first entry, of the batch axis, "
            "must be None"
        )
    return shape
