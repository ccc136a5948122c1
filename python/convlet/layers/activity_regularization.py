"""ActivityRegularization."""

from __future__ import annotations

from typing import Any

from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.regularizers import L1L2
from convlet.utils.validation import check_real


class ActivityRegularization(Layer):
    """Gives back its input; a row's `l1 * sum(abs(x)) + l2 * sum(x**2)` joins its loss.

    Args:
        l1: Factor, not negative.
        l2: Factor, not negative.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown or has no meaning.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=L1L2(l1, l2), **kwargs)
        self.l1 = check_real("l1", l1, 0.0)
        self.l2 = check_real("l2", l2, 0.0)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        return []

    def get_config(self) -> dict[str, Any]:
        config = super().get_config()
        del config["activity_regularizer"]
        return {**config, "l1": self.l1, "l2": self.l2}
