"""Activation functions, on numpy arrays and as names that the layers understand.

On arrays they are computed in numpy and keep the floating-point type; integers become float32.
Inside a model the compiled code does them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet.utils.custom_objects import custom_object_scope, find_custom_object
from convlet.utils.validation import check_integer, look_up

__all__ = [
    "celu",
    "deserialize",
    "elu",
    "exponential",
    "gelu",
    "get",
    "glu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu",
    "relu6",
    "selu",
    "serialize",
    "sigmoid",
    "silu",
    "soft_shrink",
    "softmax",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh",
    "tanh_shrink",
    "threshold",
]

Array: TypeAlias = npt.NDArray[np.floating[Any]]
Activation: TypeAlias = Callable[..., Array]

# Klambauer et al. (2017), equation 14.
_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


def linear(x: npt.ArrayLike) -> Array:
    """The input itself.

    Args:
        x: Array.

    Returns:
        `x`.
    """
    return _as_float(x)


# ---- Rectifiers ----------------------------------------------------------------------------------


def relu(
    x: npt.ArrayLike,
    negative_slope: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
) -> Array:
    """Rectified linear unit, `max(x, 0)` with the default arguments.

    Args:
        x: Array.
        negative_slope: Slope up to the threshold.
        max_value: Upper bound of the result, or `None`.
        threshold: Values up to it are `negative_slope * (x - threshold)`. With a threshold and no
            slope NaN gives 0, as in Keras.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    above = x if max_value is None else np.minimum(x, _like(x, max_value))
    if negative_slope:
        below = _like(x, negative_slope) * (x - _like(x, threshold))
    else:
        below = np.zeros_like(x) if threshold else np.where(np.isnan(x), x, _like(x, 0))
    return np.where(x > threshold, above, below)


def relu6(x: npt.ArrayLike) -> Array:
    """`min(max(x, 0), 6)`.

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    return np.clip(_as_float(x), 0, 6)


def leaky_relu(x: npt.ArrayLike, negative_slope: float = 0.2) -> Array:
    """`x` where it is positive, `negative_slope * x` elsewhere.

    Args:
        x: Array.
        negative_slope: Slope below 0.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    return np.where(x > 0, x, _like(x, negative_slope) * x)


def elu(x: npt.ArrayLike, alpha: float = 1.0) -> Array:
    """Exponential linear unit, `alpha * (exp(x) - 1)` where `x` is negative (Clevert et al., 2015).

    Args:
        x: Array.
        alpha: Limit far below 0, with the sign changed.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    return np.where(x > 0, x, _like(x, alpha) * np.expm1(np.minimum(x, 0)))


def selu(x: npt.ArrayLike) -> Array:
    """Scaled exponential linear unit, `1.0507 * elu(x, 1.6733)` (Klambauer et al., 2017).

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    return np.asarray(_like(x, _SELU_SCALE) * elu(x, _SELU_ALPHA))


def celu(x: npt.ArrayLike, alpha: float = 1.0) -> Array:
    """`alpha * (exp(x / alpha) - 1)` where `x` is negative (Barron, 2017).

    Args:
        x: Array.
        alpha: Limit far below 0, with the sign changed.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    scale = _like(x, alpha)
    return np.where(x > 0, x, scale * np.expm1(np.minimum(x, 0) / scale))


# ---- Sigmoids ------------------------------------------------------------------------------------


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


def log_sigmoid(x: npt.ArrayLike) -> Array:
    """`log(sigmoid(x))`.

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    return -softplus(-_as_float(x))


def hard_sigmoid(x: npt.ArrayLike) -> Array:
    """`relu6(x + 3) / 6`.

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    return np.asarray(relu6(_as_float(x) + 3) / 6)


def sparse_sigmoid(x: npt.ArrayLike) -> Array:
    """`(x + 1) / 2`, from 0 to 1.

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    return np.clip((_as_float(x) + 1) / 2, 0, 1)


def tanh(x: npt.ArrayLike) -> Array:
    """Hyperbolic tangent.

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    return np.tanh(_as_float(x))


def hard_tanh(x: npt.ArrayLike) -> Array:
    """`x`, from -1 to 1.

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    return np.clip(_as_float(x), -1, 1)


def softsign(x: npt.ArrayLike) -> Array:
    """`x / (1 + abs(x))`; NaN at the infinities, as in Keras.

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    with np.errstate(invalid="ignore"):
        return np.asarray(x / (1 + np.abs(x)))


# ---- Gated by themselves -------------------------------------------------------------------------


def silu(x: npt.ArrayLike) -> Array:
    """`x * sigmoid(x)`, also called Swish (Ramachandran et al., 2017).

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    return _product(x, sigmoid(x))


def hard_silu(x: npt.ArrayLike) -> Array:
    """`x * hard_sigmoid(x)` (Howard et al., 2019).

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    return _product(x, hard_sigmoid(x))


def gelu(x: npt.ArrayLike, approximate: bool = False) -> Array:
    """`x` times the probability of less than `x` in the normal distribution (Hendrycks, Gimpel, 2016).

    Args:
        x: Array.
        approximate: Whether to take `x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x**3))) / 2`.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    if approximate:
        with np.errstate(over="ignore"):
            cubic = x * (1 + _like(x, 0.044715) * x * x)
        return _product(x, sigmoid(_like(x, 2 * math.sqrt(2 / math.pi)) * cubic))
    below = [math.erfc(-value / math.sqrt(2)) / 2 for value in x.ravel().tolist()]
    return _product(x, np.array(below, x.dtype).reshape(x.shape))


def mish(x: npt.ArrayLike) -> Array:
    """`x * tanh(softplus(x))` (Misra, 2019).

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    return _product(x, np.tanh(softplus(x)))


def glu(x: npt.ArrayLike, axis: int = -1) -> Array:
    """Gated linear unit: the first half times the sigmoid of the second (Dauphin et al., 2016).

    Args:
        x: Array.
        axis: Axis that is cut in half; its length is even.

    Returns:
        An array of the shape of `x`, with half the length along `axis`.

    Raises:
        ValueError: If there is no such axis, or its length is odd.
    """
    x = _as_float(x)
    axis = _axis_of(x, axis)
    if x.shape[axis] % 2:
        raise ValueError(
            f"axis size must be divisible by 2. Received: x.shape={x.shape} with axis={axis}"
        )
    first, second = np.split(x, 2, axis)
    return _product(first, sigmoid(second))


# ---- Softened rectifiers -------------------------------------------------------------------------


def exponential(x: npt.ArrayLike) -> Array:
    """`exp(x)`.

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    with np.errstate(over="ignore"):
        return np.exp(_as_float(x))


def softplus(x: npt.ArrayLike) -> Array:
    """`log(1 + exp(x))`.

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))))


def squareplus(x: npt.ArrayLike, b: float = 4) -> Array:
    """`(x + sqrt(x**2 + b)) / 2` (Barron, 2021).

    Args:
        x: Array.
        b: Smoothness, not negative.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    b = _like(x, b)
    with np.errstate(over="ignore"):
        total = np.sqrt(x * x + b) + np.abs(x)
    # For negative x the same, without a difference of nearly equal numbers. Squares that underflow
    # leave nothing to divide by where b is 0.
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(x < 0, b / total, total) / 2


def sparse_plus(x: npt.ArrayLike) -> Array:
    """0 up to -1, `(x + 1)**2 / 4` up to 1, then `x`.

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    parabola = (np.clip(x, -1, 1) + 1) ** 2 / 4
    return np.where(x >= 1, x, parabola)


# ---- With a dead zone ----------------------------------------------------------------------------


def soft_shrink(x: npt.ArrayLike, threshold: float = 0.5) -> Array:
    """What `x` has beyond the threshold on either side, else 0; NaN gives 0, as in Keras.

    Args:
        x: Array.
        threshold: Half the width of the dead zone.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    t, nothing = _like(x, threshold), _like(x, 0)
    return np.asarray(np.where(x > t, x - t, np.where(x < -t, x + t, nothing)))


def hard_shrink(x: npt.ArrayLike, threshold: float = 0.5) -> Array:
    """`x` where its magnitude is above the threshold, else 0; NaN gives 0, as in Keras.

    Args:
        x: Array.
        threshold: Half the width of the dead zone.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    return np.where(np.abs(x) > threshold, x, _like(x, 0))


def tanh_shrink(x: npt.ArrayLike) -> Array:
    """`x - tanh(x)`.

    Args:
        x: Array.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    return np.asarray(x - np.tanh(x))


def threshold(x: npt.ArrayLike, threshold: float, default_value: float) -> Array:
    """`x` where it is above the threshold, else `default_value`, also for NaN, as in Keras.

    Args:
        x: Array.
        threshold: What `x` is compared with.
        default_value: What takes its place.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    return np.where(x > threshold, x, _like(x, default_value))


# ---- Normalisations ------------------------------------------------------------------------------


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


def log_softmax(x: npt.ArrayLike, axis: int = -1) -> Array:
    """`log(softmax(x))`, without the rounding of small probabilities.

    Args:
        x: Array.
        axis: Axis whose exponentials sum to 1.

    Returns:
        An array of the shape of `x`.
    """
    x = _as_float(x)
    below = x - x.max(axis=axis, keepdims=True)
    return np.asarray(below - np.log(np.exp(below).sum(axis=axis, keepdims=True)))


def sparsemax(x: npt.ArrayLike, axis: int = -1) -> Array:
    """The nearest point whose elements are not negative and sum to 1 (Martins and Astudillo, 2016).

    `max(x - t, 0)`, with the `t` for which it sums to 1. (In Keras up to 3.15 it does not where more
    than one element is left: keras-team/keras#23425, mended since.)

    Args:
        x: Array.
        axis: Axis along which the sum is 1.

    Returns:
        An array of the shape of `x`. NaN or infinity makes all along the axis NaN.

    Raises:
        ValueError: If there is no such axis.
    """
    x = _as_float(x)
    axis = _axis_of(x, axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        below = np.moveaxis(x - x.max(axis=axis, keepdims=True), axis, -1)
        largest_first = -np.sort(-below, axis=-1)
        sums = largest_first.cumsum(axis=-1) - 1
        counts = np.arange(1, below.shape[-1] + 1, dtype=x.dtype)
        last = np.count_nonzero(counts * largest_first > sums, axis=-1, keepdims=True) - 1
        threshold = np.take_along_axis(sums / counts, last, axis=-1)
        return np.moveaxis(np.maximum(below - threshold, 0), -1, axis)


# ---- Names ---------------------------------------------------------------------------------------

# Keras's other names of the same functions.
swish = silu
hard_swish = hard_silu

_BY_NAME: dict[str, Activation] = {
    function.__name__: function
    for function in (
        celu,
        elu,
        exponential,
        gelu,
        glu,
        hard_shrink,
        hard_sigmoid,
        hard_silu,
        hard_tanh,
        leaky_relu,
        linear,
        log_sigmoid,
        log_softmax,
        mish,
        relu,
        relu6,
        selu,
        sigmoid,
        silu,
        soft_shrink,
        softmax,
        softplus,
        softsign,
        sparse_plus,
        sparse_sigmoid,
        sparsemax,
        squareplus,
        tanh,
        tanh_shrink,
        threshold,
    )
}
_OTHER_NAMES = {"swish": silu, "hard_swish": hard_silu}

# What the compiled code is told about a function that has arguments: their defaults.
_NATIVE_ARGUMENTS: dict[str, dict[str, Any]] = {
    "celu": {"alpha": 1.0},
    "elu": {"alpha": 1.0},
    "gelu": {"approximate": False},
    "hard_shrink": {"threshold": 0.5},
    "leaky_relu": {"negative_slope": 0.2},
    "soft_shrink": {"threshold": 0.5},
    "squareplus": {"b": 4.0},
}


def get(identifier: Any) -> Activation:
    """Returns the activation that an identifier stands for.

    Args:
        identifier: Name, one of this module's functions, a layer LeakyReLU, ReLU or ELU, a
            configuration of one of these as Keras writes it, or `None` for `linear`.

    Raises:
        ValueError: If it stands for none. A Python function of the caller's own is refused: layers
            run in compiled code.
    """
    if identifier is None:
        return linear
    layer = _layer_of(identifier)
    if layer is not None:
        return layer  # type: ignore[no-any-return]
    if isinstance(identifier, Mapping):
        identifier = identifier.get("config")
    if isinstance(identifier, str):
        identifier = find_custom_object(identifier) or identifier
    known = {**_BY_NAME, **_OTHER_NAMES}
    if callable(identifier) and not any(identifier is value for value in known.values()):
        name = getattr(identifier, "__name__", None) or repr(identifier)
        raise ValueError(
            f"Could not interpret activation function identifier: {identifier}. The Python "
            f"function `{name}` cannot be an activation, because layers run in compiled code; "
            "the functions of `convlet.activations` can."
        )
    activation: Activation = look_up("activation function", identifier, known)
    return activation


def serialize(activation: Activation) -> Any:
    """Returns the name of an activation, or the configuration of a layer.

    Raises:
        ValueError: If it is none of this module's functions.
    """
    if _layer_of(activation) is not None:
        from convlet import layers

        return layers.serialize(activation)  # type: ignore[arg-type]
    return get(activation).__name__


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Activation:
    """Returns the activation of the given name.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Dictionary from names to functions of this module, or to classes of layers
            that `get` takes.

    Raises:
        ValueError: If there is none.
    """
    with custom_object_scope(custom_objects):
        return get(config)


def native_attributes(activation: Activation) -> dict[str, Any]:
    """Returns what the compiled code's operation "activation" has to know of an activation.

    Raises:
        ValueError: If it needs arguments, which a name alone does not give.
    """
    layer = _layer_of(activation)
    if layer is not None:
        ((_, attributes),) = layer.native_ops(())
        return dict(attributes)
    name = serialize(activation)
    if activation is threshold:
        raise ValueError(
            "`threshold` cannot be the activation of a layer: it needs the arguments `threshold` "
            "and `default_value`"
        )
    return {"activation": name, **_NATIVE_ARGUMENTS.get(name, {})}


# ---- Helpers -------------------------------------------------------------------------------------


def _layer_of(identifier: Any) -> Any:
    """Returns the layer that stands for an activation with arguments of its own, or `None`."""
    from convlet import layers  # which imports this module

    classes = (layers.ELU, layers.LeakyReLU, layers.ReLU)
    if isinstance(identifier, classes):
        return identifier
    names = [known.__name__ for known in classes]
    if isinstance(identifier, Mapping) and identifier.get("class_name") in names:
        return layers.deserialize(identifier)
    return None


def _axis_of(x: Array, axis: Any) -> int:
    if not x.ndim:
        raise ValueError("`x` must have at least one axis. Received: x.shape=()")
    return check_integer("axis", axis, -x.ndim, x.ndim - 1)


def _as_float(x: npt.ArrayLike) -> Array:
    array = np.asarray(x)
    if array.dtype.kind == "f":
        return array
    if array.dtype.kind not in "biu":
        raise ValueError(f"`x` must hold real numbers. Received an array of dtype {array.dtype}")
    return array.astype(np.float32)


def _like(x: Array, number: float) -> Any:
    """Returns a number in the floating-point type of an array, so that the result keeps it."""
    return x.dtype.type(number)


def _product(x: Array, factor: Array) -> Array:
    """`x * factor` without a warning where it is infinity times 0, which is NaN."""
    with np.errstate(invalid="ignore"):
        return np.asarray(x * factor)
