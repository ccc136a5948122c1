"""Activation functions and their slopes in float64, written for the reader.

`CASES` names each function with its arguments; `test_oracle.py` proves the slopes by finite
differences. Where a function has a kink its slope there is TensorFlow's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

Function = Callable[[np.ndarray], np.ndarray]

SELU_SCALE, SELU_ALPHA = 1.0507009873554805, 1.6732632423543772


class Case(NamedTuple):
    """An activation: what to call it, the function, and its slope."""

    name: str
    arguments: dict[str, Any]
    function: Function
    slope: Function
    # What one unit of float32 rounding inside may change: of the result, and of the slope.
    scale: Function
    slope_scale: Function


def sigmoid(x: np.ndarray) -> np.ndarray:
    e = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, e) / (1.0 + e)


def softplus(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def below(x: np.ndarray) -> np.ndarray:
    """The probability of less than x in the normal distribution."""
    return np.array([math.erfc(-v / math.sqrt(2)) / 2 for v in x.ravel()]).reshape(x.shape)


def density(x: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def between(low: float, x: np.ndarray, high: float) -> np.ndarray:
    """1 inside, 0 outside and on the borders."""
    return ((x > low) & (x < high)).astype(float)


def elu(x: np.ndarray, alpha: float) -> np.ndarray:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0)))


def elu_slope(x: np.ndarray, alpha: float) -> np.ndarray:
    return np.where(x > 0, 1.0, alpha * np.exp(np.minimum(x, 0)))


def celu(x: np.ndarray, alpha: float) -> np.ndarray:
    return np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha))


def mish_slope(x: np.ndarray) -> np.ndarray:
    t = np.tanh(softplus(x))
    return t + x * (1 - t * t) * sigmoid(x)


def silu_slope(x: np.ndarray) -> np.ndarray:
    s = sigmoid(x)
    return s * (1 + x * (1 - s))


def approximate_gate(x: np.ndarray) -> np.ndarray:
    return sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


def approximate_slope(x: np.ndarray) -> np.ndarray:
    s = approximate_gate(x)
    inner = 2 * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
    return s + np.where(s * (1 - s) == 0, 0.0, x * s * (1 - s) * inner)


def hard_sigmoid(x: np.ndarray) -> np.ndarray:
    return np.clip(x + 3, 0, 6) / 6


def squareplus_slope(x: np.ndarray, b: float) -> np.ndarray:
    root = np.sqrt(x * x + b)
    return np.where(x < 0, 0.5 * b / (root * (root + np.abs(x))), 0.5 * (1 + x / root))


def sparse_plus(x: np.ndarray) -> np.ndarray:
    return np.where(x >= 1, x, (np.clip(x, -1, 1) + 1) ** 2 / 4)


def clipped_relu(x: np.ndarray, slope: float, top: float, threshold: float) -> np.ndarray:
    below_it = slope * (x - threshold) if slope else np.zeros_like(x)
    return np.where(x > threshold, np.minimum(x, top), below_it)


def clipped_relu_slope(x: np.ndarray, slope: float, top: float, threshold: float) -> np.ndarray:
    inside = (x > threshold) & (x <= top)
    return np.where(x < threshold, slope, inside.astype(float))


def magnitude(x: np.ndarray) -> np.ndarray:
    return np.abs(x)


def one(x: np.ndarray) -> np.ndarray:
    return np.ones_like(x)


def at_least_one(x: np.ndarray) -> np.ndarray:
    return np.maximum(1.0, np.abs(x))


def exact(
    name: str, function: Function, slope: Function, arguments: dict[str, Any] | None = None
) -> Case:
    """A function made of comparisons and few roundings of its argument."""
    return Case(name, arguments or {}, function, slope, at_least_one, at_least_one)


def smooth(
    name: str,
    function: Function,
    slope: Function,
    scale: Function | None = None,
    slope_scale: Function = one,
    **arguments: Any,
) -> Case:
    """A function whose error is relative to its result unless `scale` says otherwise."""
    relative: Function = scale or (lambda x: np.abs(function(x)))
    return Case(name, arguments, function, slope, relative, slope_scale)


def relative_slope(slope: Function) -> Function:
    return lambda x: np.abs(slope(x))


_CASES = [
    exact("linear", lambda x: x, one),
    exact("relu", lambda x: np.maximum(x, 0), lambda x: (x > 0) * 1.0),
    exact("relu6", lambda x: np.clip(x, 0, 6), lambda x: between(0, x, 6)),
    exact(
        "leaky_relu",
        lambda x: np.where(x > 0, x, np.float32(0.2) * x),
        lambda x: np.where(x > 0, 1.0, 0.2),
    ),
    *(
        exact(
            "relu",
            lambda x, a=a: clipped_relu(x, *a),
            lambda x, a=a: clipped_relu_slope(x, *a),
            {
                "negative_slope": a[0],
                "max_value": None if a[1] == math.inf else a[1],
                "threshold": a[2],
            },
        )
        for a in [(0.25, 5.0, 1.0), (0.0, 3.0, 0.0), (0.0, math.inf, 0.5)]
    ),
    exact("hard_sigmoid", hard_sigmoid, lambda x: between(-3, x, 3) / 6),
    exact(
        "hard_silu",
        lambda x: x * hard_sigmoid(x),
        lambda x: hard_sigmoid(x) + np.where(np.abs(x) < 3, x, 0.0) / 6,
    ),
    exact(
        "hard_tanh",
        lambda x: np.clip(x, -1, 1),
        lambda x: (np.abs(x) <= 1) * 1.0,
    ),
    exact("sparse_sigmoid", lambda x: np.clip((x + 1) / 2, 0, 1), lambda x: between(-1, x, 1) / 2),
    exact("sparse_plus", sparse_plus, lambda x: np.clip((x + 1) / 2, 0, 1)),
    exact(
        "soft_shrink",
        lambda x: np.where(np.abs(x) > 0.5, x - np.copysign(0.5, x), 0.0),
        lambda x: (np.abs(x) > 0.5) * 1.0,
    ),
    exact(
        "hard_shrink",
        lambda x: np.where(np.abs(x) > 0.5, x, 0.0),
        lambda x: (np.abs(x) > 0.5) * 1.0,
    ),
    exact(
        "threshold",
        lambda x: np.where(x > 0.25, x, -1.5),
        lambda x: (x > 0.25) * 1.0,
        {"threshold": 0.25, "default_value": -1.5},
    ),
    smooth("sigmoid", sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    smooth(
        "log_sigmoid",
        lambda x: -softplus(-x),
        lambda x: sigmoid(-x),
        slope_scale=lambda x: sigmoid(-x),
    ),
    smooth("tanh", np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    smooth("tanh_shrink", lambda x: x - np.tanh(x), lambda x: np.tanh(x) ** 2, magnitude),
    smooth("elu", lambda x: elu(x, 1.0), lambda x: elu_slope(x, 1.0)),
    smooth("elu", lambda x: elu(x, 2.5), lambda x: elu_slope(x, 2.5), alpha=2.5),
    smooth(
        "selu",
        lambda x: SELU_SCALE * elu(x, SELU_ALPHA),
        lambda x: SELU_SCALE * np.where(x < 0, elu_slope(x, SELU_ALPHA), 1.0),
    ),
    smooth("celu", lambda x: celu(x, 1.0), lambda x: elu_slope(x, 1.0)),
    smooth("celu", lambda x: celu(x, 2.0), lambda x: elu_slope(x / 2.0, 1.0), alpha=2.0),
    smooth("exponential", np.exp, np.exp, slope_scale=np.exp),
    smooth("softplus", softplus, sigmoid, slope_scale=sigmoid),
    smooth("softsign", lambda x: x / (1 + np.abs(x)), lambda x: 1 / (1 + np.abs(x)) ** 2),
    smooth("silu", lambda x: x * sigmoid(x), silu_slope, slope_scale=at_least_one),
    smooth("mish", lambda x: x * np.tanh(softplus(x)), mish_slope, slope_scale=at_least_one),
    smooth(
        "gelu",
        lambda x: x * below(x),
        lambda x: below(x) + x * density(x),
        lambda x: np.abs(x * below(x)) * (2 + np.minimum(x * x, 200) / 2),
        approximate=False,
    ),
    smooth(
        "gelu",
        lambda x: x * approximate_gate(x),
        approximate_slope,
        # The gate's argument u is rounded, and e^u has |u| times its error.
        lambda x: np.abs(x * approximate_gate(x)) * (1 + np.minimum(np.abs(x) ** 3, 100)),
        slope_scale=lambda x: 1 + np.minimum(np.abs(x) ** 3, 30),
        approximate=True,
    ),
    smooth(
        "squareplus",
        lambda x: np.where(
            x < 0, 2 / (np.sqrt(x * x + 4) + np.abs(x)), (x + np.sqrt(x * x + 4)) / 2
        ),
        lambda x: squareplus_slope(x, 4.0),
    ),
]
CASES: dict[str, Case] = {
    " ".join([case.name, *(f"{key}={value}" for key, value in case.arguments.items())]): case
    for case in _CASES
}
