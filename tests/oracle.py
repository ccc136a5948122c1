"""Every kernel in numpy and float64, written for the reader: what `convlet` must compute.

Shapes are Keras's: images (n, h, w, c), kernels (kh, kw, ic, oc), Dense weights (in, units). All
functions convert their arguments to float64 and return new float64 arrays. `test_oracle.py` proves
the gradients by finite differences.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

Pair = tuple[int, int]

EPSILON = 1e-7  # keras.config.epsilon()


def _float64(x: Any) -> np.ndarray:
    return np.asarray(x, dtype=np.float64)


# ---- bfloat16 ------------------------------------------------------------------------------------


def bfloat16(x: Any) -> np.ndarray:
    """The nearest number of 8 significant bits and float32's exponents, ties to even; overflow to infinity."""
    with np.errstate(invalid="ignore"):  # signalling NaN
        x = _float64(x)
        _, exponent = np.frexp(x)
        spacing = np.ldexp(1.0, np.maximum(exponent, -125) - 8)  # denormals are evenly spaced
        nearest = np.where(np.isfinite(x), np.rint(x / spacing) * spacing, x)
    return np.where(np.abs(nearest) >= 2.0**128, np.copysign(np.inf, x), nearest)


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
    x: Any,
    w: Any,
    b: Any = None,
    strides: Pair = (1, 1),
    padding: str = "valid",
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> np.ndarray:
    """Cross-correlation: x (n, ih, iw, ic), w (kh, kw, ic / groups, oc), b (oc,) -> (n, oh, ow, oc)."""
    x, w = _float64(x), plain_kernel(w, dilation, groups)
    y = np.einsum("nyxiab,abio->nyxo", windows(x, w.shape[:2], strides, padding), w)
    return y if b is None else y + _float64(b)


def conv2d_backward(
    x: Any,
    w: Any,
    dy: Any,
    strides: Pair = (1, 1),
    padding: str = "valid",
    dilation: Pair = (1, 1),
    groups: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of sum(dy * conv2d(x, w, b)): dx like x, dw like w, db (oc,)."""
    x, w, dy = _float64(x), plain_kernel(w, dilation, groups), _float64(dy)
    dx = add_windows(np.einsum("nyxo,abio->nyxiab", dy, w), x.shape, strides, padding)
    dw = np.einsum("nyxiab,nyxo->abio", windows(x, w.shape[:2], strides, padding), dy)
    dw = dw[:: dilation[0], :: dilation[1]]
    blocks = [np.split(part, groups, axis=2)[g] for g, part in enumerate(np.split(dw, groups, 3))]
    return dx, np.concatenate(blocks, axis=3), dy.sum(axis=(0, 1, 2))


def plain_kernel(w: Any, dilation: Pair, groups: int) -> np.ndarray:
    """The kernel that does the same without dilation and groups: zeros fill the gaps."""
    w = _float64(w)
    kh, kw, ic, oc = w.shape
    dh, dw = dilation
    full = np.zeros(((kh - 1) * dh + 1, (kw - 1) * dw + 1, ic * groups, oc))
    for g, part in enumerate(np.split(w, groups, axis=3)):
        width = oc // groups
        full[::dh, ::dw, g * ic : (g + 1) * ic, g * width : (g + 1) * width] = part
    return full


class Winograd(NamedTuple):
    """Absolute values of one dimension's matrices of F(m x n, 3x3), Lavin and Gray, 2015."""

    input: np.ndarray
    kernel: np.ndarray
    output: np.ndarray
    roundings: int  # of all transforms


def _winograd(points: list[float], roundings: int) -> Winograd:
    """By interpolation at these points and at infinity; Blahut, 2010, section 5.2."""
    finite = len(points)
    data = np.zeros((finite + 1, finite + 1))
    for i in range(finite + 1):
        others = np.delete(points, i) if i < finite else points
        coefficients = np.poly(others)[::-1]
        data[i, : len(coefficients)] = coefficients
    distances = [np.prod(p - np.delete(points, i)) for i, p in enumerate(points)]
    kernel = np.vander(points, 3, increasing=True) / np.array(distances)[:, None]
    output = np.vander(points, finite - 1, increasing=True).T
    of_infinity = np.eye(finite - 1)[:, -1:]
    return Winograd(
        np.abs(data),
        np.abs(np.vstack([kernel, [0, 0, 1]])),
        np.abs(np.hstack([output, of_infinity])),
        roundings,
    )


WINOGRAD = {  # by outputs
    2: _winograd([0, 1, -1], 18),
    3: _winograd([0, 1, -1, 1 / 2], 24),
    4: _winograd([0, 2 / 3, -2 / 3, 3 / 2, -3 / 2], 40),
    5: _winograd([2 / 7, -2 / 7, 6 / 7, -6 / 7, 7 / 4, -7 / 4], 40),
}


def winograd_side(oh: int, ow: int, pool: bool = False) -> int:
    """Rows and columns of the tiles over oh x ow, pooled or not: ops/convolution.cpp."""

    def products(side: int) -> int:
        return (side + 2) ** 2 * -(-oh // side) * -(-ow // side)

    best = 2 if pool else 3
    for side in (4, 5) if pool and oh % 10 == ow % 10 == 0 else (4,):
        if 5 * products(side) <= 4 * products(best):
            best = side
    return best


def winograd_gradient_bound(x: np.ndarray, dy: np.ndarray, padding: str, eps: float) -> np.ndarray:
    """The bound of kernels/winograd_gradient.hpp for a 3x3 convolution's dw."""
    n, oh, ow, _ = dy.shape
    side = winograd_side(oh, ow)
    of = WINOGRAD[side]
    rest = ((0, 0), (0, -oh % side), (0, -ow % side), (0, 0))
    x = np.pad(pad(np.abs(x), (3, 3), (1, 1), padding, 0.0), rest)
    dy = np.pad(np.abs(dy), rest)
    rows, columns = dy.shape[1] // side, dy.shape[2] // side
    sums = np.zeros((side + 2, side + 2, x.shape[3], dy.shape[3]))
    for i in range(rows):
        for j in range(columns):
            top, left = side * i, side * j
            patch = x[:, top : top + side + 2, left : left + side + 2]
            tile = dy[:, top : top + side, left : left + side]
            of_x = np.einsum("ad,ndei,be->nabi", of.input, patch, of.input)
            of_dy = np.einsum("ya,nyzo,zb->nabo", of.output, tile, of.output)
            sums += np.einsum("nabi,nabo->abio", of_x, of_dy)
    magnitude = np.einsum("ay,abio,bz->yzio", of.kernel, sums, of.kernel)
    return (n * rows * columns + of.roundings) * eps * magnitude


# ---- Conv2DTranspose ----------------------------------------------------------------------------


class TransposedAxis:
    """One axis of a transposed convolution: `full` cells are reached, of which `out` are kept."""

    def __init__(
        self, size: int, kernel: int, stride: int, dilation: int, padding: str, extra: int | None
    ):
        extent = (kernel - 1) * dilation + 1
        begin = (size - 1) * stride
        if padding == "same":
            self.out = size * stride if extra is None else begin + extent % 2 + extra
        else:
            self.out = begin + (max(extent, stride) if extra is None else extent + extra)
        self.before = max(begin + extent - self.out, 0) // 2
        self.full = max(begin + extent, self.before + self.out)
        self.kept = slice(self.before, self.before + self.out)
        self.cells = [slice(k * dilation, k * dilation + begin + 1, stride) for k in range(kernel)]


def transposed_axes(
    x: Any,
    w: Any,
    strides: Pair,
    padding: str,
    output_padding: Pair | None,
    dilation: Pair,
) -> list[TransposedAxis]:
    """Rows and columns."""
    extra = output_padding or (None, None)
    sizes = zip(np.shape(x)[1:3], np.shape(w)[:2], strides, dilation, extra, strict=True)
    return [TransposedAxis(n, k, s, d, padding, e) for n, k, s, d, e in sizes]


def conv2d_transpose(
    x: Any,
    w: Any,
    strides: Pair = (1, 1),
    padding: str = "valid",
    output_padding: Pair | None = None,
    dilation: Pair = (1, 1),
) -> np.ndarray:
    """Each pixel adds its window: x (n, ih, iw, ic), w (kh, kw, oc, ic) -> (n, oh, ow, oc)."""
    x, w = _float64(x), _float64(w)
    rows, columns = transposed_axes(x, w, strides, padding, output_padding, dilation)
    y = np.zeros((len(x), rows.full, columns.full, w.shape[2]))
    for ky, row in enumerate(rows.cells):
        for kx, column in enumerate(columns.cells):
            y[:, row, column] += x @ w[ky, kx].T
    return y[:, rows.kept, columns.kept]


def conv2d_transpose_backward(
    x: Any,
    w: Any,
    dy: Any,
    strides: Pair = (1, 1),
    padding: str = "valid",
    output_padding: Pair | None = None,
    dilation: Pair = (1, 1),
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of sum(dy * (conv2d_transpose(x, w) + b)): dx like x, dw like w, db (oc,)."""
    x, w, dy = _float64(x), _float64(w), _float64(dy)
    rows, columns = transposed_axes(x, w, strides, padding, output_padding, dilation)
    full = np.zeros((len(x), rows.full, columns.full, w.shape[2]))
    full[:, rows.kept, columns.kept] = dy
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for ky, row in enumerate(rows.cells):
        for kx, column in enumerate(columns.cells):
            dx += full[:, row, column] @ w[ky, kx]
            dw[ky, kx] = np.einsum("nyxo,nyxi->oi", full[:, row, column], x)
    return dx, dw, dy.sum(axis=(0, 1, 2))


# ---- DepthwiseConv2D ----------------------------------------------------------------------------


def depthwise_conv2d(
    x: Any, w: Any, strides: Pair = (1, 1), padding: str = "valid", dilation: Pair = (1, 1)
) -> np.ndarray:
    """Each channel by itself: x (n, ih, iw, c), w (kh, kw, c, m) -> (n, oh, ow, c m)."""
    return conv2d(x, *in_groups(w, strides, padding, dilation))


def depthwise_conv2d_backward(
    x: Any, w: Any, dy: Any, strides: Pair = (1, 1), padding: str = "valid", dilation: Pair = (1, 1)
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of sum(dy * (depthwise_conv2d(x, w) + b)): dx like x, dw like w, db (c m,)."""
    w, *geometry = in_groups(w, strides, padding, dilation)
    dx, dw, db = conv2d_backward(x, w, dy, *geometry[1:])
    return dx, dw.reshape(*dw.shape[:2], geometry[-1], -1), db


def in_groups(w: Any, *geometry: Any) -> tuple[Any, ...]:
    """Arguments of a `conv2d` of as many groups as channels: output channel c m + j is w[..., c, j]."""
    kh, kw, channels, _ = np.shape(w)
    return np.reshape(w, (kh, kw, 1, -1)), None, *geometry, channels


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


# ---- Other pooling ------------------------------------------------------------------------------


def average_pooling2d(
    x: Any, pool_size: Pair, strides: Pair | None = None, padding: str = "valid"
) -> np.ndarray:
    """Mean of each window's cells inside the image: (n, ih, iw, c) -> (n, oh, ow, c)."""
    x = _float64(x)
    geometry = pool_size, strides or pool_size, padding
    cells = windows(np.ones(x.shape), *geometry).sum(axis=(4, 5))
    return windows(x, *geometry).sum(axis=(4, 5)) / cells


def average_pooling2d_backward(
    x: Any, dy: Any, pool_size: Pair, strides: Pair | None = None, padding: str = "valid"
) -> np.ndarray:
    """Each cell inside the image gets an equal part of its window's dy."""
    x, dy = _float64(x), _float64(dy)
    strides = strides or pool_size
    inside = windows(np.ones(x.shape), pool_size, strides, padding)
    parts = inside * (dy / inside.sum(axis=(4, 5)))[..., None, None]
    return add_windows(parts, x.shape, strides, padding)


def global_max_pooling2d(x: Any) -> np.ndarray:
    """Maximum of each channel: (n, h, w, c) -> (n, 1, 1, c); NaN wins."""
    return _float64(x).max(axis=(1, 2), keepdims=True)


def global_max_pooling2d_backward(x: Any, dy: Any) -> np.ndarray:
    """Equal maxima get equal parts; a NaN is a maximum."""
    x, dy = _float64(x), _float64(dy)
    largest = (x == x.max(axis=(1, 2), keepdims=True)) | np.isnan(x)
    return largest * dy / largest.sum(axis=(1, 2), keepdims=True)


# ---- Borders ------------------------------------------------------------------------------------

Sides = tuple[int, int, int, int]  # top, bottom, left, right


def zero_padding2d(x: Any, sides: Sides) -> np.ndarray:
    """Zeros around images (n, h, w, c)."""
    return np.pad(_float64(x), ((0, 0), sides[:2], sides[2:], (0, 0)))


def cropping2d(x: Any, sides: Sides) -> np.ndarray:
    """Images (n, h, w, c) without their borders; the transpose of `zero_padding2d`."""
    top, bottom, left, right = sides
    _, h, w, _ = np.shape(x)
    return _float64(x)[:, top : h - bottom, left : w - right].copy()


# ---- Up-sampling and permutation ------------------------------------------------------------------


def up_sampling_matrix(size: int, factor: int, interpolation: str) -> np.ndarray:
    """Weights (size * factor, size) of the inputs in each output along one axis.

    "bilinear": output i lies at (i + 1/2) / factor - 1/2, no further out than the inputs do.
    """
    if interpolation == "nearest":
        return np.repeat(np.eye(size), factor, axis=0)
    places = ((np.arange(size * factor) + 0.5) / factor - 0.5).clip(0, size - 1)
    return np.maximum(1.0 - np.abs(places[:, None] - np.arange(size)), 0.0)


def up_sampling2d(x: Any, size: Pair, interpolation: str) -> np.ndarray:
    """(n, h, w, c) -> (n, size[0] h, size[1] w, c)."""
    x = _float64(x)
    matrices = [up_sampling_matrix(x.shape[1 + i], size[i], interpolation) for i in (0, 1)]
    return np.einsum("ai,bj,nijc->nabc", *matrices, x)


def up_sampling2d_backward(dy: Any, size: Pair, interpolation: str) -> np.ndarray:
    """The transpose of `up_sampling2d`."""
    dy = _float64(dy)
    matrices = [
        up_sampling_matrix(dy.shape[1 + i] // size[i], size[i], interpolation) for i in (0, 1)
    ]
    return np.einsum("ai,bj,nabc->nijc", *matrices, dy)


def permute(x: Any, dims: tuple[int, ...]) -> np.ndarray:
    """Axis a + 1 of the output is axis dims[a] of x; the rows stay in front."""
    return _float64(x).transpose(0, *dims).copy()


def permute_backward(dy: Any, dims: tuple[int, ...]) -> np.ndarray:
    return permute(dy, tuple(int(axis) + 1 for axis in np.argsort(dims)))


# ---- Merging ------------------------------------------------------------------------------------


def merge(name: str, xs: Any) -> np.ndarray:
    """Arrays of one shape into one, element by element."""
    stack = np.stack([_float64(x) for x in xs])
    if name == "subtract":
        return stack[0] - stack[1]
    functions = {
        "add": np.sum,
        "average": np.mean,
        "maximum": np.max,
        "minimum": np.min,
        "multiply": np.prod,
    }
    return functions[name](stack, axis=0)


def broadcast(x: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Rows repeated along missing or single axes."""
    x = _float64(x)
    aligned = x.reshape(len(x), *(1,) * (len(shape) - x.ndim + 1), *x.shape[1:])
    return np.broadcast_to(aligned, (len(x), *shape)).copy()


def broadcast_backward(dy: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Gradient of sum(dy * broadcast(x, ...)), of the shape of a row of x."""
    dy = _float64(dy)
    missing = dy.ndim - 1 - len(shape)
    dx = dy.sum(axis=tuple(range(1, 1 + missing)))
    repeated = tuple(1 + axis for axis, size in enumerate(shape) if size == 1)
    return dx.sum(axis=repeated, keepdims=True)


def merge_backward(name: str, xs: Any, dy: Any) -> list[np.ndarray]:
    """Gradients of sum(dy * merge(name, xs)); the first of equal inputs wins a maximum."""
    stack, dy = np.stack([_float64(x) for x in xs]), _float64(dy)
    count = len(stack)
    if name in {"maximum", "minimum"}:
        winner = stack.argmax(axis=0) if name == "maximum" else stack.argmin(axis=0)
        return [dy * (winner == i) for i in range(count)]
    if name == "multiply":
        return [dy * np.delete(stack, i, axis=0).prod(axis=0) for i in range(count)]
    factors = {"add": [1.0] * count, "average": [1.0 / count] * count, "subtract": [1.0, -1.0]}
    return [factor * dy for factor in factors[name]]


# ---- Batch normalization ------------------------------------------------------------------------


def batch_normalization(
    x: Any, gamma: Any, beta: Any, mean: Any, variance: Any, epsilon: float = 1e-3
) -> np.ndarray:
    """gamma (x - mean) / sqrt(variance + epsilon) + beta, channels on the last axis."""
    inverse = 1.0 / np.sqrt(_float64(variance) + epsilon)
    return _float64(gamma) * (_float64(x) - mean) * inverse + beta


def moments(x: Any) -> tuple[np.ndarray, np.ndarray]:
    """Mean and biased variance of each channel."""
    rows = _float64(x).reshape(-1, np.shape(x)[-1])
    return rows.mean(axis=0), rows.var(axis=0)


def batch_normalization_backward(
    x: Any, gamma: Any, mean: Any, variance: Any, dy: Any, epsilon: float = 1e-3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients dx, dgamma, dbeta for a mean and variance that do not depend on x."""
    x, dy = _float64(x), _float64(dy)
    inverse = 1.0 / np.sqrt(_float64(variance) + epsilon)
    axes = tuple(range(x.ndim - 1))
    dgamma = (dy * (x - mean) * inverse).sum(axis=axes)
    return dy * gamma * inverse, dgamma, dy.sum(axis=axes)


def batch_normalization_of_batch_backward(
    x: Any, gamma: Any, dy: Any, epsilon: float = 1e-3
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients dx, dgamma, dbeta where mean and variance are those of x itself."""
    x, dy = _float64(x), _float64(dy)
    mean, variance = moments(x)
    inverse = 1.0 / np.sqrt(variance + epsilon)
    normal = (x - mean) * inverse
    axes = tuple(range(x.ndim - 1))
    dgamma, dbeta = (dy * normal).sum(axis=axes), dy.sum(axis=axes)
    count = x.size // x.shape[-1]
    return gamma * inverse * (dy - dbeta / count - normal * dgamma / count), dgamma, dbeta


# ---- Normalization within rows ------------------------------------------------------------------


def grouped(x: Any, groups: int) -> np.ndarray:
    """(n, ..., c) as (n, pixels, groups, c / groups): group normalization is over axes 1 and 3."""
    x = _float64(x)
    return x.reshape(len(x), -1, groups, x.shape[-1] // groups)


def stretches(x: Any, axis: int) -> np.ndarray:
    """The axes from `axis` on as (..., 1, 1, m): layer normalization, too, is over axes 1 and 3."""
    x = _float64(x)
    return x.reshape(-1, 1, 1, int(np.prod(x.shape[axis:])))


def standardized(x: Any, epsilon: float, rms: bool = False) -> np.ndarray:
    """(x - mean) / sqrt(variance + epsilon) over axes 1 and 3; with rms x in place of x - mean."""
    x = _float64(x)
    mean, variance = x.mean(axis=(1, 3), keepdims=True), x.var(axis=(1, 3), keepdims=True)
    return (x if rms else x - mean) / np.sqrt(variance + epsilon)


def standardized_backward(x: Any, dy: Any, epsilon: float, rms: bool = False) -> np.ndarray:
    """Gradient of sum(dy * standardized(x))."""
    x, dy = _float64(x), _float64(dy)
    over = {"axis": (1, 3), "keepdims": True}
    centered, inverse = x - x.mean(**over), 1.0 / np.sqrt(x.var(**over) + epsilon)
    slope = (dy * (x if rms else centered)).mean(**over) * inverse**2
    return inverse * (dy - (0.0 if rms else dy.mean(**over)) - centered * slope)


def unit_normalization(x: Any) -> np.ndarray:
    """x / sqrt(sum x^2) over the last axis, the factor being at most 1e12."""
    x = _float64(x)
    with np.errstate(divide="ignore"):
        return x * np.minimum(1.0 / np.sqrt((x**2).sum(axis=-1, keepdims=True)), 1e12)


def unit_normalization_backward(x: Any, dy: Any) -> np.ndarray:
    """Gradient of sum(dy * unit_normalization(x)) where the bound does not hold."""
    x, dy = _float64(x), _float64(dy)
    inverse = 1.0 / np.sqrt((x**2).sum(axis=-1, keepdims=True))
    return inverse * (dy - x * inverse**2 * (dy * x).sum(axis=-1, keepdims=True))


def normalization(x: Any, mean: Any, variance: Any, invert: bool = False) -> np.ndarray:
    """(x - mean) / max(sqrt(variance), 1e-7), or the way back; numpy stretches the statistics."""
    deviation = np.maximum(np.sqrt(_float64(variance)), EPSILON)
    return mean + _float64(x) * deviation if invert else (_float64(x) - mean) / deviation


# ---- Random numbers -----------------------------------------------------------------------------


def philox(counter: Any, key: tuple[int, int]) -> np.ndarray:
    """Philox4x32-10 of counters (..., 4): words (..., 4), as uint64 below 2**32.

    Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
    """
    mask = np.uint64(0xFFFFFFFF)
    c = [np.asarray(counter, np.uint64)[..., i] for i in range(4)]
    k = list(key)
    for _ in range(10):
        p0, p1 = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        high0, high1 = p0 >> np.uint64(32), p1 >> np.uint64(32)
        c = [high1 ^ c[1] ^ np.uint64(k[0]), p1 & mask, high0 ^ c[3] ^ np.uint64(k[1]), p0 & mask]
        k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
    return np.stack(c, axis=-1)


def random_bits(size: int, rows: int, seed: int, step: int) -> np.ndarray:
    """The 32-bit numbers of a batch (rows, size), in groups of 64: word by word of 16 counters."""
    groups = -(-size // 64)
    counter = np.zeros((rows, groups, 16, 4), np.uint64)
    counter[..., 0] = np.arange(groups * 16, dtype=np.uint64).reshape(groups, 16)
    counter[..., 1] = np.arange(rows, dtype=np.uint64)[:, None, None]
    counter[..., 2:] = step % 2**32, step // 2**32
    words = philox(counter, (seed % 2**32, seed // 2**32))
    return words.swapaxes(2, 3).reshape(rows, -1)[:, :size]


def dropout_factors(
    shape: tuple[int, ...], rate: float, seed: int, step: int, noise_shape: Any = None
) -> np.ndarray:
    """What dropout multiplies a batch of this shape with: 0 or 1 / (1 - rate)."""
    noise_shape = noise_shape or shape[1:]
    bits = random_bits(int(np.prod(noise_shape)), shape[0], seed, step)
    kept = bits.reshape(-1, *noise_shape) >= round(rate * 2**32)
    return np.broadcast_to(kept, shape) / (1.0 - rate)


def normal_noise(shape: tuple[int, ...], seed: int, step: int) -> np.ndarray:
    """Standard normal numbers for a batch of this shape, by Box and Muller's transform."""
    size = int(np.prod(shape[1:]))
    bits = random_bits(-(-size // 64) * 64, shape[0], seed, step).reshape(shape[0], -1, 2, 32)
    uniform = ((bits >> np.uint64(9)) + 0.5) / 2**23
    radius, angle = np.sqrt(-2.0 * np.log(uniform[:, :, 0])), 2.0 * np.pi * uniform[:, :, 1]
    pairs = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=2)
    return pairs.reshape(shape[0], -1)[:, :size].reshape(shape)


def uniform_numbers(rows: int, count: int, seed: int, step: int) -> np.ndarray:
    """The first numbers of each row (rows, count), in [0, 1)."""
    return (random_bits(count, rows, seed, step) >> np.uint64(8)) / 2.0**24


# ---- Images changed at random -------------------------------------------------------------------

Map = tuple[float, float, float, float, float, float]


def translation(dx: float, dy: float) -> Map:
    """Where output pixel (i, j) comes from: column a0 i + a1 j + a2, row b0 i + b1 j + b2."""
    return 1.0, 0.0, -dx, 0.0, 1.0, -dy


def rotation(radians: float, h: int, w: int) -> Map:
    x, y, c, s = (w - 1) / 2, (h - 1) / 2, np.cos(radians), np.sin(radians)
    return c, -s, x - x * c + y * s, s, c, y - x * s - y * c


def zoom(horizontal: float, vertical: float, h: int, w: int) -> Map:
    x, y = (w - 1) / 2, (h - 1) / 2
    return horizontal, 0.0, x * (1 - horizontal), 0.0, vertical, y * (1 - vertical)


def drawn_map(name: str, attributes: dict[str, Any], u: np.ndarray, h: int, w: int) -> Map:
    """The map that a layer draws with the numbers u in [0, 1) of an image of h x w."""

    def drawn(of: str, number: float) -> float:
        lower, upper = attributes[f"{of}_lower"], attributes[f"{of}_upper"]
        return lower + (upper - lower) * number

    if name == "random_translation":
        return translation(w * drawn("width", u[1]), h * drawn("height", u[0]))
    if name == "random_rotation":
        return rotation(2.0 * np.pi * drawn("factor", u[0]), h, w)
    vertical = 1.0 + drawn("height", u[0])
    horizontal = 1.0 + drawn("width", u[1]) if "width_lower" in attributes else vertical
    return zoom(horizontal, vertical, h, w)


def coordinate_inside(at: float, size: int, fill_mode: str) -> float:
    """The coordinate of an axis that stands for `at`: TensorFlow's MapCoordinate."""
    last = size - 1
    if fill_mode == "constant":
        return at
    if fill_mode == "reflect" and not 0.0 <= at <= last:
        at = (at + 0.5) % (2 * size)
        at = (at if at < size else 2 * size - at) - 0.5
    if fill_mode == "wrap" and size > 1 and at < 0.0:
        at += size * (int(-at / last) + 1)
    elif fill_mode == "wrap" and size > 1 and at > last:
        at -= size * int(at / last)
    return min(max(at, 0.0), float(last))


def sampling_matrix(
    h: int, w: int, drawn: Map, fill_mode: str, interpolation: str, output: Pair | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The share of each input pixel in each output pixel (oh ow, h w), and that of the fill value."""
    oh, ow = output or (h, w)
    inside, outside = np.zeros((oh * ow, h * w)), np.zeros(oh * ow)
    a0, a1, a2, b0, b1, b2 = drawn
    for to, (j, i) in enumerate(np.ndindex(oh, ow)):
        x = coordinate_inside(a0 * i + a1 * j + a2, w, fill_mode)
        y = coordinate_inside(b0 * i + b1 * j + b2, h, fill_mode)
        if interpolation == "nearest":
            taps = [(int(np.floor(y + 0.5)), int(np.floor(x + 0.5)), 1.0)]
        else:
            top, left = int(np.floor(y)), int(np.floor(x))
            taps = [
                (row, column, (1.0 - abs(y - row)) * (1.0 - abs(x - column)))
                for row in (top, top + 1)
                for column in (left, left + 1)
            ]
        for row, column, share in taps:
            if 0 <= row < h and 0 <= column < w:
                inside[to, row * w + column] += share
            else:
                outside[to] += share
    return inside, outside


def crop_window(shape: Pair, output: Pair, seed: int, step: int) -> tuple[int, int, int, int]:
    """What RandomCrop cuts out of images larger than its output: top, left, height, width."""
    u = uniform_numbers(1, 2, seed, step)[0]
    top, left = (int(u[i] * (shape[i] - output[i] + 1)) for i in (0, 1))
    return top, left, *output


def cropping_matrix(h: int, w: int, window: tuple[int, ...], output: Pair) -> np.ndarray:
    """The share of each input pixel in each output pixel (oh ow, h w) of a window, resized."""
    top, left, rows, columns = window
    y, x = rows / output[0], columns / output[1]
    drawn = x, 0.0, x / 2 - 0.5, 0.0, y, y / 2 - 0.5
    part, _ = sampling_matrix(rows, columns, drawn, "nearest", "bilinear", output)
    matrix = np.zeros((*part.shape[:1], h, w))
    matrix[:, top : top + rows, left : left + columns] = part.reshape(-1, rows, columns)
    return matrix.reshape(-1, h * w)


def erased_box(
    shape: Pair, scale: tuple[float, float], factor: tuple[float, float], u: np.ndarray
) -> tuple[slice, slice]:
    """The rows and columns that RandomErasing fills, of the numbers u in [0, 1)."""
    if u[5] >= factor[0] + (factor[1] - factor[0]) * u[4]:
        return slice(0), slice(0)
    box = []
    for size, share, place in ((shape[0], u[1], u[3]), (shape[1], u[0], u[2])):
        length = size * np.sqrt(scale[0] + (scale[1] - scale[0]) * share)
        start = place * (size - length)
        box.append(slice(int(np.ceil(start)), int(np.ceil(start + length))))
    return box[0], box[1]


def flips(rows: int, seed: int, step: int) -> np.ndarray:
    """Which images RandomFlip mirrors (rows,)."""
    return uniform_numbers(rows, 1, seed, step)[:, 0] <= 0.5


def flipped(x: Any, which: np.ndarray, horizontal: bool, vertical: bool) -> np.ndarray:
    """Images (n, h, w, c), some of them mirrored."""
    x = _float64(x)
    mirrored = x[:, :: -1 if vertical else 1, :: -1 if horizontal else 1]
    return np.where(which[:, None, None, None], mirrored, x)


def contrast(x: Any, factor: float) -> np.ndarray:
    """One image (h, w, c): each channel pulled towards its mean, or away from it."""
    mean = _float64(x).mean(axis=(0, 1))
    return (_float64(x) - mean) * factor + mean


def contrast_backward(dy: Any, factor: float) -> np.ndarray:
    dy = _float64(dy)
    return factor * dy + (1.0 - factor) * dy.mean(axis=(0, 1))


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
