"""`convlet.ops` against the float64 oracle, on every instruction set that this machine has."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import oracle
from convlet import _native, layers, ops
from convlet.optimizers import SGD
from tolerance import (
    EPS,
    TINY,
    assert_same_specials,
    assert_sum_of_products,
    assert_within,
)

# Sizes that straddle the vector width, as factor and summand of the number of lanes; and a prime.
STRADDLING = {"1": (0, 1), "lanes-1": (1, -1), "lanes": (1, 0), "lanes+1": (1, 1), "37": (0, 37)}
BATCHES = [1, 2, 3, 7, 13]
THREADS = [1, 2, 3, 7]
KERNELS = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (1, 3), (4, 1), (2, 5), (3, 2)]
STRIDES = [(1, 1), (2, 2), (1, 2), (3, 1), (3, 3)]
PADDINGS = ["valid", "same"]
ACTIVATIONS = ["linear", "relu", "sigmoid", "tanh", "softmax"]

straddling = pytest.mark.parametrize("size", STRADDLING)
geometries = pytest.mark.parametrize(
    ("kernel", "strides", "padding"), list(itertools.product(KERNELS, STRIDES, PADDINGS)), ids=str
)


def channels(core: ModuleType, size: str) -> int:
    """The number that a key of STRADDLING stands for."""
    factor, summand = STRADDLING[size]
    return factor * core.LANES + summand


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def small_integers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Whole numbers from -2 to 2: ties abound."""
    return rng.integers(-2, 3, size=shape).astype(np.float32)


def test_ops_use_the_chosen_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or else the tests below would test one instruction set several times."""
    monkeypatch.setattr(_native, "core", None)
    with pytest.raises(AttributeError, match="NoneType"):
        ops.relu(np.zeros(3, np.float32))


# ---- Conv2D -------------------------------------------------------------------------------------


def check_conv2d(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    geometry: tuple[oracle.Pair, str],
    rng: np.random.Generator,
) -> None:
    """Forward and backward of one convolution; geometry is strides and padding."""
    magnitudes = np.abs(x), np.abs(w), None if b is None else np.abs(b)
    y = oracle.conv2d(x, w, b, *geometry)
    assert_sum_of_products(
        ops.conv2d(x, w, b, *geometry),
        y,
        oracle.conv2d(*magnitudes, *geometry),
        w[..., 0].size + 1,
    )
    dy = floats(rng, *y.shape)
    actual = ops.conv2d_backward(x, w, dy, *geometry)
    expected = oracle.conv2d_backward(x, w, dy, *geometry)
    magnitude = oracle.conv2d_backward(*magnitudes[:2], np.abs(dy), *geometry)
    positions = dy[..., 0].size
    lengths = w[:, :, 0].size, positions, positions
    for results in zip(actual, expected, magnitude, lengths, strict=True):
        assert_sum_of_products(*results)


@geometries
def test_conv2d_geometry(
    core: ModuleType,
    rng: np.random.Generator,
    *,
    kernel: oracle.Pair,
    strides: oracle.Pair,
    padding: str,
) -> None:
    core.set_num_threads(2)
    x = floats(rng, 2, 7, 8, 3)
    w = floats(rng, *kernel, 3, core.LANES + 1)
    check_conv2d(x, w, floats(rng, core.LANES + 1), (strides, padding), rng)


@pytest.mark.parametrize("outputs", STRADDLING)
@pytest.mark.parametrize("inputs", STRADDLING)
def test_conv2d_channels(
    core: ModuleType, rng: np.random.Generator, inputs: str, outputs: str
) -> None:
    ic, oc = channels(core, inputs), channels(core, outputs)
    check_conv2d(floats(rng, 3, 6, 5, ic), floats(rng, 3, 3, ic, oc), None, ((1, 1), "valid"), rng)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("batch", BATCHES)
def test_conv2d_batch_and_threads(
    core: ModuleType, rng: np.random.Generator, batch: int, threads: int
) -> None:
    core.set_num_threads(threads)
    x, w, b = floats(rng, batch, 6, 6, 2), floats(rng, 3, 3, 2, 5), floats(rng, 5)
    check_conv2d(x, w, b, ((1, 1), "same"), rng)


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (3, 1), (2, 2)])
def test_conv2d_kernel_larger_than_image(
    core: ModuleType, rng: np.random.Generator, size: oracle.Pair
) -> None:
    check_conv2d(floats(rng, 2, *size, 2), floats(rng, 5, 4, 2, 3), None, ((2, 1), "same"), rng)


def test_conv2d_of_whole_numbers_is_exact(core: ModuleType, rng: np.random.Generator) -> None:
    x, w = small_integers(rng, 3, 9, 9, 5), small_integers(rng, 3, 3, 5, 7)
    y = ops.conv2d(x, w)
    np.testing.assert_array_equal(y, oracle.conv2d(x, w))
    dy = small_integers(rng, *y.shape)
    for actual, expected in zip(
        ops.conv2d_backward(x, w, dy), oracle.conv2d_backward(x, w, dy), strict=True
    ):
        np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_conv2d_passes_nan_and_infinity(
    core: ModuleType, rng: np.random.Generator, special: float
) -> None:
    x, w, b = floats(rng, 2, 7, 7, 3), floats(rng, 3, 3, 3, 18), floats(rng, 18)
    dy = floats(rng, 2, 5, 5, 18)
    for array, index in [(x, (1, 3, 2, 1)), (w, (0, 2, 1, 17)), (b, 4), (dy, (0, 4, 4, 9))]:
        clean, array[index] = array[index], special
        assert_same_specials(ops.conv2d(x, w, b), oracle.conv2d(x, w, b))
        dx, dw, db = ops.conv2d_backward(x, w, dy)
        expected_dx, expected_dw, expected_db = oracle.conv2d_backward(x, w, dy)
        assert_same_specials(dw, expected_dw)
        assert_same_specials(db, expected_db)
        if array is w:  # documented: meets the zeros around dy, too
            assert not np.isfinite(dx[~np.isfinite(expected_dx)]).any()
        else:
            assert_same_specials(dx, expected_dx)
        array[index] = clean


# ---- MaxPooling2D -------------------------------------------------------------------------------


def check_max_pooling2d(
    x: np.ndarray,
    pool_size: oracle.Pair,
    strides: oracle.Pair | None,
    padding: str,
    rng: np.random.Generator,
) -> None:
    """Forward and backward of one pooling: values exact, gradients sums of those that overlap."""
    y = oracle.max_pooling2d(x, pool_size, strides, padding)
    assert_within(ops.max_pooling2d(x, pool_size, strides, padding), y, 0.0)
    dy = floats(rng, *y.shape)
    assert_sum_of_products(
        ops.max_pooling2d_backward(x, dy, pool_size, strides, padding),
        oracle.max_pooling2d_backward(x, dy, pool_size, strides, padding),
        oracle.max_pooling2d_backward(x, np.abs(dy), pool_size, strides, padding),
        int(np.prod(pool_size)),
    )


@pytest.mark.parametrize("values", [floats, small_integers])
@geometries
def test_max_pooling2d_geometry(
    core: ModuleType,
    rng: np.random.Generator,
    *,
    kernel: oracle.Pair,
    strides: oracle.Pair,
    padding: str,
    values: Callable[..., np.ndarray],
) -> None:
    core.set_num_threads(2)
    check_max_pooling2d(values(rng, 2, 7, 8, 3), kernel, strides, padding, rng)


@straddling
def test_max_pooling2d_channels(core: ModuleType, rng: np.random.Generator, size: str) -> None:
    x = small_integers(rng, 3, 7, 6, channels(core, size))
    check_max_pooling2d(x, (2, 2), None, "valid", rng)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("batch", BATCHES)
def test_max_pooling2d_batch_and_threads(
    core: ModuleType, rng: np.random.Generator, batch: int, threads: int
) -> None:
    core.set_num_threads(threads)
    check_max_pooling2d(floats(rng, batch, 5, 5, 3), (3, 2), (2, 2), "same", rng)


def test_max_pooling2d_of_minus_infinity(core: ModuleType, rng: np.random.Generator) -> None:
    """Padding never wins, not even among cells that are all -inf."""
    x = np.full((1, 3, 3, 2), -np.inf, np.float32)
    dy = floats(rng, 1, 3, 3, 2)
    assert np.isneginf(ops.max_pooling2d(x, (2, 2), (1, 1), "same")).all()
    dx = ops.max_pooling2d_backward(x, dy, (2, 2), (1, 1), "same")
    expected = oracle.max_pooling2d_backward(x, dy, (2, 2), (1, 1), "same")
    assert_sum_of_products(dx, expected, np.abs(dy).sum(), 4)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_max_pooling2d_passes_nan_and_infinity(
    core: ModuleType, rng: np.random.Generator, special: float
) -> None:
    x = floats(rng, 1, 6, 6, core.LANES + 1)
    x[0, 2, 2], x[0, 3, 3, 1], x[0, 4, 5, -1] = special, special, special
    y = oracle.max_pooling2d(x, (3, 3), (1, 1))
    assert_same_specials(ops.max_pooling2d(x, (3, 3), (1, 1)), y)
    dy = floats(rng, *y.shape)
    assert_sum_of_products(
        ops.max_pooling2d_backward(x, dy, (3, 3), (1, 1)),
        oracle.max_pooling2d_backward(x, dy, (3, 3), (1, 1)),
        oracle.max_pooling2d_backward(x, np.abs(dy), (3, 3), (1, 1)),
        9,
    )


# ---- Dense --------------------------------------------------------------------------------------


def check_dense(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None,
    rng: np.random.Generator,
    dy: np.ndarray | None = None,
) -> None:
    """Forward and backward of one Dense layer; `dy` of numbers drawn where it is not given."""
    magnitudes = np.abs(x), np.abs(w), None if b is None else np.abs(b)
    y = oracle.dense(x, w, b)
    assert_sum_of_products(ops.dense(x, w, b), y, oracle.dense(*magnitudes), len(w) + 1)
    dy = floats(rng, *y.shape) if dy is None else dy
    actual = ops.dense_backward(x, w, dy)
    expected = oracle.dense_backward(x, w, dy)
    magnitude = oracle.dense_backward(*magnitudes[:2], np.abs(dy))
    rows = dy[..., 0].size
    for results in zip(actual, expected, magnitude, (w.shape[1], rows, rows), strict=True):
        assert_sum_of_products(*results)


@pytest.mark.parametrize("units", STRADDLING)
@pytest.mark.parametrize("inputs", STRADDLING)
def test_dense_sizes(core: ModuleType, rng: np.random.Generator, inputs: str, units: str) -> None:
    size, units_count = channels(core, inputs), channels(core, units)
    check_dense(floats(rng, 5, size), floats(rng, size, units_count), floats(rng, units_count), rng)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("batch", BATCHES)
def test_dense_batch_and_threads(
    core: ModuleType, rng: np.random.Generator, batch: int, threads: int
) -> None:
    core.set_num_threads(threads)
    check_dense(floats(rng, batch, 11), floats(rng, 11, 10), None, rng)


@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 2, 3, 4)])
def test_dense_on_the_last_axis(
    core: ModuleType, rng: np.random.Generator, shape: tuple[int, ...]
) -> None:
    check_dense(floats(rng, *shape), floats(rng, 4, 5), floats(rng, 5), rng)


def mostly_zeros(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """One number in five is not zero; the first row and the last column have zeros alone."""
    x = np.where(rng.random(shape) < 0.2, floats(rng, *shape), np.float32(0))
    x[0], x[:, -1] = 0, 0
    return x


# Units of a Dense layer whose columns are multiplied in blocks of 8 vectors: whole ones, and more.
WIDE = {"8*lanes": (8, 0), "8*lanes+1": (8, 1), "17*lanes-1": (17, -1)}


@pytest.mark.parametrize("rows", [1, 33, 49, 130])
@pytest.mark.parametrize("inputs", [1, 63, 64, 130])
@pytest.mark.parametrize("units", WIDE)
def test_dense_of_many_zeros(
    core: ModuleType, rng: np.random.Generator, rows: int, inputs: int, units: str
) -> None:
    factor, summand = WIDE[units]
    count = factor * core.LANES + summand
    x, w = mostly_zeros(rng, rows, inputs), floats(rng, inputs, count)
    check_dense(x, w, floats(rng, count), rng)
    check_dense(floats(rng, rows, count), w.T.copy(), None, rng, dy=mostly_zeros(rng, rows, inputs))


def test_dense_leaves_out_zeros_without_a_bit_changed(
    core: ModuleType, rng: np.random.Generator
) -> None:
    """Rows by themselves, whose zeros are left out, and among others that are full of numbers."""
    core.set_num_threads(1)
    inputs, units = 130, 17 * core.LANES - 1
    w, b = floats(rng, inputs, units), floats(rng, units)
    x, full = mostly_zeros(rng, 12, inputs), floats(rng, 36, inputs)
    alone, together = ops.dense(x, w, b), ops.dense(np.concatenate([x, full]), w, b)
    np.testing.assert_array_equal(alone, together[:12])
    dy = mostly_zeros(rng, 12, units)
    dx, dw, _ = ops.dense_backward(x, w, dy)
    dx_together, dw_together, _ = ops.dense_backward(
        np.concatenate([x, full]), w, np.concatenate([dy, np.zeros((36, units), np.float32)])
    )
    np.testing.assert_array_equal(dx, dx_together[:12])
    np.testing.assert_array_equal(dw, dw_together)
    full_dy = floats(rng, 36, units)
    dx_together = ops.dense_backward(np.concatenate([x, full]), w, np.concatenate([dy, full_dy]))[0]
    np.testing.assert_array_equal(dx, dx_together[:12])


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_dense_passes_nan_and_infinity(
    core: ModuleType, rng: np.random.Generator, special: float
) -> None:
    x, w, b, dy = floats(rng, 3, 9), floats(rng, 9, 20), floats(rng, 20), floats(rng, 3, 20)
    for array, index in [(x, (1, 3)), (w, (8, 19)), (b, 4), (dy, (2, 17))]:
        clean, array[index] = array[index], special
        with np.errstate(invalid="ignore"):  # inf - inf
            y, gradients = oracle.dense(x, w, b), oracle.dense_backward(x, w, dy)
        assert_same_specials(ops.dense(x, w, b), y)
        for actual, expected in zip(ops.dense_backward(x, w, dy), gradients, strict=True):
            assert_same_specials(actual, expected)
        array[index] = clean


# ---- Activations --------------------------------------------------------------------------------


def activation_bounds(name: str, x: np.ndarray, dy: np.ndarray) -> tuple[Any, Any]:
    """What rounding may change in an activation's result and in its gradient."""
    y = np.abs(getattr(oracle, name)(x))
    if name in {"linear", "relu"}:
        return 0.0, 0.0
    if name in {"sigmoid", "tanh"}:
        # Few roundings; the gradient subtracts from 1 what has them.
        return 8 * EPS * y + TINY, 32 * EPS * np.abs(dy) + TINY
    # softmax: the argument x - max is rounded, the sum has n terms.
    relative = EPS * (x.shape[-1] + 8 + x.max(axis=-1, keepdims=True) - x)
    terms = y * (np.abs(dy) + (y * np.abs(dy)).sum(axis=-1, keepdims=True))
    return relative * y + TINY, 3 * relative.max(axis=-1, keepdims=True) * terms + TINY


def check_activation(name: str, x: np.ndarray, rng: np.random.Generator) -> None:
    """Forward and backward of one activation."""
    dy = floats(rng, *x.shape)
    forward, backward = activation_bounds(name, x, dy)
    assert_within(getattr(ops, name)(x), getattr(oracle, name)(x), forward)
    actual = getattr(ops, f"{name}_backward")(x, dy)
    assert_within(actual, getattr(oracle, f"{name}_backward")(x, dy), backward)


@pytest.mark.parametrize("name", ACTIVATIONS)
@straddling
def test_activation_sizes(core: ModuleType, rng: np.random.Generator, name: str, size: str) -> None:
    check_activation(name, 3 * floats(rng, 5, channels(core, size)), rng)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("batch", BATCHES)
def test_activation_batch_and_threads(
    core: ModuleType, rng: np.random.Generator, name: str, batch: int, threads: int
) -> None:
    core.set_num_threads(threads)
    check_activation(name, floats(rng, batch, 10), rng)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("shape", [(6,), (2, 3, 4), (2, 2, 2, 3)])
def test_activation_ranks(
    core: ModuleType, rng: np.random.Generator, name: str, shape: tuple[int, ...]
) -> None:
    check_activation(name, floats(rng, *shape), rng)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_of_extreme_values(
    core: ModuleType, rng: np.random.Generator, name: str
) -> None:
    x = np.array([[-1e30, -200.0, -90.0, -20.0, -1e-6, 0.0, 1e-6, 20.0, 80.0]], np.float32)
    check_activation(name, x, rng)


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_activation_passes_nan_and_infinity(
    core: ModuleType, rng: np.random.Generator, name: str, special: float
) -> None:
    x = floats(rng, 3, core.LANES + 1)
    x[1, 2], x[2, -1] = special, special
    expected = getattr(oracle, name)(x)
    actual = getattr(ops, name)(x)
    assert_same_specials(actual, expected)
    finite = np.isfinite(expected)
    np.testing.assert_allclose(actual[finite], expected[finite], rtol=100 * EPS)


# ---- Cross-entropy ------------------------------------------------------------------------------


def crossentropy_bounds(t: np.ndarray, p: np.ndarray, from_logits: bool) -> tuple[Any, Any]:
    """What rounding may change in the loss of targets t (n, classes) and in its gradient."""
    steps = EPS * (p.shape[-1] + 8)
    weight = np.abs(t).sum(axis=-1)
    if from_logits:
        below = p.max(axis=-1, keepdims=True) - p
        logs = below + np.log(p.shape[-1]) + 1.0
        gradient = (steps + EPS * below) * oracle.softmax(p) * weight[:, None] + steps * np.abs(t)
    else:
        q = (p / p.sum(axis=-1, keepdims=True)).clip(oracle.EPSILON, 1.0)
        logs = 1.0 - np.log(q)
        total = np.minimum(p.sum(axis=-1, keepdims=True), 1.0)
        gradient = steps * (np.abs(t) / q + weight[:, None]) / total**2
    return steps * (np.abs(t) * logs).sum(axis=-1) + steps, 2 * gradient


def predictions(rng: np.random.Generator, rows: int, classes: int, from_logits: bool) -> np.ndarray:
    """Logits, or probabilities that do not add up to 1."""
    if from_logits:
        return (5.0 * rng.normal(size=(rows, classes))).astype(np.float32)
    return rng.uniform(0.05, 0.95, size=(rows, classes)).astype(np.float32)


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("kind", ["one_hot", "weights"])
@straddling
def test_categorical_crossentropy(
    core: ModuleType, rng: np.random.Generator, size: str, kind: str, from_logits: bool
) -> None:
    classes = channels(core, size)
    p = predictions(rng, 7, classes, from_logits)
    labels = rng.integers(0, classes, 7)
    t = np.eye(classes)[labels] if kind == "one_hot" else rng.uniform(size=p.shape)
    t = t.astype(np.float32)
    loss_bound, gradient_bound = crossentropy_bounds(t, p, from_logits)
    expected = oracle.categorical_crossentropy(t, p, from_logits)
    assert_within(ops.categorical_crossentropy(t, p, from_logits), expected, loss_bound)
    gradient = oracle.categorical_crossentropy_backward(t, p, from_logits)
    actual = ops.categorical_crossentropy_backward(t, p, from_logits)
    assert_within(actual, gradient, gradient_bound)


@pytest.mark.parametrize("from_logits", [False, True])
@straddling
def test_sparse_categorical_crossentropy(
    core: ModuleType, rng: np.random.Generator, size: str, from_logits: bool
) -> None:
    classes = channels(core, size)
    p = predictions(rng, 7, classes, from_logits)
    labels = rng.integers(0, classes, 7)
    t = np.eye(classes)[labels]
    loss_bound, gradient_bound = crossentropy_bounds(t, p, from_logits)
    # Not divided by its sum before the logarithm, but after it: the sum's logarithm is added.
    loss_bound = loss_bound + EPS * (classes + 8) * np.abs(np.log(p.clip(1e-7).sum(axis=-1)))
    expected = oracle.sparse_categorical_crossentropy(labels, p, from_logits)
    assert_within(ops.sparse_categorical_crossentropy(labels, p, from_logits), expected, loss_bound)
    gradient = oracle.sparse_categorical_crossentropy_backward(labels, p, from_logits)
    actual = ops.sparse_categorical_crossentropy_backward(labels, p, from_logits)
    assert_within(actual, gradient, gradient_bound + 0.0)


@pytest.mark.parametrize("name", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
def test_crossentropy_clips_probabilities(core: ModuleType, name: str) -> None:
    p = np.array([[0.0, 0.5, 0.5], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], np.float32)
    labels = np.array([0, 0, 0])
    target = labels if name.startswith("sparse") else np.eye(3, dtype=np.float32)[labels]
    # 1e-7 is no float32, and 1 - 1e-7 is rounded to a multiple of EPS / 2.
    expected = getattr(oracle, name)(target, p)
    assert_within(getattr(ops, name)(target, p), expected, 16 * EPS * (1.0 + expected))
    gradient = getattr(oracle, f"{name}_backward")(target, p)
    actual = getattr(ops, f"{name}_backward")(target, p)
    assert_within(actual, gradient, 16 * EPS * (1.0 + np.abs(gradient)))


@pytest.mark.parametrize("name", ["categorical_crossentropy", "sparse_categorical_crossentropy"])
@pytest.mark.parametrize("from_logits", [False, True])
def test_crossentropy_of_nan_is_nan_in_its_row(
    core: ModuleType, rng: np.random.Generator, name: str, from_logits: bool
) -> None:
    p = predictions(rng, 3, 5, from_logits)
    p[1, 2] = np.nan
    labels = np.array([2, 2, 2])
    target = labels if name.startswith("sparse") else np.eye(5, dtype=np.float32)[labels]
    loss = getattr(ops, name)(target, p, from_logits)
    assert np.isnan(loss).tolist() == [False, True, False]


def test_crossentropy_of_large_logits(core: ModuleType) -> None:
    logits = np.array([[1e4, 0.0, -1e4]], np.float32)
    loss = ops.sparse_categorical_crossentropy(np.array([2]), logits, from_logits=True)
    assert loss == pytest.approx(2e4)


# ---- RMSprop ------------------------------------------------------------------------------------


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("rho", [0.0, 0.9, 0.999])
@straddling
def test_rmsprop(
    core: ModuleType,
    rng: np.random.Generator,
    *,
    size: str,
    rho: float,
    momentum: float,
    centered: bool,
) -> None:
    shape = (3, channels(core, size))
    w, g = floats(rng, *shape), floats(rng, *shape)
    average = floats(rng, *shape) if centered else None
    # A mean of squares is at least the square of the mean.
    velocity = floats(rng, *shape) ** 2 + (0 if average is None else average**2)
    buffer = floats(rng, *shape) if momentum else None
    arrays = [a for a in (w, g, velocity, buffer, average) if a is not None]
    before = [a.copy() for a in arrays]
    options = {
        "learning_rate": 0.01,
        "rho": rho,
        "momentum": momentum,
        "epsilon": 1e-3,
        "centered": centered,
    }
    actual = ops.rmsprop(w, g, velocity, buffer, average, **options)
    expected = oracle.rmsprop(w, g, velocity, buffer, average, **options)
    bounds = rmsprop_bounds(expected, w, g, options)
    for result, value, bound in zip(actual, expected, bounds, strict=True):
        assert_within(result, value, bound)
    for array, original in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, original)


def rmsprop_bounds(
    expected: tuple[np.ndarray, ...], w: np.ndarray, g: np.ndarray, options: dict[str, Any]
) -> list[np.ndarray]:
    """A few roundings each; centering subtracts two numbers that have them."""
    velocity = expected[1]
    average = expected[-1] if options["centered"] else np.zeros_like(w)
    denominator = velocity - average**2 + options["epsilon"]
    doubt = 8 * EPS * (velocity + average**2 + options["epsilon"]) / denominator
    step = options["learning_rate"] * np.abs(g) / np.sqrt(denominator)
    step_bound = step * (doubt + 8 * EPS)
    velocity_bound = 4 * EPS * velocity
    if not options["momentum"]:
        bounds = [step_bound + 4 * EPS * (np.abs(w) + step), velocity_bound]
    else:
        buffer_bound = step_bound + 4 * EPS * (np.abs(expected[2]) + step)
        bounds = [
            buffer_bound + 4 * EPS * (np.abs(w) + np.abs(expected[2])),
            velocity_bound,
            buffer_bound,
        ]
    if options["centered"]:
        bounds.append(4 * EPS * (np.abs(average) + np.abs(g)))
    return bounds


def test_rmsprop_of_a_zero_gradient_moves_nothing(core: ModuleType) -> None:
    w = np.array([1.0, -2.0], np.float32)
    zero = np.zeros(2, np.float32)
    new, velocity = ops.rmsprop(w, zero, zero)
    assert new.tolist() == w.tolist()
    assert velocity.tolist() == [0.0, 0.0]


# ---- Arrays of all kinds ------------------------------------------------------------------------


def sample_calls() -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
    """One valid call of every function, all of it whole numbers from 0 to 3."""
    generator = np.random.default_rng(1)

    def array(*shape: int) -> np.ndarray:
        return generator.integers(0, 4, size=shape).astype(np.float32)

    x, w, b, dy = array(2, 5, 4, 3), array(3, 2, 3, 4), array(4), array(2, 3, 3, 4)
    rows, target, labels = (
        array(4, 5),
        np.eye(5, dtype=np.float32)[[0, 4, 2, 1]],
        np.array([0, 4, 2, 1]),
    )
    calls: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
        "conv2d": (ops.conv2d, {"x": x, "w": w, "b": b}),
        "conv2d_backward": (ops.conv2d_backward, {"x": x, "w": w, "dy": dy}),
        "max_pooling2d": (ops.max_pooling2d, {"x": x}),
        "max_pooling2d_backward": (ops.max_pooling2d_backward, {"x": x, "dy": array(2, 2, 2, 3)}),
        "dense": (ops.dense, {"x": rows, "w": array(5, 3), "b": array(3)}),
        "dense_backward": (ops.dense_backward, {"x": rows, "w": array(5, 3), "dy": array(4, 3)}),
        "categorical_crossentropy": (
            ops.categorical_crossentropy,
            {"target": target, "output": rows + 1},
        ),
        "categorical_crossentropy_backward": (
            ops.categorical_crossentropy_backward,
            {"target": target, "output": rows + 1},
        ),
        "sparse_categorical_crossentropy": (
            ops.sparse_categorical_crossentropy,
            {"target": labels, "output": rows, "from_logits": True},
        ),
        "sparse_categorical_crossentropy_backward": (
            ops.sparse_categorical_crossentropy_backward,
            {"target": labels, "output": rows, "from_logits": True},
        ),
        "rmsprop": (ops.rmsprop, {"w": array(3, 2), "g": array(3, 2), "velocity": array(3, 2)}),
    }
    for name in ACTIVATIONS:
        calls[name] = (getattr(ops, name), {"x": rows})
        calls[f"{name}_backward"] = (getattr(ops, f"{name}_backward"), {"x": rows, "dy": rows + 1})
    return calls


CALLS = sample_calls()
ARRAY_ARGUMENTS = [
    pytest.param(name, argument, id=f"{name}-{argument}")
    for name, (_, arguments) in CALLS.items()
    for argument, value in arguments.items()
    if isinstance(value, np.ndarray)
]
each_array_argument = pytest.mark.parametrize(("name", "argument"), ARRAY_ARGUMENTS)


def read_only(a: np.ndarray) -> np.ndarray:
    copy = a.copy()
    copy.flags.writeable = False
    return copy


def every_other(a: np.ndarray) -> np.ndarray:
    return np.repeat(a, 2, axis=0)[::2]


def backwards(a: np.ndarray) -> np.ndarray:
    return a[..., ::-1].copy()[..., ::-1]


def misaligned(a: np.ndarray) -> np.ndarray:
    buffer = np.empty(a.nbytes + 1, np.uint8)[1:]
    copy = buffer.view(a.dtype).reshape(a.shape)
    copy[...] = a
    return copy


def other_byte_order(a: np.ndarray) -> np.ndarray:
    return a.astype(a.dtype.newbyteorder())


LAYOUTS = [read_only, every_other, backwards, misaligned, other_byte_order, np.asfortranarray]


def as_tuple(result: Any) -> tuple[np.ndarray, ...]:
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("layout", LAYOUTS)
@each_array_argument
def test_layout_of_an_argument_does_not_matter(
    name: str, argument: str, layout: Callable[[np.ndarray], np.ndarray]
) -> None:
    function, arguments = CALLS[name]
    expected = as_tuple(function(**arguments))
    actual = as_tuple(function(**{**arguments, argument: layout(arguments[argument])}))
    for result, value in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(result, value)


@pytest.mark.parametrize("dtype", ["float64", "float16", "int64", "int32", "uint8"])
@each_array_argument
def test_real_dtypes_are_converted(name: str, argument: str, dtype: str) -> None:
    function, arguments = CALLS[name]
    if argument == "target" and name.startswith("sparse") and dtype.startswith("float"):
        assert_refused(name, {argument: arguments[argument].astype(dtype)}, argument)
        return
    expected = as_tuple(function(**arguments))
    actual = as_tuple(function(**{**arguments, argument: arguments[argument].astype(dtype)}))
    for result, value in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(result, value)


@each_array_argument
def test_lists_are_converted(name: str, argument: str) -> None:
    function, arguments = CALLS[name]
    expected = as_tuple(function(**arguments))
    actual = as_tuple(function(**{**arguments, argument: arguments[argument].tolist()}))
    for result, value in zip(actual, expected, strict=True):
        np.testing.assert_array_equal(result, value)


@pytest.mark.parametrize("name", CALLS)
def test_arguments_are_left_alone(name: str) -> None:
    function, arguments = CALLS[name]
    arrays = {k: read_only(v) for k, v in arguments.items() if isinstance(v, np.ndarray)}
    originals = {k: v.copy() for k, v in arrays.items()}
    results = as_tuple(function(**{**arguments, **arrays}))
    for key, array in arrays.items():
        np.testing.assert_array_equal(array, originals[key])
        assert not any(np.shares_memory(array, result) for result in results)


@pytest.mark.parametrize("name", [name for name in CALLS if name != "rmsprop"])
def test_no_rows(name: str) -> None:
    """Zero rows give results of zero rows, and gradients of zero for the weights."""
    function, arguments = CALLS[name]
    by_row = {"x", "dy", "target", "output"}
    empty = {k: v[:0] if k in by_row else v for k, v in arguments.items()}
    full = as_tuple(function(**arguments))
    for result, other in zip(as_tuple(function(**empty)), full, strict=True):
        if result.shape == other.shape:
            assert not result.any()
        else:
            assert result.shape == (0, *other.shape[1:])


# ---- Bad arguments ------------------------------------------------------------------------------

NOT_NUMBERS: list[Any] = [
    None,
    "text",
    b"bytes",
    {"a": 1},
    object(),
    np.array([None, 1], dtype=object),
    np.array([1j]),
    np.array(["a"]),
    np.array(["2026-01-01"], dtype="datetime64[D]"),
    [[1.0, 2.0], [3.0]],
]


def assert_refused(name: str, changes: dict[str, Any], named: str) -> None:
    """A ValueError or TypeError that names the argument."""
    function, arguments = CALLS[name]
    with pytest.raises((ValueError, TypeError), match=rf"\b{named}\b"):
        function(**{**arguments, **changes})


@pytest.mark.parametrize("value", NOT_NUMBERS, ids=lambda v: repr(v)[:20])
@each_array_argument
def test_what_is_no_array_of_numbers_is_refused(name: str, argument: str, value: Any) -> None:
    if not (argument == "b" and value is None):  # which stands for no bias
        assert_refused(name, {argument: value}, argument)


@each_array_argument
def test_wrong_rank_is_refused(name: str, argument: str) -> None:
    _, arguments = CALLS[name]
    assert_refused(name, {argument: np.float32(1.0)}, argument)
    if name.startswith("dense") and argument in {"x", "dy"}:
        return  # any rank from 2 on
    if name.removesuffix("_backward") in ACTIVATIONS and argument == "x":
        return
    assert_refused(name, {argument: arguments[argument][None]}, argument)


@pytest.mark.parametrize(
    ("name", "changes", "named"),
    [
        ("conv2d", {"x": np.zeros((2, 5, 4, 2))}, "x"),
        ("conv2d", {"w": np.zeros((3, 2, 5, 4))}, "w"),
        ("conv2d", {"w": np.zeros((0, 2, 3, 4))}, "w"),
        ("conv2d", {"w": np.zeros((3, 2, 3, 0))}, "w"),
        ("conv2d", {"b": np.zeros(5)}, "b"),
        ("conv2d", {"x": np.zeros((2, 2, 4, 3))}, "output size"),
        ("conv2d", {"x": np.zeros((2, 0, 4, 3)), "padding": "same"}, "x|output size"),
        ("conv2d_backward", {"dy": np.zeros((2, 3, 3, 5))}, "dy"),
        ("conv2d_backward", {"dy": np.zeros((1, 3, 3, 4))}, "dy"),
        ("conv2d_backward", {"strides": (2, 2)}, "dy"),
        ("max_pooling2d", {"x": np.zeros((2, 1, 4, 3))}, "output size"),
        ("max_pooling2d", {"pool_size": (0, 2)}, "pool_size"),
        ("max_pooling2d", {"pool_size": (2, -1)}, "pool_size"),
        ("max_pooling2d", {"pool_size": (2.5, 2)}, "pool_size"),
        ("max_pooling2d", {"pool_size": "22"}, "pool_size"),
        ("max_pooling2d", {"pool_size": (2, 2, 2)}, "pool_size"),
        ("max_pooling2d", {"pool_size": (2**40, 2)}, "pool_size|output size"),
        ("max_pooling2d_backward", {"dy": np.zeros((2, 2, 2, 4))}, "dy"),
        ("dense", {"w": np.zeros((4, 3))}, "w"),
        ("dense", {"b": np.zeros(4)}, "b"),
        ("dense_backward", {"dy": np.zeros((4, 4))}, "dy"),
        ("dense_backward", {"dy": np.zeros((3, 3))}, "dy"),
        ("categorical_crossentropy", {"target": np.zeros((4, 4))}, "target"),
        ("categorical_crossentropy", {"target": np.zeros((3, 5))}, "target"),
        (
            "categorical_crossentropy",
            {"output": np.zeros((4, 0)), "target": np.zeros((4, 0))},
            "output",
        ),
        ("sparse_categorical_crossentropy", {"target": [0, 1, 2, 5]}, "target"),
        ("sparse_categorical_crossentropy", {"target": [0, 1, 2, -1]}, "target"),
        ("sparse_categorical_crossentropy", {"target": [0, 1, 2, 2**31]}, "target"),
        ("sparse_categorical_crossentropy", {"target": [0, 1, 2, 2**32]}, "target"),
        ("sparse_categorical_crossentropy", {"target": [0.0, 1.0, 2.0, 0.5]}, "target"),
        ("sparse_categorical_crossentropy", {"target": [0.0, 1.0, 2.0, np.nan]}, "target"),
        ("sparse_categorical_crossentropy", {"target": [0, 1, 2]}, "target"),
        ("sparse_categorical_crossentropy_backward", {"target": [0, 1, 2, 5]}, "target"),
        ("softmax", {"x": np.zeros((3, 0))}, "x"),
        ("relu_backward", {"dy": np.zeros((4, 4))}, "dy"),
        ("rmsprop", {"g": np.zeros((2, 3))}, "g"),
        ("rmsprop", {"velocity": np.zeros((6,))}, "velocity"),
        ("rmsprop", {"momentum": 0.9}, "momentum_buffer"),
        ("rmsprop", {"centered": True}, "average_gradient"),
        ("rmsprop", {"learning_rate": "fast"}, "learning_rate"),
        ("rmsprop", {"learning_rate": None}, "learning_rate"),
        ("rmsprop", {"epsilon": -1.0}, "epsilon"),
    ],
    ids=str,
)
def test_bad_argument_is_named(name: str, changes: dict[str, Any], named: str) -> None:
    assert_refused(name, changes, named)


@pytest.mark.parametrize("strides", [(0, 1), (1, -1), (1,), (1, 1, 1), (1.5, 1), "11", {}])
@pytest.mark.parametrize(
    "name", ["conv2d", "conv2d_backward", "max_pooling2d", "max_pooling2d_backward"]
)
def test_bad_strides_are_named(name: str, strides: Any) -> None:
    assert_refused(name, {"strides": strides}, "strides")


def test_huge_strides_give_one_window(core: ModuleType, rng: np.random.Generator) -> None:
    strides = (2**31 - 1, 2**31 - 1)
    x, w = floats(rng, 2, 5, 4, 3), floats(rng, 3, 2, 3, 4)
    check_conv2d(x, w, None, (strides, "valid"), rng)
    check_max_pooling2d(x, (2, 2), strides, "valid", rng)


@pytest.mark.parametrize("padding", ["full", "vali", "", None, 1, b"same", ("same", "same")])
@pytest.mark.parametrize(
    "name", ["conv2d", "conv2d_backward", "max_pooling2d", "max_pooling2d_backward"]
)
def test_bad_padding_is_named(name: str, padding: Any) -> None:
    assert_refused(name, {"padding": padding}, "padding")


def test_convert_to_numpy() -> None:
    layer = layers.Dense(2)
    layer.build((None, 3))
    (kernel,) = layer.get_weights()[:1]
    converted = ops.convert_to_numpy(layer.kernel)
    np.testing.assert_array_equal(converted, kernel)
    converted[:] = 0.0
    np.testing.assert_array_equal(layer.get_weights()[0], kernel)
    assert ops.convert_to_numpy(SGD(0.5).learning_rate) == 0.5
    assert ops.convert_to_numpy([1, 2]).tolist() == [1, 2]
