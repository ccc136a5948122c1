"""Activation functions, on numpy arrays and as names that the layers understand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet.utils.validation import look_up

__all__ = ["deserialize", "get", "linear", "relu", "serialize", "sigmoid", "softmax", "tanh"]

Array: TypeAlias = npt.NDArray[np.floating[Any]]
Activation: TypeAlias = Callable[[npt.ArrayLike], Array]


def relu(
    x: npt.ArrayLike,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Array:
    """Rectified linear unit, `max(x, 0)` with the default arguments.

    Args:
        x: Array.
        negative_slope: Slope below the threshold.
        max_value: Upper bound of the result, or `None`.
        threshold: Values below it are `negative_slope * (x - threshold)`.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    y = np.where(x >= threshold, x, negative_slope * (x - threshold))
    return y if max_value is None else np.minimum(y, max_value)


def softmax(x: npt.ArrayLike, axis: int = -1) -> Array:
    """Softmax, `exp(x) / sum(exp(x))`, computed with the maximum taken off first.

    Args:
        x: Array.
        axis: Axis that sums to 1.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    exponentials = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=axis, keepdims=True))


def sigmoid(x: npt.ArrayLike) -> Array:
    """Logistic function, `1 / (1 + exp(-x))`.

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    # The exponent is never positive, so that nothing overflows.
    exponential = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0, exponential) / (1.0 + exponential), x.dtype)


def tanh(x: npt.ArrayLike) -> Array:
    """Hyperbolic tangent.

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    return np.tanh(_as_float(x))


def linear(x: npt.ArrayLike) -> Array:
    """The input itself.

    Args:
        x: Array.

    Returns:
        `x`.
    """
    return _as_float(x)


_BY_NAME: dict[str, Activation] = {
    "linear": linear,
    "relu": relu,
    "sigmoid": sigmoid,
    "softmax": softmax,
    "tanh": tanh,
}


def get(identifier: Any) -> Activation:
    """Returns the activation that an identifier stands for.

    Args:
        identifier: Name, one of this module's functions, or `None` for `linear`.

    Raises:
        ValueError: If it stands for none.
    """
    if identifier is None:
        return linear
    activation: Activation = look_up("activation function", identifier, _BY_NAME)
    return activation


def serialize(activation: Activation) -> str:
    """Returns the name of an activation.

    Raises:
        ValueError: If it is none of this module's functions.
    """
    return get(activation).__name__


def deserialize(config: str) -> Activation:
    """Returns the activation of the given name.

    Raises:
        ValueError: If there is none.
    """
    return get(config)


def _as_float(x: npt.ArrayLike) -> Array:
    array = np.asarray(x)
    if array.dtype.kind == "f":
        return array
    if array.dtype.kind not in "biu":
        raise ValueError(f"`x` must hold real numbers. Received an array of dtype {array.dtype}")
    return array.astype(np.float32)
