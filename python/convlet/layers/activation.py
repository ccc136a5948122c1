"""Layers that apply an activation function: Activation, ReLU, LeakyReLU, ELU, PReLU, Softmax."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from convlet import activations, constraints, initializers, regularizers
from convlet.constraints import Constraint
from convlet.initializers import InitializerFunction
from convlet.layers.layer import Layer, NativeOps, Shape
from convlet.layers.layer_weight import LayerWeight
from convlet.regularizers import Regularizer
from convlet.utils.validation import check_integer, check_real

_MOST_AXES = 64  # numpy's limit


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
        activations.native_attributes(self.activation)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        return [("activation", activations.native_attributes(self.activation))]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "activation": activations.serialize(self.activation)}


class ReLU(Layer):
    """Rectified linear unit, `max(x, 0)` with the default arguments.

    Args:
        max_value: Upper bound of the output, or `None`.
        negative_slope: Slope up to the threshold.
        threshold: Inputs up to it become `negative_slope * (x - threshold)`.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown or negative.
    """

    def __init__(
        self,
        max_value: float | None = None,
        negative_slope: float | None = 0.0,
        threshold: float | None = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if max_value is not None and max_value < 0.0:
            raise ValueError(
                "max_value of a ReLU layer cannot be a negative value. "
                f"Received: max_value={max_value}"
            )
        if negative_slope is None or negative_slope < 0.0:
            raise ValueError(
                "negative_slope of a ReLU layer cannot be None or a negative value. "
                f"Received: negative_slope={negative_slope}"
            )
        if threshold is None or threshold < 0.0:
            raise ValueError(
                "threshold of a ReLU layer cannot be None or a negative value. "
                f"Received: threshold={threshold}"
            )
        self.max_value = None if max_value is None else check_real("max_value", max_value)
        self.negative_slope = check_real("negative_slope", negative_slope)
        self.threshold = check_real("threshold", threshold)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        if self.threshold == 0.0 and self.max_value is None:
            if self.negative_slope == 0.0:
                return [("activation", {"activation": "relu"})]
            return [_leaky_relu(self.negative_slope)]
        attributes = {
            "activation": "clipped_relu",
            "max_value": math.inf if self.max_value is None else self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }
        return [("activation", attributes)]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "max_value": self.max_value,
            "negative_slope": self.negative_slope,
            "threshold": self.threshold,
        }


class LeakyReLU(Layer):
    """`x` where it is positive, `negative_slope * x` elsewhere.

    Args:
        negative_slope: Slope below 0.
        alpha: Its name in older versions of Keras, which takes precedence; `None` for none.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown or negative.
    """

    def __init__(
        self, negative_slope: float | None = 0.3, *, alpha: float | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if alpha is not None:
            negative_slope = alpha
        if negative_slope is None or negative_slope < 0:
            raise ValueError(
                "The negative_slope value of a Leaky ReLU layer cannot be None or negative value. "
                f"Expected a float. Received: negative_slope={negative_slope}"
            )
        self.negative_slope = check_real("negative_slope", negative_slope)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        return [_leaky_relu(self.negative_slope)]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "negative_slope": self.negative_slope}


class ELU(Layer):
    """Exponential linear unit, `alpha * (exp(x) - 1)` where `x` is negative.

    Args:
        alpha: Limit far below 0, with the sign changed.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown or has no meaning.
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.alpha = check_real("alpha", alpha)

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        return [("activation", {"activation": "elu", "alpha": self.alpha})]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "alpha": self.alpha}


class PReLU(Layer):
    """Parametric ReLU: `x` where it is positive, `alpha * x` elsewhere, with a trained `alpha`.

    The weight `alpha` has the shape of a row of the input, with 1 for every axis in `shared_axes`
    (He et al., 2015).

    Args:
        alpha_initializer: How `alpha` starts.
        alpha_regularizer: Penalty on `alpha`, see `convlet.regularizers`.
        alpha_constraint: Bounds of `alpha`, see `convlet.constraints`.
        shared_axes: Axes along which `alpha` is the same, 1 being the first behind the batch axis:
            `[1, 2]` for one `alpha` per channel of an image. `None` for none.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown, not supported or has no meaning.
    """

    alpha = LayerWeight()

    def __init__(
        self,
        alpha_initializer: Any = "Zeros",
        alpha_regularizer: Any = None,
        alpha_constraint: Any = None,
        shared_axes: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.alpha_initializer = initializers.get(alpha_initializer)
        self.alpha_regularizer = regularizers.get(alpha_regularizer)
        self.alpha_constraint = constraints.get(alpha_constraint)
        self.shared_axes: list[int] | None = None
        if shared_axes is not None:
            axes = shared_axes if isinstance(shared_axes, (list, tuple)) else [shared_axes]
            self.shared_axes = [check_integer("shared_axes", axis, 1) for axis in axes]

    def native_ops(self, input_shape: Shape) -> NativeOps:  # noqa: ARG002
        return [("prelu", {"shared_axes": tuple(self.shared_axes or ())})]

    def initializers(self) -> Mapping[str, InitializerFunction]:
        return {"alpha": self.alpha_initializer}

    def regularizers(self) -> Mapping[str, Regularizer | None]:
        return {"alpha": self.alpha_regularizer}

    def constraints(self) -> Mapping[str, Constraint | None]:
        return {"alpha": self.alpha_constraint}

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "alpha_initializer": initializers.serialize(self.alpha_initializer),
            "alpha_regularizer": regularizers.serialize(self.alpha_regularizer),
            "alpha_constraint": constraints.serialize(self.alpha_constraint),
            "shared_axes": self.shared_axes,
        }


class Softmax(Layer):
    """Softmax along an axis.

    Args:
        axis: Axis that sums to 1; not that of the batch. A list of several is not supported.
        **kwargs: Arguments of `Layer`.

    Raises:
        ValueError: If an argument is unknown or has no meaning.
    """

    def __init__(self, axis: int | Sequence[int] = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if isinstance(axis, (list, tuple)):
            raise ValueError(f"Softmax does not support several axes. Received: axis={axis}")
        self.axis = check_integer("axis", axis, -_MOST_AXES, _MOST_AXES)

    def native_ops(self, input_shape: Shape) -> NativeOps:
        rank = len(input_shape) + 1
        axis = self.axis + rank if self.axis < 0 else self.axis
        if not 1 <= axis < rank:
            raise ValueError(
                f"`axis` must be one of the {rank} axes of the input, and not that of the batch. "
                f"Received: axis={self.axis}"
            )
        if axis == rank - 1:  # which the loss may join with itself
            return [("activation", {"activation": "softmax"})]
        return [("softmax", {"axis": axis})]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "axis": self.axis}


def activation_ops(activation: activations.Activation) -> NativeOps:
    """Returns the operations for the `activation` argument of another layer."""
    if activation is activations.linear:
        return []
    return [("activation", activations.native_attributes(activation))]


def _leaky_relu(negative_slope: float) -> tuple[str, dict[str, Any]]:
    return "activation", {"activation": "leaky_relu", "negative_slope": negative_slope}
