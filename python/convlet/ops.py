"""The engine's kernels as functions of numpy arrays.

Images are `(rows, height, width, channels)`, kernels `(height, width, channels, filters)`: Keras's order. Arrays of any
real dtype are taken and computed in float32; what comes back is float32, in new memory. A function named
`<op>_backward` returns the gradients of `sum(dy * op(...))`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from inspect import signature
from types import MappingProxyType
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from convlet import _native, activations
from convlet.utils.validation import (
    check_bool,
    check_choice,
    check_real,
    check_tuple,
    refuse_unsupported,
)

__all__ = [
    "activation",
    "activation_backward",
    "categorical_crossentropy",
    "categorical_crossentropy_backward",
    "conv2d",
    "conv2d_backward",
    "convert_to_numpy",
    "dense",
    "dense_backward",
    "linear",
    "linear_backward",
    "max_pooling2d",
    "max_pooling2d_backward",
    "relu",
    "relu_backward",
    "rmsprop",
    "round_bfloat16",
    "sigmoid",
    "sigmoid_backward",
    "softmax",
    "softmax_backward",
    "sparse_categorical_crossentropy",
    "sparse_categorical_crossentropy_backward",
    "tanh",
    "tanh_backward",
]

Array = npt.NDArray[np.float32]
_Size = int | tuple[int, int]
_PADDINGS = ("valid", "same")


def conv2d(
    x: npt.ArrayLike,
    w: npt.ArrayLike,
    b: npt.ArrayLike | None = None,
    strides: _Size = (1, 1),
    padding: str = "valid",
) -> Array:
    """Two-dimensional convolution (cross-correlation, as in every neural-network library).

    `y[n, i, j, f] = b[f] + sum over u, v, c of x[n, i*sh + u - top, j*sw + v - left, c] * w[u, v, c, f]`

    Args:
        x: Images `(rows, height, width, channels)`.
        w: Kernel `(kernel height, kernel width, channels, filters)`.
        b: Bias `(filters,)`, or `None`.
        strides: Step of the window, an integer or `(vertical, horizontal)`.
        padding: `"valid"` (none; output `(in - k) // s + 1`) or `"same"` (zeros around the image, the odd one
            below and to the right; output `ceil(in / s)`).

    Returns:
        `(rows, output height, output width, filters)`.

    Raises:
        ValueError: For arrays of another rank or not of real numbers, sizes that do not match, an empty output.
    """
    x, w = _array("x", x, 4), _array("w", w, 4)
    attributes = _conv2d_attributes(x, w, strides, padding)
    if b is None:
        return _forward("conv2d", attributes | {"use_bias": False}, x, [w])
    return _forward("conv2d", attributes, x, [w, _sized("b", b, w.shape[3:])])


def conv2d_backward(
    x: npt.ArrayLike,
    w: npt.ArrayLike,
    dy: npt.ArrayLike,
    strides: _Size = (1, 1),
    padding: str = "valid",
) -> tuple[Array, Array, Array]:
    """Gradients of `conv2d` with respect to its data, kernel and bias.

    A NaN or an infinity in `w` meets the zeros that surround `dy`, and so may make other elements of its channel of
    `dx` NaN than those it touches in theory.

    Args:
        x, w, strides, padding: As given to `conv2d`.
        dy: Gradient with respect to the output of `conv2d`, in its shape.

    Returns:
        `(dx, dw, db)` in the shapes of `x`, `w` and `(filters,)`.

    Raises:
        ValueError: As `conv2d`, and if `dy` has another shape than its output.
    """
    x, w = _array("x", x, 4), _array("w", w, 4)
    attributes = _conv2d_attributes(x, w, strides, padding)
    bias = np.zeros(w.shape[3], np.float32)
    dx, (dw, db) = _backward("conv2d", attributes, x, [w, bias], dy)
    return dx, dw, db


def max_pooling2d(
    x: npt.ArrayLike,
    pool_size: _Size = (2, 2),
    strides: _Size | None = None,
    padding: str = "valid",
) -> Array:
    """Maximum over each window. NaN is larger than any number.

    Args:
        x: Images `(rows, height, width, channels)`.
        pool_size: The window, an integer or `(height, width)`.
        strides: Step of the window; `None` means `pool_size`.
        padding: `"valid"` or `"same"`, output sizes as in `conv2d`. Padding never wins.

    Returns:
        `(rows, output height, output width, channels)`.

    Raises:
        ValueError: For an array of another rank or not of real numbers, or an empty output.
    """
    return _forward(
        "max_pooling2d", _pool_attributes(pool_size, strides, padding), _array("x", x, 4), []
    )


def max_pooling2d_backward(
    x: npt.ArrayLike,
    dy: npt.ArrayLike,
    pool_size: _Size = (2, 2),
    strides: _Size | None = None,
    padding: str = "valid",
) -> Array:
    """Gradient of `max_pooling2d`: each `dy` goes to its window's maximum, the first in row-major order if several tie.

    Args:
        x, pool_size, strides, padding: As given to `max_pooling2d`.
        dy: Gradient with respect to the output of `max_pooling2d`, in its shape.

    Returns:
        `dx` in the shape of `x`.

    Raises:
        ValueError: As `max_pooling2d`, and if `dy` has another shape than its output.
    """
    attributes = _pool_attributes(pool_size, strides, padding)
    return _backward("max_pooling2d", attributes, _array("x", x, 4), [], dy)[0]


def dense(x: npt.ArrayLike, w: npt.ArrayLike, b: npt.ArrayLike | None = None) -> Array:
    """`x @ w + b` on the last axis.

    Args:
        x: `(rows, ..., features)`.
        w: Kernel `(features, units)`.
        b: Bias `(units,)`, or `None`.

    Returns:
        `(rows, ..., units)`.

    Raises:
        ValueError: For arrays of another rank or not of real numbers, or sizes that do not match.
    """
    x, w = _array("x", x, None), _array("w", w, 2)
    attributes = _dense_attributes(x, w)
    if b is None:
        return _forward("dense", attributes | {"use_bias": False}, x, [w])
    return _forward("dense", attributes, x, [w, _sized("b", b, w.shape[1:])])


def dense_backward(
    x: npt.ArrayLike, w: npt.ArrayLike, dy: npt.ArrayLike
) -> tuple[Array, Array, Array]:
    """Gradients of `dense` with respect to its data, kernel and bias.

    Args:
        x, w: As given to `dense`.
        dy: Gradient with respect to the output of `dense`, in its shape.

    Returns:
        `(dx, dw, db)` in the shapes of `x`, `w` and `(units,)`.

    Raises:
        ValueError: As `dense`, and if `dy` has another shape than its output.
    """
    x, w = _array("x", x, None), _array("w", w, 2)
    bias = np.zeros(w.shape[1], np.float32)
    dx, (dw, db) = _backward("dense", _dense_attributes(x, w), x, [w, bias], dy)
    return dx, dw, db


def linear(x: npt.ArrayLike) -> Array:
    """`x` itself, `(rows, ...)` or one row, as float32."""
    return _activation("linear", x)


def relu(x: npt.ArrayLike) -> Array:
    """`max(x, 0)` of each element of `(rows, ...)`; NaN stays NaN."""
    return _activation("relu", x)


def sigmoid(x: npt.ArrayLike) -> Array:
    """`1 / (1 + exp(-x))` of each element of `(rows, ...)`."""
    return _activation("sigmoid", x)


def tanh(x: npt.ArrayLike) -> Array:
    """Hyperbolic tangent of each element of `(rows, ...)`."""
    return _activation("tanh", x)


def softmax(x: npt.ArrayLike, axis: int = -1) -> Array:
    """`exp(x) / sum(exp(x))` over the last axis of `(rows, ..., classes)`; `axis` must be -1."""
    refuse_unsupported("softmax", {"axis": (axis, -1)})
    return _activation("softmax", x)


def linear_backward(x: npt.ArrayLike, dy: npt.ArrayLike) -> Array:
    """Gradient of `linear`: `dy`, in the shape of `x`."""
    return _activation_backward("linear", x, dy)


def relu_backward(x: npt.ArrayLike, dy: npt.ArrayLike) -> Array:
    """Gradient of `relu`: `dy` where `x > 0`, else 0."""
    return _activation_backward("relu", x, dy)


def sigmoid_backward(x: npt.ArrayLike, dy: npt.ArrayLike) -> Array:
    """Gradient of `sigmoid`: `dy * y * (1 - y)`."""
    return _activation_backward("sigmoid", x, dy)


def tanh_backward(x: npt.ArrayLike, dy: npt.ArrayLike) -> Array:
    """Gradient of `tanh`: `dy * (1 - y**2)`."""
    return _activation_backward("tanh", x, dy)


def softmax_backward(x: npt.ArrayLike, dy: npt.ArrayLike) -> Array:
    """Gradient of `softmax`: `y * (dy - sum(dy * y))` over the last axis."""
    return _activation_backward("softmax", x, dy)


def activation(x: npt.ArrayLike, name: str, **arguments: Any) -> Array:
    """An activation function of each element of `(rows, ...)`, or of its last axis.

    Args:
        x: Array of at least one dimension.
        name: Name of a function of `convlet.activations`.
        **arguments: Its arguments; those left out have their defaults.

    Returns:
        An array of the shape of `x`; for `glu` half of its last axis.

    Raises:
        ValueError: For an array not of real numbers, an unknown name or argument.
    """
    return _activation(name, x, arguments)


def activation_backward(x: npt.ArrayLike, dy: npt.ArrayLike, name: str, **arguments: Any) -> Array:
    """Gradient of `activation` with respect to `x`, in its shape.

    Args:
        x, name, arguments: As given to `activation`.
        dy: Gradient with respect to the output of `activation`, in its shape.

    Returns:
        `dx` in the shape of `x`.

    Raises:
        ValueError: As `activation`, and if `dy` has another shape than its output.
    """
    return _activation_backward(name, x, dy, arguments)


def categorical_crossentropy(
    target: npt.ArrayLike, output: npt.ArrayLike, from_logits: bool = False, axis: int = -1
) -> Array:
    """Cross-entropy of each row, as Keras defines it.

    From logits `-sum t log softmax(z)`; from probabilities `-sum t log clip(p / sum(p), 1e-7, 1 - 1e-7)`.

    Args:
        target: Targets `(rows, classes)`.
        output: Probabilities, or logits, `(rows, classes)`.
        from_logits: Whether `output` are logits.
        axis: That of the classes, the last one; nothing else is supported.

    Returns:
        Losses `(rows,)`.

    Raises:
        ValueError: For arrays of another rank or not of real numbers, or of different shapes.
    """
    return _crossentropy(*_class_targets(target, output), from_logits, axis)[0]


def categorical_crossentropy_backward(
    target: npt.ArrayLike, output: npt.ArrayLike, from_logits: bool = False, axis: int = -1
) -> Array:
    """Gradient of `sum(categorical_crossentropy(...))` with respect to `output`, in its shape.

    From logits it is `softmax(z) * sum(t) - t`. No gradient passes a probability that was clipped.
    """
    return _crossentropy(*_class_targets(target, output), from_logits, axis)[1]


def sparse_categorical_crossentropy(
    target: npt.ArrayLike, output: npt.ArrayLike, from_logits: bool = False, axis: int = -1
) -> Array:
    """Cross-entropy of each row for integer labels, as Keras defines it.

    From logits `-log softmax(z)[label]`; from probabilities `-log(q[label] / sum(q))` with
    `q = clip(p, 1e-7, 1 - 1e-7)`.

    Args:
        target: Labels `(rows,)`, integers from 0 to `classes - 1`.
        output: Probabilities, or logits, `(rows, classes)`.
        from_logits: Whether `output` are logits.
        axis: That of the classes, the last one; nothing else is supported.

    Returns:
        Losses `(rows,)`.

    Raises:
        ValueError: For labels that are no integers or out of range, and as `categorical_crossentropy`.
    """
    return _crossentropy(*_label_targets(target, output), from_logits, axis)[0]


def sparse_categorical_crossentropy_backward(
    target: npt.ArrayLike, output: npt.ArrayLike, from_logits: bool = False, axis: int = -1
) -> Array:
    """Gradient of `sum(sparse_categorical_crossentropy(...))` with respect to `output`, in its shape."""
    return _crossentropy(*_label_targets(target, output), from_logits, axis)[1]


def rmsprop(
    w: npt.ArrayLike,
    g: npt.ArrayLike,
    velocity: npt.ArrayLike,
    momentum_buffer: npt.ArrayLike | None = None,
    average_gradient: npt.ArrayLike | None = None,
    *,
    learning_rate: float = 0.001,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
) -> tuple[Array, ...]:
    """One step of RMSprop (Tieleman and Hinton, 2012), as Keras defines it.

    `velocity = rho * velocity + (1 - rho) * g**2`; centered: `average = rho * average + (1 - rho) * g` and
    `velocity - average**2` below; `step = learning_rate * g / sqrt(velocity + epsilon)`; with momentum
    `buffer = momentum * buffer + step`, `step = buffer`; `w - step`.

    Args:
        w: Parameters, any shape.
        g: Their gradient, in the same shape, like all arrays here.
        velocity: Running mean of squared gradients.
        momentum_buffer: Needed where `momentum > 0`, refused elsewhere.
        average_gradient: Needed where `centered`, refused elsewhere.
        learning_rate, rho, momentum, epsilon, centered: Keras's arguments with Keras's defaults.

    Returns:
        New `(w, velocity[, momentum_buffer][, average_gradient])`; the arguments stay as they are.

    Raises:
        ValueError: For arrays of different shapes or not of real numbers, or a slot that is missing or too many.
    """
    check_bool("centered", centered)
    rate = check_real("learning_rate", learning_rate, 0.0)
    constants = {
        "centered": centered,
        "rho": check_real("rho", rho, 0.0, 1.0),
        "momentum": check_real("momentum", momentum, 0.0),
        "epsilon": check_real("epsilon", epsilon, 0.0),
    }
    new_w = _array("w", w, None, rows=False).copy()
    gradient = _like_w("g", g, new_w)
    new_velocity = _like_w("velocity", velocity, new_w).copy()
    new_buffer = _slot("momentum_buffer", momentum_buffer, momentum > 0.0, new_w)
    new_average = _slot("average_gradient", average_gradient, centered, new_w)
    slots = [slot for slot in (new_velocity, new_buffer, new_average) if slot is not None]
    _native.core.optimizer_step("rmsprop", constants, new_w, gradient, slots, rate, 0)
    return (new_w, *slots)


def convert_to_numpy(x: Any) -> npt.NDArray[Any]:
    """Returns a variable, a learning rate, an array or a list as a numpy array, as Keras's function.

    Args:
        x: Anything that numpy makes an array of.

    Returns:
        An array; of a variable, or another thing with a method `numpy`, a copy.
    """
    return np.asarray(x.numpy() if hasattr(x, "numpy") else x)


def round_bfloat16(x: npt.ArrayLike) -> Array:
    """Each element rounded to bfloat16 (8 significant bits), as the policy `"mixed_bfloat16"` rounds the operands of products.

    To the nearest, of two equally near ones to the even one; what is too large becomes infinite; NaN stays NaN.

    Args:
        x: Array of any shape.

    Returns:
        A float32 array in the shape of `x`.

    Raises:
        ValueError: For an array not of real numbers.
    """
    return _native.core.round_bfloat16(_array("x", x, None, rows=False))


def _array(name: str, value: npt.ArrayLike, ndim: int | None, rows: bool = True) -> Array:
    """`value` as a C-contiguous float32 array of `ndim` dimensions (`None`: any, at least one for `rows`)."""
    array = _as_array(name, value)
    if array.dtype.kind not in "buif":
        raise ValueError(
            f"`{name}` must be an array of real numbers. Received: dtype={array.dtype}"
        )
    if (ndim is not None and array.ndim != ndim) or (rows and array.ndim == 0):
        expected = "at least 1" if ndim is None else str(ndim)
        raise ValueError(
            f"`{name}` must have {expected} dimension(s). Received: shape={array.shape}"
        )
    return np.require(array, np.float32, ["C_CONTIGUOUS", "ALIGNED"])


def _as_array(name: str, value: npt.ArrayLike) -> npt.NDArray[Any]:
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:  # rows of different lengths
        raise ValueError(
            f"`{name}` must be an array of real numbers. Received: {value!r}"
        ) from error


def _sized(name: str, value: npt.ArrayLike, shape: tuple[int, ...], owner: str = "") -> Array:
    array = _array(name, value, None, rows=False)
    if array.shape != shape:
        raise ValueError(f"`{name}` must have shape {shape}{owner}. Received: shape={array.shape}")
    return array


def _like_w(name: str, value: npt.ArrayLike, w: Array) -> Array:
    return _sized(name, value, w.shape, " like `w`")


def _not_empty(name: str, array: Array, first_axis: int) -> None:
    if 0 in array.shape[first_axis:]:
        raise ValueError(f"`{name}` must have no empty dimension. Received: shape={array.shape}")


def _slot(name: str, value: npt.ArrayLike | None, wanted: bool, w: Array) -> Array | None:
    if wanted != (value is not None):
        state = "is needed" if wanted else "has no use"
        raise ValueError(f"`{name}` {state} with these settings. Received: {name}={value!r}")
    return None if value is None else _like_w(name, value, w).copy()


def _conv2d_attributes(x: Array, w: Array, strides: _Size, padding: str) -> dict[str, Any]:
    if x.shape[3] != w.shape[2]:
        raise ValueError(
            f"`x` and `w` must have the same number of channels. Received: x of shape {x.shape} with "
            f"{x.shape[3]}, w of shape {w.shape} with {w.shape[2]}"
        )
    _not_empty("w", w, 0)
    return {
        "filters": w.shape[3],
        "kernel_size": w.shape[:2],
        "strides": check_tuple("strides", strides, 2),
        "padding": check_choice("padding", padding, _PADDINGS),
        "use_bias": True,
    }


def _pool_attributes(pool_size: _Size, strides: _Size | None, padding: str) -> dict[str, Any]:
    window = check_tuple("pool_size", pool_size, 2)
    steps = window if strides is None else check_tuple("strides", strides, 2)
    return {
        "pool_size": window,
        "strides": steps,
        "padding": check_choice("padding", padding, _PADDINGS),
    }


def _dense_attributes(x: Array, w: Array) -> dict[str, Any]:
    if x.ndim < 2 or x.shape[-1] != w.shape[0]:
        raise ValueError(
            f"`x` must have shape (rows, ..., {w.shape[0]}) for `w` of shape {w.shape}. "
            f"Received: shape={x.shape}"
        )
    _not_empty("w", w, 0)
    return {"units": w.shape[1], "use_bias": True}


def _network(op: str, attributes: dict[str, Any], x: Array, parameters: list[Array]) -> Any:
    network = _native.core.Network(x.shape[1:], [(op, attributes, [0])])
    for i, value in enumerate(parameters):
        network.set_parameter(i, value)
    return network


def _forward(op: str, attributes: dict[str, Any], x: Array, parameters: list[Array]) -> Array:
    network = _network(op, attributes, x, parameters)
    y = np.empty((len(x), *network.output_shape), np.float32)
    network.predict(x, y, 0, len(x))
    return y


def _backward(
    op: str, attributes: dict[str, Any], x: Array, parameters: list[Array], dy: npt.ArrayLike
) -> tuple[Array, list[Array]]:
    network = _network(op, attributes, x, parameters)
    gradient = _sized("dy", dy, (len(x), *network.output_shape))
    return cast("tuple[Array, list[Array]]", network.vector_jacobian_product(x, gradient))


def _activation(
    name: str, x: npt.ArrayLike, arguments: Mapping[str, Any] = MappingProxyType({})
) -> Array:
    rows = _array("x", x, None)
    if rows.ndim == 1:  # one row
        return np.asarray(_activation(name, rows[None], arguments)[0])
    _not_empty("x", rows, 1)
    return _forward("activation", _activation_attributes(name, arguments), rows, [])


def _activation_backward(
    name: str,
    x: npt.ArrayLike,
    dy: npt.ArrayLike,
    arguments: Mapping[str, Any] = MappingProxyType({}),
) -> Array:
    rows = _array("x", x, None)
    if rows.ndim == 1:
        gradient = _array("dy", dy, 1)
        return np.asarray(_activation_backward(name, rows[None], gradient[None], arguments)[0])
    return _backward("activation", _activation_attributes(name, arguments), rows, [], dy)[0]


def _activation_attributes(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The name and all arguments of an activation, as the compiled code wants them."""
    function = activations.get(name)
    attributes: dict[str, Any] = {"activation": function.__name__}
    for parameter in list(signature(function).parameters.values())[1:]:
        value = arguments.get(parameter.name, parameter.default)
        if value is parameter.empty:
            raise ValueError(f"`{name}` needs the argument `{parameter.name}`")
        attributes[parameter.name] = math.inf if value is None else value
    unknown = sorted(arguments.keys() - attributes.keys())
    if unknown:
        raise ValueError(f"`{name}` has no argument `{unknown[0]}`")
    if function is activations.relu and arguments:
        attributes["activation"] = "clipped_relu"
    refuse_unsupported(name, {"axis": (attributes.pop("axis", -1), -1)})
    return attributes


def _class_targets(target: npt.ArrayLike, output: npt.ArrayLike) -> tuple[Array, Array]:
    predictions = _array("output", output, 2)
    _not_empty("output", predictions, 1)
    return _sized("target", target, predictions.shape), predictions


def _label_targets(
    target: npt.ArrayLike, output: npt.ArrayLike
) -> tuple[npt.NDArray[np.int32], Array]:
    predictions = _array("output", output, 2)
    _not_empty("output", predictions, 1)
    labels = _as_array("target", target)
    classes = predictions.shape[1]
    if labels.shape != predictions.shape[:1] or labels.dtype.kind not in "iu":
        raise ValueError(
            f"`target` must be integer labels of shape {predictions.shape[:1]}. "
            f"Received: dtype={labels.dtype}, shape={labels.shape}"
        )
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(
            f"`target` must be labels from 0 to {classes - 1}. "
            f"Received labels from {labels.min()} to {labels.max()}"
        )
    return np.ascontiguousarray(labels, np.int32), predictions


def _crossentropy(
    target: npt.NDArray[Any], output: Array, from_logits: bool, axis: int
) -> tuple[Array, Array]:
    refuse_unsupported("categorical_crossentropy", {"axis": (axis, -1)})
    attributes = {"from_logits": check_bool("from_logits", from_logits)}
    name = "categorical_crossentropy" if target.ndim == 2 else "sparse_categorical_crossentropy"
    return _native.core.criterion(name, attributes, target, output)
