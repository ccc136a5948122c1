"""Activation, ReLU and Softmax."""

from __future__ import annotations

from typing import Any

from convlet import activations
from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.utils.validation import refuse_unsupported


class Activation(Layer):
    """Applies an activation function.

    Args:
        activation: Name or function of `convlet.activations`.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        return [("activation", {"activation": activations.serialize(self.activation)})]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


class ReLU(Layer):
    """Rectified linear unit, `max(x, 0)`.

    Args:
        max_value: `None`; nothing else is supported.
        negative_slope: 0; nothing else is supported.
        threshold: 0; nothing else is supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown or not supported.
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float = 0.0,
        threshold: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        refuse_unsupported(
            "ReLU",
            {
                "max_value": (max_value, None),
                "negative_slope": (negative_slope, 0.0),
                "threshold": (threshold, 0.0),
            },
        )

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        return [("activation", {"activation": "relu"})]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_value": None,
            "negative_slope": 0.0,
            "threshold": 0.0,
        }


class Softmax(Layer):
    """Softmax over the last axis.

    Args:
        axis: -1; nothing else is supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown or not supported.
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        refuse_unsupported("Softmax", {"axis": (axis, -1)})

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        return [("activation", {"activation": "softmax"})]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": -1}


def activation_ops(activation: activations.Activation) -> NativeOps:
    """Returns the operations for the `activation` argument of another layer."""
    name = activations.serialize(activation)
    return [] if name == "linear" else [("activation", {"activation": name})]
