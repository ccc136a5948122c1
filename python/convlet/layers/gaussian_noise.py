"""GaussianNoise and GaussianDropout."""

from __future__ import annotations

from typing import Any

from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.utils.random_state import layer_seed
from convlet.utils.validation import check_rate


class GaussianNoise(Layer):
    """Adds normal random numbers while training, and does nothing otherwise.

    Args:
        stddev: Standard deviation of the noise, from 0 to 1.
        seed: Integer of at least 0; `None` draws one from `convlet.utils.set_random_seed`'s
            generator.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown or has no meaning.
    """

    def __init__(self, stddev: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stddev = check_rate("stddev", stddev)
        self.seed = seed
        self._native_seed = layer_seed(seed)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        if self.stddev == 0.0:
            return []
        return [("gaussian_noise", {"stddev": self.stddev, "seed": self._native_seed})]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "stddev": self.stddev, "seed": self.seed}


class GaussianDropout(Layer):
    """Multiplies by normal random numbers while training, and does nothing otherwise.

    Their mean is 1 and their standard deviation `sqrt(rate / (1 - rate))`, as that of the factors
    of `Dropout`.

    Args:
        rate: From 0 to below 1.
        seed: As of `GaussianNoise`.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown or has no meaning.
    """

    def __init__(self, rate: float, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rate = check_rate("rate", rate)
        if self.rate == 1.0:
            raise ValueError("`rate` must be below 1: the deviation is sqrt(rate / (1 - rate))")
        self.seed = seed
        self._native_seed = layer_seed(seed)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        if self.rate == 0.0:
            return []
        return [("gaussian_dropout", {"rate": self.rate, "seed": self._native_seed})]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}
