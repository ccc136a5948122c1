"""Every kernel in numpy and float64, written for the reader: what `convlet` must compute.

Shapes are Keras's: images (n, h, w, c), kernels (kh, kw, ic, oc), Dense weights (in, units). All
functions convert their arguments to float64 and return new float64 arrays. `test_oracle.py` proves
the gradients by finite differences.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Pair = tuple[int, int]

EPSILON = 1e-7  # keras.config.epsilon()


def _float64(x: Any) -> np.ndarray:
    return np.asarray(x, dtype=np.float64)


# ---- Windows of an image ------------------------------------------------------------------------


def output_size(size: int, kernel: int, stride: int, padding: str) -> int:
    """Windows along one axis: "same" ceil(size / stride), "valid" those that fit wholly."""
    if padding == "same":
        return -(-size // stride)
    return (size - kernel) // stride + 1


def pad_amounts(size: int, kernel: int, stride: int, padding: str) -> Pair:
    """Cells added before and after one axis; as in TensorFlow the odd one goes after."""
    if padding == "valid":
        return 0, 0
    total = max((output_size(size, kernel, stride, padding) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def pad(x: np.ndarray, kernel: Pair, strides: Pair, padding: str, value: float) -> np.ndarray:
    """Images (n, h, w, c) with the borders that `padding` asks for."""
    rows = pad_amounts(x.shape[1], kernel[0], strides[0], padding)
    columns = pad_amounts(x.shape[2], kernel[1], strides[1], padding)
    return np.pad(x, ((0, 0), rows, columns, (0, 0)), constant_values=value)


def windows(
    x: np.ndarray, kernel: Pair, strides: Pair, padding: str, value: float = 0.0
) -> np.ndarray:
    """All windows of images (n, h, w, c): (n, oh, ow, c, kh, kw)."""
    padded = pad(x, kernel, strides, padding, value)
    return sliding_window_view(padded, kernel, axis=(1, 2))[:, :: strides[0], :: strides[1]]


def add_windows(
    parts: np.ndarray, input_shape: tuple[int, ...], strides: Pair, padding: str
) -> np.ndarray:
    """The transpose of `windows`: adds parts (n, oh, ow, c, kh, kw) up to images (n, h, w, c)."""
    _, h, w, _ = input_shape
    oh, ow, kh, kw = (parts.shape[i] for i in (1, 2, 4, 5))
    sh, sw = strides
    padded = pad(np.zeros(input_shape), (kh, kw), strides, padding, 0.0)
    for ky in range(kh):
        for kx in range(kw):
            rows = slice(ky, ky + oh * sh, sh)
            columns = slice(kx, kx + ow * sw, sw)
            padded[:, rows, columns][:, :oh, :ow] += parts[..., ky, kx]
    top, _ = pad_amounts(h, kh, sh, padding)
    left, _ = pad_amounts(w, kw, sw, padding)
    return padded[:, top : top + h, left : left + w]


# ---- Conv2D -------------------------------------------------------------------------------------


def conv2d(
    x: Any, w: Any, b: Any = None, strides: Pair = (1, 1), padding: str = "valid"
) -> np.ndarray:
    """Cross-correlation: x (n, ih, iw, ic), w (kh, kw, ic, oc), b (oc,) -> (n, oh, ow, oc)."""
    x, w = _float64(x), _float64(w)
    y = np.einsum("nyxiab,abio->nyxo", windows(x, w.shape[:2], strides, padding), w)
    return y if b is None else y + _float64(b)


def conv2d_backward(
    x: Any, w: Any, dy: Any, strides: Pair = (1, 1), padding: str = "valid"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of sum(dy * conv2d(x, w, b)): dx like x, dw like w, db (oc,)."""
    x, w, dy = _float64(x), _float64(w), _float64(dy)
    dx = add_windows(np.einsum("nyxo,abio->nyxiab", dy, w), x.shape, strides, padding)
    dw = np.einsum("nyxiab,nyxo->abio", windows(x, w.shape[:2], strides, padding), dy)
    return dx, dw, dy.sum(axis=(0, 1, 2))


# ---- MaxPooling2D -------------------------------------------------------------------------------


def max_pooling2d(
    x: Any, pool_size: Pair = (2, 2), strides: Pair | None = None, padding: str = "valid"
) -> np.ndarray:
    """Maximum of each window inside the image: (n, ih, iw, c) -> (n, oh, ow, c); NaN wins."""
    cells = windows(_float64(x), pool_size, strides or pool_size, padding, -np.inf)
    return cells.max(axis=(4, 5))


def max_pooling2d_backward(
    x: Any,
    dy: Any,
    pool_size: Pair = (2, 2),
    strides: Pair | None = None,
    padding: str = "valid",
) -> np.ndarray:
    """Each dy goes to its window's maximum, the first in row-major order; a NaN is a maximum."""
    x, dy = _float64(x), _float64(dy)
    strides = strides or pool_size
    cells = windows(x, pool_size, strides, padding, -np.inf)
    inside = windows(np.ones(x.shape), pool_size, strides, padding, 0.0) == 1.0
    best = cells.max(axis=(4, 5), keepdims=True)
    is_maximum = inside & ((cells == best) | np.isnan(cells))
    flat = is_maximum.reshape(*is_maximum.shape[:4], -1)
    is_first = np.arange(flat.shape[-1]) == flat.argmax(axis=-1)[..., None]
    parts = is_first.reshape(cells.shape) * dy[..., None, None]
    return add_windows(parts, x.shape, strides, padding)


# ---- Dense --------------------------------------------------------------------------------------


def dense(x: Any, w: Any, b: Any = None) -> np.ndarray:
    """x (..., in) times w (in, units) plus b (units,) -> (..., units)."""
    y = _float64(x) @ _float64(w)
    return y if b is None else y + _float64(b)


def dense_backward(x: Any, w: Any, dy: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of sum(dy * dense(x, w, b)): dx like x, dw like w, db (units,)."""
    x, w, dy = _float64(x), _float64(w), _float64(dy)
    rows = dy.reshape(-1, dy.shape[-1])
    dw = x.reshape(-1, x.shape[-1]).T @ rows
    return dy @ w.T, dw, rows.sum(axis=0)


# ---- Activations --------------------------------------------------------------------------------


def linear(x: Any) -> np.ndarray:
    return _float64(x).copy()


def linear_backward(x: Any, dy: Any) -> np.ndarray:
    return _float64(dy).copy()


def relu(x: Any) -> np.ndarray:
    """max(x, 0); NaN stays NaN."""
    return np.maximum(_float64(x), 0.0)


def relu_backward(x: Any, dy: Any) -> np.ndarray:
    """dy where x > 0, else 0: the derivative at 0 is 0."""
    return np.where(_float64(x) > 0.0, _float64(dy), 0.0)


def sigmoid(x: Any) -> np.ndarray:
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-_float64(x)))


def sigmoid_backward(x: Any, dy: Any) -> np.ndarray:
    y = sigmoid(x)
    return _float64(dy) * y * (1.0 - y)


def tanh(x: Any) -> np.ndarray:
    return np.tanh(_float64(x))


def tanh_backward(x: Any, dy: Any) -> np.ndarray:
    return _float64(dy) * (1.0 - np.tanh(_float64(x)) ** 2)


def softmax(x: Any) -> np.ndarray:
    """exp(x) / sum exp(x) over the last axis."""
    x = _float64(x)
    with np.errstate(invalid="ignore"):
        powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def softmax_backward(x: Any, dy: Any) -> np.ndarray:
    y, dy = softmax(x), _float64(dy)
    return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


# ---- Cross-entropy ------------------------------------------------------------------------------


def one_hot(labels: Any, classes: int) -> np.ndarray:
    """Integer labels (n,) as rows (n, classes)."""
    return np.eye(classes)[np.asarray(labels)]


def categorical_crossentropy(y_true: Any, y_pred: Any, from_logits: bool = False) -> np.ndarray:
    """Loss per row (n,) of targets and predictions (n, classes), as Keras defines it.

    Logits: -sum t log softmax(y_pred). Probabilities: divided by their sum, clipped to
    [1e-7, 1 - 1e-7], -sum t log p.
    """
    t, p = _float64(y_true), _float64(y_pred)
    if from_logits:
        shifted = p - p.max(axis=-1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    else:
        log_p = np.log((p / p.sum(axis=-1, keepdims=True)).clip(EPSILON, 1.0 - EPSILON))
    return -(t * log_p).sum(axis=-1)


def categorical_crossentropy_backward(
    y_true: Any, y_pred: Any, from_logits: bool = False
) -> np.ndarray:
    """Gradient of the sum of the losses with respect to y_pred; none passes a clip that cuts."""
    t, p = _float64(y_true), _float64(y_pred)
    if from_logits:
        return softmax(p) * t.sum(axis=-1, keepdims=True) - t
    total = p.sum(axis=-1, keepdims=True)
    q = p / total
    with np.errstate(divide="ignore", invalid="ignore"):
        dq = np.where(_inside_clip(q), -t / q, 0.0)
    return (dq - (dq * q).sum(axis=-1, keepdims=True)) / total


def sparse_categorical_crossentropy(
    labels: Any, y_pred: Any, from_logits: bool = False
) -> np.ndarray:
    """Loss per row for integer labels (n,).

    Probabilities as Keras on TensorFlow takes them: clipped to [1e-7, 1 - 1e-7] first, then divided
    by their sum.
    """
    p = _float64(y_pred)
    logits = p if from_logits else np.log(p.clip(EPSILON, 1.0 - EPSILON))
    return categorical_crossentropy(one_hot(labels, p.shape[-1]), logits, from_logits=True)


def sparse_categorical_crossentropy_backward(
    labels: Any, y_pred: Any, from_logits: bool = False
) -> np.ndarray:
    """Gradient of the sum of the losses with respect to y_pred; none passes a clip that cuts."""
    p = _float64(y_pred)
    t = one_hot(labels, p.shape[-1])
    if from_logits:
        return categorical_crossentropy_backward(t, p, from_logits=True)
    logits = np.log(p.clip(EPSILON, 1.0 - EPSILON))
    dlogits = categorical_crossentropy_backward(t, logits, from_logits=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(_inside_clip(p), dlogits / p, 0.0)


def _inside_clip(p: np.ndarray) -> np.ndarray:
    return (p >= EPSILON) & (p <= 1.0 - EPSILON)


# ---- RMSprop ------------------------------------------------------------------------------------


def rmsprop(
    w: Any,
    g: Any,
    velocity: Any,
    momentum_buffer: Any = None,
    average_gradient: Any = None,
    *,
    learning_rate: float = 0.001,
    rho: float = 0.9,
    momentum: float = 0.0,
    epsilon: float = 1e-7,
    centered: bool = False,
) -> tuple[np.ndarray, ...]:
    """One step of keras.optimizers.RMSprop: new w, velocity[, momentum_buffer][, average_gradient].

    v = rho v + (1 - rho) g^2;  a = rho a + (1 - rho) g  (centered)
    step = learning_rate g / sqrt(v [- a^2] + epsilon);  m = momentum m + step  (momentum > 0)
    """
    w, g, velocity = _float64(w), _float64(g), _float64(velocity)
    velocity = rho * velocity + (1.0 - rho) * g**2
    denominator = velocity + epsilon
    slots = [velocity]
    if centered:
        average_gradient = rho * _float64(average_gradient) + (1.0 - rho) * g
        denominator = denominator - average_gradient**2
    step = learning_rate * g / np.sqrt(denominator)
    if momentum > 0.0:
        step = momentum * _float64(momentum_buffer) + step
        slots.append(step)
    if centered:
        slots.append(average_gradient)
    return w - step, *slots
