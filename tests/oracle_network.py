"""Chains of ops as the oracle computes them, with a bound for what float32 may differ.

Every value carries a bound of the error that a float32 computation of it may have, however it
orders its sums: a sum of k products errs by at most 2 k eps sum|a||b|, and errors of the operands
pass through as the op lets them. Where a ReLU or a maximum is closer than these bounds a float32
computation may decide otherwise; `decided` tells that none is.

With `exact=True` nothing may differ: for inputs and parameters that are small whole numbers
float32 is exact, ties and all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partialmethod
from typing import Any, NamedTuple

import numpy as np

import oracle

EPS = float(np.finfo(np.float32).eps)

# The operations of `core.Network`, without the list of inputs: name and attributes.
Op = tuple[str, dict[str, Any]]


class Bounded(NamedTuple):
    """A value and the bound of its error, of one shape."""

    value: np.ndarray
    error: np.ndarray

    def reshape(self, shape: Sequence[int]) -> Bounded:
        return Bounded(self.value.reshape(shape), self.error.reshape(shape))


def given(value: Any) -> Bounded:
    """A value that float32 holds exactly."""
    value = np.asarray(value, np.float64)
    return Bounded(value, np.zeros_like(value))


def moved(f: Callable[..., np.ndarray], x: Bounded, *arguments: Any) -> Bounded:
    """f(x) for an f that only moves values: so it moves their errors."""
    return Bounded(f(x.value, *arguments), f(x.error, *arguments))


class Normal(NamedTuple):
    """What batch normalization makes of its inputs on the way."""

    centered: Bounded
    inverse: np.ndarray  # 1 / sqrt(variance + epsilon)
    relative: np.ndarray  # its relative error
    gamma: np.ndarray
    beta: np.ndarray
    moments: tuple[Bounded, Bounded]


class Standard(NamedTuple):
    """What layer and group normalization make of their inputs on the way, as (n, pixels, groups, m).

    See `oracle.stretches` and `oracle.grouped`; `gamma` and `beta` are (groups, m).
    """

    view: Bounded
    centered: Bounded
    inverse: np.ndarray  # 1 / sqrt(variance + epsilon)
    relative: np.ndarray  # its relative error
    normal: Bounded
    gamma: np.ndarray
    beta: np.ndarray


class OracleNetwork:
    """A chain of ops: output and gradients with their bounds.

    With `training` the rows are one batch of the given step.
    """

    def __init__(
        self,
        ops: Sequence[Op],
        parameters: Sequence[Any],
        *,
        exact: bool = False,
        training: bool = False,
        step: int = 0,
    ):
        self.ops = ops
        self.exact = exact
        self.training = training
        self.step = step
        self.decided = True
        remaining = [given(p) for p in parameters]
        self.parameters = []  # per op
        for op in ops:
            count = parameter_count(op)
            self.parameters.append(remaining[:count])
            remaining = remaining[count:]
        assert not remaining

    def forward(self, x: Any) -> Bounded:
        """Output for the rows x (n, ...)."""
        self.values = [given(x)]
        self.moving: list[Bounded] = []  # means and variances behind this step
        for (name, attributes), parameters in zip(self.ops, self.parameters, strict=True):
            step = getattr(self, f"_{name}")
            self.values.append(step(attributes, parameters, self.values[-1]))
        return self.values[-1]

    def backward(self, dy: Bounded, skip: int = 0) -> tuple[Bounded, list[Bounded]]:
        """Gradients of sum(dy * output) after `forward`; the last `skip` ops are passed over."""
        gradients: list[Bounded] = []
        for i in reversed(range(len(self.ops) - skip)):
            name, attributes = self.ops[i]
            step = getattr(self, f"_{name}_backward")
            dy, of_parameters = step(attributes, self.parameters[i], self.values[i], dy)
            gradients = [*of_parameters, *gradients]
        return dy, gradients

    # ---- Sums of products -----------------------------------------------------------------------

    def _product(
        self, f: Callable[[Any, Any], np.ndarray], a: Bounded, b: Bounded, length: float
    ) -> Bounded:
        """f(a, b), linear in a and in b, whose results are sums of `length` products."""
        value = f(a.value, b.value)
        largest_a, largest_b = (np.abs(v.value) + v.error for v in (a, b))
        magnitude = f(largest_a, largest_b)
        if self.exact:
            assert magnitude.max(initial=0.0) < 2**24, "too large for float32 to be exact"
            return given(value)
        error = 2 * length * EPS * magnitude + f(a.error, largest_b) + f(largest_a, b.error)
        return Bounded(value, error)

    def _add_bias(self, y: Bounded, parameters: list[Bounded], length: float) -> Bounded:
        if len(parameters) == 1:
            return y
        bias = parameters[1].value
        rounding = 0.0 if self.exact else 2 * EPS
        value = y.value + bias
        return Bounded(value, y.error + rounding * (length * np.abs(bias) + np.abs(value)))

    def _sum_rows(self, dy: Bounded) -> Bounded:
        rows = dy.value.size // dy.value.shape[-1]
        flat = dy.reshape((rows, -1))
        return self._product(lambda ones, d: ones @ d, given(np.ones(rows)), flat, rows)

    def _conv2d(self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded) -> Bounded:
        geometry = convolution_geometry(attributes)
        w = parameters[0]
        length = w.value[..., 0].size
        y = self._product(lambda x, w: oracle.conv2d(x, w, None, *geometry), x, w, length)
        return self._add_bias(y, parameters, length)

    def _conv2d_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        geometry = convolution_geometry(attributes)
        w = parameters[0]
        dx = self._product(
            lambda dy, w: oracle.conv2d_backward(x.value, w, dy, *geometry)[0],
            dy,
            w,
            w.value[:, :, 0].size,
        )
        dw = self._product(
            lambda x, dy: oracle.conv2d_backward(x, w.value, dy, *geometry)[1],
            x,
            dy,
            dy.value[..., 0].size,
        )
        is_plain = geometry[0] == geometry[2] == (1, 1) and geometry[3] == 1
        if w.value.shape[:2] == (3, 3) and is_plain and not self.exact:
            largest_x, largest_dy = (np.abs(v.value) + v.error for v in (x, dy))
            winograd = oracle.winograd_gradient_bound(largest_x, largest_dy, geometry[1], EPS)
            dw = Bounded(dw.value, dw.error + winograd)
        return dx, [dw, self._sum_rows(dy)][: len(parameters)]

    def _conv2d_transpose(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        geometry = transposed_geometry(attributes)
        w = parameters[0]
        length = w.value[:, :, 0].size
        y = self._product(lambda x, w: oracle.conv2d_transpose(x, w, *geometry), x, w, length)
        return self._add_bias(y, parameters, length)

    def _conv2d_transpose_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        geometry = transposed_geometry(attributes)
        w = parameters[0]
        dx = self._product(
            lambda dy, w: oracle.conv2d_transpose_backward(x.value, w, dy, *geometry)[0],
            dy,
            w,
            w.value[..., 0].size,
        )
        dw = self._product(
            lambda x, dy: oracle.conv2d_transpose_backward(x, w.value, dy, *geometry)[1],
            x,
            dy,
            x.value[..., 0].size,
        )
        return dx, [dw, self._sum_rows(dy)][: len(parameters)]

    def _depthwise_conv2d(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        geometry = convolution_geometry(attributes)[:3]
        w = parameters[0]
        length = float(np.prod(w.value.shape[:2]))
        y = self._product(lambda x, w: oracle.depthwise_conv2d(x, w, *geometry), x, w, length)
        return self._add_bias(y, parameters, length)

    def _depthwise_conv2d_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        geometry = convolution_geometry(attributes)[:3]
        w = parameters[0]
        dx = self._product(
            lambda dy, w: oracle.depthwise_conv2d_backward(x.value, w, dy, *geometry)[0],
            dy,
            w,
            w.value[:, :, 0].size,
        )
        dw = self._product(
            lambda x, dy: oracle.depthwise_conv2d_backward(x, w.value, dy, *geometry)[1],
            x,
            dy,
            dy.value[..., 0].size,
        )
        return dx, [dw, self._sum_rows(dy)][: len(parameters)]

    def _dense(self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded) -> Bounded:
        w = parameters[0]
        length = w.value.shape[0]
        return self._add_bias(self._product(oracle.dense, x, w, length), parameters, length)

    def _dense_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        w = parameters[0]
        dx = self._product(lambda dy, w: dy @ w.T, dy, w, w.value.shape[1])
        dw = self._product(
            lambda x, dy: oracle.dense_backward(x, w.value, dy)[1], x, dy, dy.value[..., 0].size
        )
        return dx, [dw, self._sum_rows(dy)][: len(parameters)]

    # ---- Pooling --------------------------------------------------------------------------------

    def _max_pooling2d(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        window = attributes["pool_size"], attributes["strides"], attributes["padding"]
        self._decide_maxima(x, *window)
        return Bounded(
            oracle.max_pooling2d(x.value, *window), oracle.max_pooling2d(x.error, *window)
        )

    def _decide_maxima(
        self, x: Bounded, pool_size: oracle.Pair, strides: oracle.Pair, padding: str
    ) -> None:
        cells = oracle.windows(x.value, pool_size, strides, padding, -np.inf)
        errors = oracle.windows(x.error, pool_size, strides, padding, 0.0)
        cells = cells.reshape(*cells.shape[:4], -1)
        errors = errors.reshape(cells.shape)
        best = cells.argmax(axis=-1)[..., None]
        gap = np.take_along_axis(cells, best, axis=-1) - cells
        doubt = np.take_along_axis(errors, best, axis=-1) + errors
        is_other = np.arange(cells.shape[-1]) != best
        self.decided &= not (is_other & (gap <= doubt) & (doubt > 0.0)).any()

    def _max_pooling2d_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        window = attributes["pool_size"], attributes["strides"], attributes["padding"]
        dx = self._product(
            lambda dy, one: one * oracle.max_pooling2d_backward(x.value, dy, *window),
            dy,
            given(1.0),
            float(np.prod(attributes["pool_size"])),
        )
        return dx, []

    def _average_pooling2d(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        window = attributes["pool_size"], attributes["strides"], attributes["padding"]
        return self._product(
            lambda x, one: one * oracle.average_pooling2d(x, *window),
            x,
            given(1.0),
            float(np.prod(attributes["pool_size"])) + 2,
        )

    def _average_pooling2d_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        window = attributes["pool_size"], attributes["strides"], attributes["padding"]
        dx = self._product(
            lambda dy, one: one * oracle.average_pooling2d_backward(x.value, dy, *window),
            dy,
            given(1.0),
            float(np.prod(attributes["pool_size"])) + 2,
        )
        return dx, []

    def _global_max_pooling2d(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        height, width = x.value.shape[1:3]
        self._decide_maxima(x, (height, width), (1, 1), "valid")
        return Bounded(oracle.global_max_pooling2d(x.value), oracle.global_max_pooling2d(x.error))

    def _global_max_pooling2d_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        dx = self._product(
            lambda dy, one: one * oracle.global_max_pooling2d_backward(x.value, dy),
            dy,
            given(1.0),
            1.0,
        )
        return dx, []

    # ---- Sequences: images of height 1 ----------------------------------------------------------

    def _of_height_1(
        self, name: str, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        step = getattr(self, f"_{name}")
        return narrow(step(wide_windows(attributes), wide_kernel(parameters), wide(x)))

    def _of_height_1_backward(
        self,
        name: str,
        attributes: dict[str, Any],
        parameters: list[Bounded],
        x: Bounded,
        dy: Bounded,
    ) -> tuple[Bounded, list[Bounded]]:
        step = getattr(self, f"_{name}_backward")
        dx, gradients = step(wide_windows(attributes), wide_kernel(parameters), wide(x), wide(dy))
        shaped = [g.reshape(p.value.shape) for g, p in zip(gradients, parameters, strict=True)]
        return narrow(dx), shaped

    _conv1d = partialmethod(_of_height_1, "conv2d")
    _conv1d_backward = partialmethod(_of_height_1_backward, "conv2d")
    _max_pooling1d = partialmethod(_of_height_1, "max_pooling2d")
    _max_pooling1d_backward = partialmethod(_of_height_1_backward, "max_pooling2d")
    _average_pooling1d = partialmethod(_of_height_1, "average_pooling2d")
    _average_pooling1d_backward = partialmethod(_of_height_1_backward, "average_pooling2d")
    _global_max_pooling1d = partialmethod(_of_height_1, "global_max_pooling2d")
    _global_max_pooling1d_backward = partialmethod(_of_height_1_backward, "global_max_pooling2d")
    _zero_padding1d = partialmethod(_of_height_1, "zero_padding2d")
    _zero_padding1d_backward = partialmethod(_of_height_1_backward, "zero_padding2d")

    # ---- Random masks and noise -----------------------------------------------------------------

    def _dropout(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        return self._times(x, self._dropout_factors(attributes, x))

    def _dropout_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        return self._times(dy, self._dropout_factors(attributes, x)), []

    def _dropout_factors(self, attributes: dict[str, Any], x: Bounded) -> Bounded:
        if not self.training:
            return given(1.0)
        seed, noise_shape = attributes["seed"], attributes.get("noise_shape")
        factors = oracle.dropout_factors(
            x.value.shape, attributes["rate"], seed, self.step, noise_shape
        )
        return Bounded(factors, EPS * factors)

    def _gaussian_noise(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        if not self.training:
            return x
        noise = self._noise(attributes["seed"], x, 0.0, attributes["stddev"])
        value = x.value + noise.value
        return Bounded(value, x.error + noise.error + EPS * np.abs(value))

    def _gaussian_noise_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        return dy, []

    def _gaussian_dropout(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        return self._times(x, self._gaussian_factors(attributes, x))

    def _gaussian_dropout_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        return self._times(dy, self._gaussian_factors(attributes, x)), []

    def _gaussian_factors(self, attributes: dict[str, Any], x: Bounded) -> Bounded:
        if not self.training:
            return given(1.0)
        rate = attributes["rate"]
        return self._noise(attributes["seed"], x, 1.0, (rate / (1.0 - rate)) ** 0.5)

    def _noise(self, seed: int, x: Bounded, mean: float, deviation: float) -> Bounded:
        """An angle below 2 pi and a logarithm below 34 err by eps times their size."""
        noise = deviation * oracle.normal_noise(x.value.shape, seed, self.step)
        return Bounded(mean + noise, EPS * (60.0 * deviation + mean + np.abs(noise)))

    # ---- Images changed at random ---------------------------------------------------------------

    def _random_flip(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        if not self.training:
            return x
        which = oracle.flips(len(x.value), attributes["seed"], self.step)
        directions = attributes["horizontal"], attributes["vertical"]
        return Bounded(*(oracle.flipped(part, which, *directions) for part in x))

    def _random_flip_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        return self._random_flip(attributes, parameters, dy), []

    def _sampled(self, name: str, attributes: dict[str, Any], x: Bounded) -> Bounded:
        """Coordinates err by eps times what they are summed of, and shares of pixels as much."""
        if not self.training:
            return x
        n, h, w, c = x.value.shape
        fill = attributes["fill_value"]
        doubt = 16 * EPS * (h + w)
        values, errors = np.empty((n, h * w, c)), np.empty((n, h * w, c))
        for row, (inside, outside) in enumerate(self._sampling(name, attributes, n, h, w)):
            flat = x.value[row].reshape(-1, c)
            values[row] = inside @ flat + outside[:, None] * fill
            largest = max(np.abs(flat).max(), abs(fill))
            errors[row] = inside @ x.error[row].reshape(-1, c) + 8 * (doubt + EPS) * largest
        return Bounded(values, errors).reshape(x.value.shape)

    def _sampled_backward(
        self, name: str, attributes: dict[str, Any], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        if not self.training:
            return dy, []
        n, h, w, c = x.value.shape
        doubt = 16 * EPS * (h + w)
        values, errors = np.empty((n, h * w, c)), np.empty((n, h * w, c))
        for row, (inside, _) in enumerate(self._sampling(name, attributes, n, h, w)):
            flat = dy.value[row].reshape(-1, c)
            values[row] = inside.T @ flat
            errors[row] = inside.T @ dy.error[row].reshape(-1, c)
            errors[row] += 2 * (doubt + h * w * EPS) * np.abs(flat).sum(axis=0)
        return Bounded(values, errors).reshape(x.value.shape), []

    def _sampling(
        self, name: str, attributes: dict[str, Any], n: int, h: int, w: int
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        how = attributes["fill_mode"], attributes["interpolation"]
        numbers = oracle.uniform_numbers(n, 2, attributes["seed"], self.step)
        maps = [oracle.drawn_map(name, attributes, u, h, w) for u in numbers]
        return [oracle.sampling_matrix(h, w, drawn, *how) for drawn in maps]

    def _random_contrast(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        if not self.training:
            return x
        raw = self._contrasted(attributes, x)
        return self._clipped(attributes, raw)

    def _random_contrast_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        if not self.training:
            return dy, []
        dy = self._where_not_clipped(attributes, self._contrasted(attributes, x), dy)
        factors = self._colors(attributes, x)
        value = [oracle.contrast_backward(d, f) for d, f in zip(dy.value, factors, strict=True)]
        size = np.abs(dy.value).max(axis=(1, 2), keepdims=True)
        error = 3 * dy.error.max(axis=(1, 2), keepdims=True) + 12 * EPS * size
        return Bounded(np.stack(value), error + np.zeros_like(dy.value)), []

    def _random_brightness(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        return self._clipped(attributes, self._brightened(attributes, x)) if self.training else x

    def _random_brightness_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        if not self.training:
            return dy, []
        return self._where_not_clipped(attributes, self._brightened(attributes, x), dy), []

    def _colors(self, attributes: dict[str, Any], x: Bounded) -> np.ndarray:
        u = oracle.uniform_numbers(len(x.value), 1, attributes["seed"], self.step)[:, 0]
        lower, upper = attributes["factor_lower"], attributes["factor_upper"]
        return lower + (upper - lower) * u

    def _contrasted(self, attributes: dict[str, Any], x: Bounded) -> Bounded:
        """Factors of at most 2: a value errs by those of it and of the mean, and roundings."""
        factors = self._colors(attributes, x)
        value = [oracle.contrast(image, f) for image, f in zip(x.value, factors, strict=True)]
        size = np.abs(x.value).max(axis=(1, 2), keepdims=True)
        error = 3 * x.error.max(axis=(1, 2), keepdims=True) + 12 * EPS * size
        return Bounded(np.stack(value), error + np.zeros_like(x.value))

    def _brightened(self, attributes: dict[str, Any], x: Bounded) -> Bounded:
        width = attributes["value_upper"] - attributes["value_lower"]
        value = x.value + (width * self._colors(attributes, x))[:, None, None, None]
        return Bounded(value, x.error + 4 * EPS * (np.abs(value) + width))

    def _clipped(self, attributes: dict[str, Any], x: Bounded) -> Bounded:
        bounds = attributes["value_lower"], attributes["value_upper"]
        for bound in bounds:
            self.decided &= bool((np.abs(x.value - bound) > x.error).all())
        return Bounded(np.clip(x.value, *bounds), x.error)

    def _where_not_clipped(self, attributes: dict[str, Any], x: Bounded, dy: Bounded) -> Bounded:
        inside = (attributes["value_lower"] <= x.value) & (x.value <= attributes["value_upper"])
        return Bounded(inside * dy.value, inside * dy.error)

    def _random_crop(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        n, _, _, c = x.value.shape
        matrix = given(self._cropping(attributes, x))
        flat = x.reshape((n, -1, c))
        y = self._product(lambda m, v: m @ v, matrix, flat, 4.0)
        return y.reshape((n, attributes["height"], attributes["width"], c))

    def _random_crop_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        matrix = given(self._cropping(attributes, x).T)
        flat = dy.reshape((len(dy.value), -1, dy.value.shape[-1]))
        dx = self._product(lambda m, v: m @ v, matrix, flat, float(matrix.value.shape[1]))
        return dx.reshape(x.value.shape), []

    def _cropping(self, attributes: dict[str, Any], x: Bounded) -> np.ndarray:
        h, w = x.value.shape[1:3]
        output = attributes["height"], attributes["width"]
        window = attributes["window"]
        if self.training:
            drawn = oracle.crop_window((h, w), output, attributes["seed"], self.step)
            window = attributes.get("training_window", drawn)
        return oracle.cropping_matrix(h, w, window, output)

    def _random_erasing(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        color = np.array(attributes["fill_value"])
        return self._erased(attributes, x, color, 0.0)

    def _random_erasing_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        return self._erased(attributes, dy, 0.0, 0.0), []

    def _erased(self, attributes: dict[str, Any], x: Bounded, value: Any, error: float) -> Bounded:
        if not self.training:
            return x
        values, errors = x.value.copy(), x.error.copy()
        numbers = oracle.uniform_numbers(len(values), 6, attributes["seed"], self.step)
        scale, factor = (
            (attributes[f"{name}_lower"], attributes[f"{name}_upper"])
            for name in ("scale", "factor")
        )
        for row, u in enumerate(numbers):
            box = oracle.erased_box(values.shape[1:3], scale, factor, u)
            values[row][box], errors[row][box] = value, error
        return Bounded(values, errors)

    def _random_translation(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        return self._sampled("random_translation", attributes, x)

    def _random_translation_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        return self._sampled_backward("random_translation", attributes, x, dy)

    def _random_rotation(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        return self._sampled("random_rotation", attributes, x)

    def _random_rotation_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        return self._sampled_backward("random_rotation", attributes, x, dy)

    def _random_zoom(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        return self._sampled("random_zoom", attributes, x)

    def _random_zoom_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        return self._sampled_backward("random_zoom", attributes, x, dy)

    def _times(self, x: Bounded, factors: Bounded) -> Bounded:
        return self._product(lambda a, b: a * b, x, factors, 1.0)

    # ---- Batch normalization --------------------------------------------------------------------

    def _batch_normalization(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        n = self._normal(attributes, parameters, x)
        if self.training:
            momentum = attributes["momentum"]
            for moving, batch in zip(parameters[-2:], n.moments, strict=True):
                value = momentum * moving.value + (1.0 - momentum) * batch.value
                self.moving.append(
                    Bounded(value, (1 - momentum) * batch.error + 4 * EPS * (1 + np.abs(value)))
                )
        scaled = n.gamma * n.inverse * n.centered.value
        error = np.abs(n.gamma) * n.inverse * n.centered.error + np.abs(scaled) * n.relative
        beta = np.abs(n.beta)
        return Bounded(scaled + n.beta, error + 4 * EPS * (np.abs(scaled) + beta))

    def _batch_normalization_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        n = self._normal(attributes, parameters, x)
        epsilon = attributes["epsilon"]
        length = x.value.size // x.value.shape[-1]
        flat = [b.reshape((length, -1)) for b in (n.centered, dy)]
        product = self._product(lambda a, b: (a * b).sum(axis=0), *flat, length)
        dbeta = self._sum_rows(dy)
        dgamma = Bounded(
            n.inverse * product.value,
            n.inverse * (product.error + (n.relative + 2 * EPS) * np.abs(product.value)),
        )
        scale = np.abs(n.gamma) * n.inverse
        if self.training:
            value = oracle.batch_normalization_of_batch_backward(
                x.value, n.gamma, dy.value, epsilon
            )[0]
            of_mean, of_product = (
                (np.abs(b.value) / length, b.error / length) for b in (dbeta, product)
            )
            c = np.abs(n.centered.value)
            square = n.inverse**2
            size = np.abs(dy.value) + of_mean[0] + c * square * of_product[0]
            error = dy.error + of_mean[1] + c * square * of_product[1]
            error = error + (n.centered.error + 2 * c * n.relative) * square * of_product[0]
            dx = Bounded(value, scale * (error + size * (n.relative + 8 * EPS)))
        else:
            value = n.gamma * n.inverse * dy.value
            dx = Bounded(value, scale * dy.error + np.abs(value) * (n.relative + 4 * EPS))
        kept = [g for g, name in ((dgamma, "scale"), (dbeta, "center")) if attributes[name]]
        return dx, [*kept, given(np.zeros_like(n.gamma)), given(np.zeros_like(n.gamma))]

    def _normal(self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded) -> Normal:
        *trained, moving_mean, moving_variance = parameters
        one = np.ones_like(moving_mean.value)
        gamma = trained[0].value if attributes["scale"] else one
        beta = trained[-1].value if attributes["center"] else 0.0 * one
        axes = tuple(range(x.value.ndim - 1))
        mean, variance = moving_mean, moving_variance
        if self.training:
            mean = mean_of(x, axes).reshape((-1,))
        centered = difference(x, mean)
        if self.training:
            variance = mean_square_of(centered, axes).reshape((-1,))
        inverse, relative = inverse_root(variance, attributes["epsilon"])
        return Normal(centered, inverse, relative, gamma, beta, (mean, variance))

    # ---- Normalization within rows --------------------------------------------------------------

    def _layer_normalization(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        return self._standardize(attributes, parameters, x)

    def _layer_normalization_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        return self._standardize_backward(attributes, parameters, x, dy)

    def _group_normalization(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        return self._standardize(attributes, parameters, x)

    def _group_normalization_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        return self._standardize_backward(attributes, parameters, x, dy)

    def _standardize(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        s = self._standard(attributes, parameters, x)
        scaled = s.gamma * s.normal.value
        error = np.abs(s.gamma) * s.normal.error + 4 * EPS * (np.abs(scaled) + np.abs(s.beta))
        return Bounded(scaled + s.beta, error).reshape(x.value.shape)

    def _standardize_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        s = self._standard(attributes, parameters, x)
        dy = dy.reshape(s.view.value.shape)
        rms = attributes.get("rms_scaling", False)
        n, pixels, _, m = s.view.value.shape
        over = {"axis": (1, 3), "keepdims": True}
        g = s.gamma * dy.value
        g_error = np.abs(s.gamma) * dy.error + EPS * np.abs(g)
        mean = mean_of(Bounded(g, g_error), (1, 3))
        shifted = s.view if rms else s.centered
        product = self._product(
            lambda a, b: (a * b).mean(**over), Bounded(g, g_error), shifted, pixels * m
        )
        c, square = np.abs(s.centered.value), s.inverse**2
        of_mean = np.abs(mean.value) * (not rms)
        size = np.abs(g) + of_mean + c * square * np.abs(product.value)
        error = g_error + mean.error + c * square * product.error
        error = error + (s.centered.error + 2 * c * s.relative) * square * np.abs(product.value)
        value = oracle.standardized_backward(s.view.value, g, attributes["epsilon"], rms)
        dx = Bounded(value, s.inverse * (error + size * (s.relative + 8 * EPS)))
        dgamma = self._product(lambda a, b: (a * b).sum(axis=(0, 1)), s.normal, dy, n * pixels)
        dbeta = self._product(lambda a, b: (a * b).sum(axis=(0, 1)), given(1.0), dy, n * pixels)
        kept = [g for g, name in ((dgamma, "scale"), (dbeta, "center")) if attributes[name]]
        shapes = [parameter.value.shape for parameter in parameters]
        gradients = [g.reshape(shape) for g, shape in zip(kept, shapes, strict=True)]
        return dx.reshape(x.value.shape), gradients

    def _standard(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Standard:
        if "groups" in attributes:
            view = oracle.grouped(x.value, attributes["groups"])
        else:
            view = oracle.stretches(x.value, attributes["axis"])
        x = x.reshape(view.shape)
        centered = difference(x, mean_of(x, (1, 3)))
        variance = mean_square_of(centered, (1, 3))
        inverse, relative = inverse_root(variance, attributes["epsilon"])
        shifted = x if attributes.get("rms_scaling") else centered
        normal = inverse * shifted.value
        error = inverse * shifted.error + np.abs(normal) * (relative + 2 * EPS)
        weights = [parameter.value.reshape(view.shape[2:]) for parameter in parameters]
        gamma = weights[0] if attributes["scale"] else np.ones(view.shape[2:])
        beta = weights[-1] if attributes["center"] else np.zeros(view.shape[2:])
        return Standard(x, centered, inverse, relative, Bounded(normal, error), gamma, beta)

    def _normalization(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        mean, variance = self._given_statistics(attributes, parameters, x)
        y = oracle.normalization(x.value, mean, variance, attributes["invert"])
        slope = np.abs(oracle.normalization(1.0, 0.0, variance, attributes["invert"]))
        size = np.abs(y) + slope * np.abs(mean) + np.abs(mean) * attributes["invert"]
        return Bounded(y, slope * x.error + 4 * EPS * size)

    def _normalization_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        _, variance = self._given_statistics(attributes, parameters, x)
        slope = oracle.normalization(1.0, 0.0, variance, attributes["invert"])
        dx = Bounded(slope * dy.value, slope * dy.error + 4 * EPS * np.abs(slope * dy.value))
        return dx, [given(np.zeros_like(parameter.value)) for parameter in parameters]

    def _given_statistics(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance, with axes of 1 where they are the same."""
        shape = [
            size if axis in attributes["axis"] else 1 for axis, size in enumerate(x.value.shape)
        ]
        if parameters:
            mean, variance = (parameter.value for parameter in parameters[:2])
        else:
            mean, variance = (np.array(attributes[name]) for name in ("mean", "variance"))
        return mean.reshape(shape), variance.reshape(shape)

    def _unit_normalization(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        view = x.reshape((*x.value.shape[: attributes["axis"]], -1))
        factor, relative = self._unit_factor(view)
        y = factor * view.value
        error = factor * view.error + np.abs(y) * (relative + 2 * EPS)
        return Bounded(y, error).reshape(x.value.shape)

    def _unit_normalization_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        view = x.reshape((*x.value.shape[: attributes["axis"]], -1))
        dy = dy.reshape(view.value.shape)
        factor, relative = self._unit_factor(view)
        product = self._product(
            lambda a, b: (a * b).sum(axis=-1, keepdims=True), view, dy, view.value.shape[-1]
        )
        slope = factor**2 * np.abs(product.value)
        size = np.abs(dy.value) + np.abs(view.value) * slope
        error = dy.error + np.abs(view.value) * factor**2 * product.error + view.error * slope
        value = oracle.unit_normalization_backward(view.value, dy.value)
        dx = Bounded(value, factor * (error + size * (3 * relative + 8 * EPS)))
        return dx.reshape(x.value.shape), []

    def _unit_factor(self, x: Bounded) -> tuple[np.ndarray, np.ndarray]:
        """1 / sqrt(sum x^2) and its relative error."""
        m = x.value.shape[-1]
        mean = mean_square_of(x, (-1,))
        return inverse_root(Bounded(m * mean.value, m * mean.error), 0.0)

    # ---- Shapes ---------------------------------------------------------------------------------

    def _reshape(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        return x.reshape((len(x.value), *attributes["target_shape"]))

    def _reshape_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        return dy.reshape(x.value.shape), []

    def _zero_padding2d(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        return moved(oracle.zero_padding2d, x, attributes["padding"])

    def _zero_padding2d_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        return moved(oracle.cropping2d, dy, attributes["padding"]), []

    def _cropping2d(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        return moved(oracle.cropping2d, x, attributes["cropping"])

    def _cropping2d_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        return moved(oracle.zero_padding2d, dy, attributes["cropping"]), []

    def _permute(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        return moved(oracle.permute, x, attributes["dims"])

    def _permute_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        return moved(oracle.permute_backward, dy, attributes["dims"]), []

    def _up_sampling2d(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        if attributes["interpolation"] == "nearest":
            return moved(oracle.up_sampling2d, x, attributes["size"], "nearest")
        # a + (b - a) t, along each axis: roundings of a, b, b - a, t and the sum.
        return self._product(
            lambda x, one: one * oracle.up_sampling2d(x, attributes["size"], "bilinear"),
            x,
            given(1.0),
            2 * 5,
        )

    def _up_sampling2d_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        size, interpolation = attributes["size"], attributes["interpolation"]
        # Of a pixel, twice as many along each axis have a share; two factors each are rounded.
        length = float(np.prod(size)) * (1 if interpolation == "nearest" else 4) + 4
        dx = self._product(
            lambda dy, one: one * oracle.up_sampling2d_backward(dy, size, interpolation),
            dy,
            given(1.0),
            length,
        )
        return dx, []

    # ---- Activations ----------------------------------------------------------------------------

    def _activation(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded
    ) -> Bounded:
        return getattr(self, f"_{attributes['activation']}")(x)

    def _activation_backward(
        self, attributes: dict[str, Any], parameters: list[Bounded], x: Bounded, dy: Bounded
    ) -> tuple[Bounded, list[Bounded]]:
        return getattr(self, f"_{attributes['activation']}_backward")(x, dy), []

    def _linear(self, x: Bounded) -> Bounded:
        return x

    def _linear_backward(self, x: Bounded, dy: Bounded) -> Bounded:
        return dy

    def _relu(self, x: Bounded) -> Bounded:
        self.decided &= bool(((np.abs(x.value) > x.error) | (x.error == 0.0)).all())
        return Bounded(oracle.relu(x.value), np.where(x.value < -x.error, 0.0, x.error))

    def _relu_backward(self, x: Bounded, dy: Bounded) -> Bounded:
        return Bounded(
            oracle.relu_backward(x.value, dy.value), oracle.relu_backward(x.value, dy.error)
        )

    def _sigmoid(self, x: Bounded) -> Bounded:
        y = oracle.sigmoid(x.value)
        return Bounded(y, x.error / 4 + 8 * EPS * y)

    def _sigmoid_backward(self, x: Bounded, dy: Bounded) -> Bounded:
        y = self._sigmoid(x)  # y (1 - y) has a slope of at most 1
        value = oracle.sigmoid_backward(x.value, dy.value)
        return Bounded(value, dy.error / 4 + np.abs(dy.value) * (y.error + 8 * EPS))

    def _tanh(self, x: Bounded) -> Bounded:
        y = oracle.tanh(x.value)
        return Bounded(y, x.error + 8 * EPS * np.abs(y))

    def _tanh_backward(self, x: Bounded, dy: Bounded) -> Bounded:
        y = self._tanh(x)  # 1 - y^2 has a slope of at most 2
        value = oracle.tanh_backward(x.value, dy.value)
        return Bounded(value, dy.error + np.abs(dy.value) * (2 * y.error + 8 * EPS))

    def _softmax(self, x: Bounded) -> Bounded:
        y = oracle.softmax(x.value)
        return Bounded(y, y * softmax_relative_error(x))

    def _softmax_backward(self, x: Bounded, dy: Bounded) -> Bounded:
        y = self._softmax(x)
        size = np.abs(dy.value) + dy.error
        terms = size + (size * (y.value + y.error)).sum(axis=-1, keepdims=True)
        from_y = y.error * terms + y.value * (size * y.error).sum(axis=-1, keepdims=True)
        from_dy = y.value * (dy.error + (dy.error * y.value).sum(axis=-1, keepdims=True))
        rounding = 2 * (x.value.shape[-1] + 4) * EPS * y.value * terms
        return Bounded(oracle.softmax_backward(x.value, dy.value), from_y + from_dy + rounding)


def convolution_geometry(attributes: dict[str, Any]) -> tuple[Any, ...]:
    """Strides, padding, dilation and groups."""
    dilation, groups = attributes.get("dilation_rate", (1, 1)), attributes.get("groups", 1)
    return attributes["strides"], attributes["padding"], dilation, groups


def transposed_geometry(attributes: dict[str, Any]) -> tuple[Any, ...]:
    """Strides, padding, output padding and dilation."""
    dilation, extra = attributes.get("dilation_rate", (1, 1)), attributes.get("output_padding")
    return attributes["strides"], attributes["padding"], extra, dilation


def mean_of(x: Bounded, axes: tuple[int, ...]) -> Bounded:
    length = x.value.size / np.prod(np.delete(x.value.shape, axes))
    size = np.abs(x.value).mean(axis=axes, keepdims=True)
    error = x.error.mean(axis=axes, keepdims=True) + 2 * length * EPS * size
    return Bounded(x.value.mean(axis=axes, keepdims=True), error)


def difference(a: Bounded, b: Bounded) -> Bounded:
    value = a.value - b.value
    return Bounded(value, a.error + b.error + EPS * np.abs(value))


def mean_square_of(x: Bounded, axes: tuple[int, ...]) -> Bounded:
    square = Bounded(x.value**2, (2 * np.abs(x.value) + x.error) * x.error)
    return mean_of(square, axes)


def inverse_root(x: Bounded, epsilon: float) -> tuple[np.ndarray, np.ndarray]:
    """1 / sqrt(x + epsilon) and its relative error."""
    sum_ = x.value + epsilon
    assert (x.error < 0.1 * sum_).all(), "a variance too uncertain to be bounded"
    return 1.0 / np.sqrt(sum_), 0.6 * x.error / sum_ + 4 * EPS


def wide(x: Bounded) -> Bounded:
    """Sequences (n, steps, c) as images (n, 1, steps, c)."""
    return x.reshape((len(x.value), 1, *x.value.shape[1:]))


def narrow(x: Bounded) -> Bounded:
    """The inverse of `wide`."""
    return x.reshape((len(x.value), *x.value.shape[2:]))


def wide_kernel(parameters: list[Bounded]) -> list[Bounded]:
    return [p.reshape((1, *p.value.shape)) if p.value.ndim > 1 else p for p in parameters]


def wide_windows(attributes: dict[str, Any]) -> dict[str, Any]:
    """Attributes of an op on sequences as that on images of height 1 has them."""
    in_front = {"kernel_size": (1,), "pool_size": (1,), "strides": (1,), "padding": (0, 0)}
    return {
        key: (*in_front[key], *value) if isinstance(value, tuple) else value
        for key, value in attributes.items()
    }


def softmax_relative_error(x: Bounded) -> np.ndarray:
    """exp(x - max) moves by the errors of both; its argument, sum and quotient are rounded."""
    n = x.value.shape[-1]
    below = x.value.max(axis=-1, keepdims=True) - x.value
    return 2.2 * x.error.max(axis=-1, keepdims=True) + EPS * (n + 8 + below)


def parameter_count(op: Op) -> int:
    """How many parameters an op has."""
    name, attributes = op
    if name == "batch_normalization":
        return 2 + attributes["center"] + attributes["scale"]
    if name in {"group_normalization", "layer_normalization"}:
        return attributes["center"] + attributes["scale"]
    if name == "normalization":
        return 0 if "mean" in attributes else 3
    has_kernel = {"conv1d", "conv2d", "conv2d_transpose", "dense", "depthwise_conv2d"}
    return 1 + attributes["use_bias"] if name in has_kernel else 0
