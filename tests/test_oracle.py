"""The oracle's gradients against central differences of its own forward functions, in float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import oracle
import oracle_activations

STEP = 1e-5

GEOMETRIES = [
    pytest.param(kernel, strides, padding, id=f"{kernel}-{strides}-{padding}")
    for kernel in [(1, 1), (2, 2), (3, 2), (1, 4), (5, 3)]
    for strides in [(1, 1), (2, 2), (3, 1), (2, 3)]
    for padding in ["valid", "same"]
]


def numerical_gradient(f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, dy: Any) -> np.ndarray:
    """d sum(dy * f(x)) / dx by central differences."""
    gradient = np.empty_like(x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = STEP
        gradient[index] = (dy * (f(x + step) - f(x - step))).sum() / (2 * STEP)
    return gradient


def assert_gradient(
    f: Callable[[np.ndarray], np.ndarray], x: np.ndarray, dy: Any, gradient: np.ndarray
) -> None:
    """Central differences err by STEP^2 times the third derivative, and by rounding over STEP."""
    assert gradient.shape == x.shape
    magnitude = 1.0 + float(np.abs(dy).sum() * np.abs(f(x)).max())
    tolerance = 10.0 * (STEP**2 + np.finfo(float).eps / STEP) * magnitude
    np.testing.assert_allclose(numerical_gradient(f, x, dy), gradient, rtol=0, atol=tolerance)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


DILATIONS_AND_GROUPS = [((2, 1), 1, (1, 1)), ((1, 2), 2, (1, 1)), ((2, 3), 4, (2, 1))]


def distinct(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Random values 0.01 apart and off zero: no step of the difference crosses a kink."""
    size = int(np.prod(shape))
    return (0.01 * (rng.permutation(size) - size // 2) + 0.005).reshape(shape)


@pytest.mark.parametrize(("kernel", "strides", "padding"), GEOMETRIES)
def test_conv2d(
    rng: np.random.Generator, kernel: oracle.Pair, strides: oracle.Pair, padding: str
) -> None:
    x = rng.normal(size=(2, 6, 5, 2))
    w = rng.normal(size=(*kernel, 2, 3))
    b = rng.normal(size=3)
    y = oracle.conv2d(x, w, b, strides, padding)
    dy = rng.normal(size=y.shape)
    dx, dw, db = oracle.conv2d_backward(x, w, dy, strides, padding)
    assert_gradient(lambda v: oracle.conv2d(v, w, b, strides, padding), x, dy, dx)
    assert_gradient(lambda v: oracle.conv2d(x, v, b, strides, padding), w, dy, dw)
    assert_gradient(lambda v: oracle.conv2d(x, w, v, strides, padding), b, dy, db)


@pytest.mark.parametrize(("kernel", "strides", "padding"), GEOMETRIES)
def test_max_pooling2d(
    rng: np.random.Generator, kernel: oracle.Pair, strides: oracle.Pair, padding: str
) -> None:
    x = distinct(rng, (2, 6, 5, 2))
    y = oracle.max_pooling2d(x, kernel, strides, padding)
    dy = rng.normal(size=y.shape)
    dx = oracle.max_pooling2d_backward(x, dy, kernel, strides, padding)
    assert_gradient(lambda v: oracle.max_pooling2d(v, kernel, strides, padding), x, dy, dx)


@pytest.mark.parametrize(("dilation", "groups", "strides"), DILATIONS_AND_GROUPS)
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_conv2d_with_dilation_and_groups(
    rng: np.random.Generator,
    *,
    dilation: oracle.Pair,
    groups: int,
    strides: oracle.Pair,
    padding: str,
) -> None:
    x = rng.normal(size=(2, 6, 7, 4))
    w = rng.normal(size=(3, 2, 4 // groups, 8))
    geometry = strides, padding, dilation, groups
    y = oracle.conv2d(x, w, None, *geometry)
    # One output, cell by cell of the definition.
    group = np.arange(8)[-1] * groups // 8 * w.shape[2]
    top, left = (
        oracle.pad_amounts(size, (cells - 1) * step + 1, stride, padding)[0]
        for size, cells, step, stride in zip((6, 7), (3, 2), dilation, strides, strict=True)
    )
    expected = 0.0
    for u in range(3):
        for v in range(2):
            i, j = u * dilation[0] - top, v * dilation[1] - left
            if i >= 0 and j >= 0:
                expected += x[1, i, j, group : group + w.shape[2]] @ w[u, v, :, -1]
    assert y[1, 0, 0, -1] == pytest.approx(expected)
    dy = rng.normal(size=y.shape)
    dx, dw, db = oracle.conv2d_backward(x, w, dy, *geometry)
    assert_gradient(lambda v: oracle.conv2d(v, w, None, *geometry), x, dy, dx)
    assert_gradient(lambda v: oracle.conv2d(x, v, None, *geometry), w, dy, dw)
    assert_gradient(lambda v: oracle.conv2d(x, w, v, *geometry), np.zeros(8), dy, db)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(
    ("kernel", "strides", "extra", "dilation"),
    [
        ((3, 2), (2, 1), None, (1, 1)),
        ((4, 3), (2, 3), (1, 2), (1, 1)),
        ((2, 1), (3, 2), (0, 1), (1, 1)),
        ((3, 2), (1, 1), None, (2, 3)),
    ],
)
def test_conv2d_transpose(
    rng: np.random.Generator, *, kernel: Any, strides: Any, extra: Any, dilation: Any, padding: str
) -> None:
    x, w = rng.normal(size=(2, 3, 4, 3)), rng.normal(size=(*kernel, 2, 3))
    geometry = strides, padding, extra, dilation
    y = oracle.conv2d_transpose(x, w, *geometry)
    dy = rng.normal(size=y.shape)
    dx, dw, _ = oracle.conv2d_transpose_backward(x, w, dy, *geometry)
    assert_gradient(lambda v: oracle.conv2d_transpose(v, w, *geometry), x, dy, dx)
    assert_gradient(lambda v: oracle.conv2d_transpose(x, v, *geometry), w, dy, dw)
    if oracle.conv2d(y, w, None, strides, padding, dilation).shape == x.shape:
        # The gradient of the convolution that goes the other way.
        np.testing.assert_allclose(
            y, oracle.conv2d_backward(y, w, x, strides, padding, dilation)[0]
        )


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_depthwise_conv2d(rng: np.random.Generator, padding: str) -> None:
    x, w = rng.normal(size=(2, 6, 7, 3)), rng.normal(size=(3, 2, 3, 2))
    geometry = (2, 1), padding, (1, 2)
    y = oracle.depthwise_conv2d(x, w, *geometry)
    for c in range(3):
        alone = oracle.conv2d(x[..., c : c + 1], w[:, :, c : c + 1], None, *geometry)
        np.testing.assert_allclose(y[..., 2 * c : 2 * c + 2], alone)
    dy = rng.normal(size=y.shape)
    dx, dw, _ = oracle.depthwise_conv2d_backward(x, w, dy, *geometry)
    assert_gradient(lambda v: oracle.depthwise_conv2d(v, w, *geometry), x, dy, dx)
    assert_gradient(lambda v: oracle.depthwise_conv2d(x, v, *geometry), w, dy, dw)


@pytest.mark.parametrize(("kernel", "strides", "padding"), GEOMETRIES)
def test_average_pooling2d(
    rng: np.random.Generator, kernel: oracle.Pair, strides: oracle.Pair, padding: str
) -> None:
    x = rng.normal(size=(2, 6, 5, 2))
    dy = rng.normal(size=oracle.average_pooling2d(x, kernel, strides, padding).shape)
    dx = oracle.average_pooling2d_backward(x, dy, kernel, strides, padding)
    assert_gradient(lambda v: oracle.average_pooling2d(v, kernel, strides, padding), x, dy, dx)


def test_average_is_of_the_cells_inside() -> None:
    x = np.arange(9.0).reshape(1, 3, 3, 1)
    y = oracle.average_pooling2d(x, (2, 2), (2, 2), "same")
    assert y.ravel().tolist() == [2.0, 3.5, 6.5, 8.0]


def test_global_max_pooling2d(rng: np.random.Generator) -> None:
    x = distinct(rng, (2, 3, 4, 3))
    dy = rng.normal(size=(2, 1, 1, 3))
    dx = oracle.global_max_pooling2d_backward(x, dy)
    assert_gradient(oracle.global_max_pooling2d, x, dy, dx)
    assert oracle.global_max_pooling2d_backward(np.ones((1, 2, 2, 1)), 8.0).tolist() == [
        [[[2.0], [2.0]], [[2.0], [2.0]]]
    ]


def test_zero_padding2d_and_cropping2d(rng: np.random.Generator) -> None:
    sides = (1, 0, 2, 3)
    small, large = rng.normal(size=(2, 3, 2, 2)), rng.normal(size=(2, 4, 7, 2))
    pad, crop = oracle.zero_padding2d, oracle.cropping2d
    assert_gradient(lambda v: pad(v, sides), small, large, crop(large, sides))
    assert_gradient(lambda v: crop(v, sides), large, small, pad(small, sides))


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_up_sampling2d(rng: np.random.Generator, interpolation: str) -> None:
    x, dy = rng.normal(size=(2, 3, 2, 2)), rng.normal(size=(2, 6, 6, 2))
    dx = oracle.up_sampling2d_backward(dy, (2, 3), interpolation)
    assert_gradient(lambda v: oracle.up_sampling2d(v, (2, 3), interpolation), x, dy, dx)


def test_bilinear_stays_between_the_outermost_pixels() -> None:
    y = oracle.up_sampling2d(np.array([4.0, 8.0]).reshape(1, 1, 2, 1), (1, 2), "bilinear")
    assert y.ravel().tolist() == [4.0, 5.0, 7.0, 8.0]


def test_permute(rng: np.random.Generator) -> None:
    x, dy = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(2, 5, 3, 4))
    dims = (3, 1, 2)
    assert_gradient(lambda v: oracle.permute(v, dims), x, dy, oracle.permute_backward(dy, dims))


@pytest.mark.parametrize("shape", [(5, 3), (2, 3, 4, 2)])
def test_batch_normalization(rng: np.random.Generator, shape: tuple[int, ...]) -> None:
    x, dy = rng.normal(2.0, 3.0, shape), rng.normal(size=shape)
    gamma, beta, mean = rng.normal(size=(3, shape[-1]))
    variance = rng.uniform(0.5, 2.0, shape[-1])
    f = oracle.batch_normalization
    dx, dgamma, dbeta = oracle.batch_normalization_backward(x, gamma, mean, variance, dy)
    assert_gradient(lambda v: f(v, gamma, beta, mean, variance), x, dy, dx)
    assert_gradient(lambda v: f(x, v, beta, mean, variance), gamma, dy, dgamma)
    assert_gradient(lambda v: f(x, gamma, v, mean, variance), beta, dy, dbeta)
    dx, dgamma, dbeta = oracle.batch_normalization_of_batch_backward(x, gamma, dy)
    assert_gradient(lambda v: f(v, gamma, beta, *oracle.moments(v)), x, dy, dx)
    assert_gradient(lambda v: f(x, v, beta, *oracle.moments(x)), gamma, dy, dgamma)
    assert_gradient(lambda v: f(x, gamma, v, *oracle.moments(x)), beta, dy, dbeta)


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [
        ("00000000 " * 4, "00000000 " * 2, "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff " * 4, "ffffffff " * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            "243f6a88 85a308d3 13198a2e 03707344",
            "a4093822 299f31d0",
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_its_authors_numbers(counter: str, key: str, words: str) -> None:
    """The known answers of Random123's `kat_vectors`."""
    c, (k0, k1), w = ([int(word, 16) for word in text.split()] for text in (counter, key, words))
    assert oracle.philox(c, (k0, k1)).tolist() == w


@pytest.mark.parametrize("rms", [False, True])
def test_normalization_within_rows(rng: np.random.Generator, rms: bool) -> None:
    x, dy = rng.normal(size=(2, 2, 3, 2, 4))
    dx = oracle.standardized_backward(x, dy, 1e-3, rms)
    assert_gradient(lambda x: oracle.standardized(x, 1e-3, rms), x, dy, dx)


def test_contrast(rng: np.random.Generator) -> None:
    x, dy = rng.normal(size=(2, 3, 4, 2))
    dx = oracle.contrast_backward(dy, 1.7)
    assert_gradient(lambda x: oracle.contrast(x, 1.7), x, dy, dx)


def test_unit_normalization(rng: np.random.Generator) -> None:
    x, dy = rng.normal(size=(2, 3, 5))
    dx = oracle.unit_normalization_backward(x, dy)
    assert_gradient(oracle.unit_normalization, x, dy, dx)


@pytest.mark.parametrize("shape", [(1, 1, 3), (4, 1), (2, 4, 3)])
def test_broadcast(rng: np.random.Generator, shape: tuple[int, ...]) -> None:
    x, dy = rng.normal(size=(2, *shape)), rng.normal(size=(2, 2, 4, 3))
    dx = oracle.broadcast_backward(dy, shape)
    assert_gradient(lambda v: oracle.broadcast(v, (2, 4, 3)), x, dy, dx)


@pytest.mark.parametrize("name", ["add", "average", "maximum", "minimum", "multiply", "subtract"])
def test_merge(rng: np.random.Generator, name: str) -> None:
    xs = list(distinct(rng, (2 if name == "subtract" else 3, 4, 5)))
    dy = rng.normal(size=(4, 5))
    for i, dx in enumerate(oracle.merge_backward(name, xs, dy)):
        assert_gradient(
            lambda v, i=i: oracle.merge(name, [*xs[:i], v, *xs[i + 1 :]]), xs[i], dy, dx
        )


def test_noise_is_normal() -> None:
    """Moments of 64,000 numbers, within five standard errors; no two rows or steps alike."""
    z = oracle.normal_noise((64, 1000), seed=7, step=3)
    for power, expected, deviation in [(1, 0.0, 1.0), (2, 1.0, 2**0.5), (4, 3.0, 96**0.5)]:
        assert abs((z**power).mean() - expected) < 5 * deviation / z.size**0.5
    assert len(np.unique(z)) > 0.99 * z.size
    assert not np.intersect1d(z, oracle.normal_noise((64, 1000), seed=7, step=4)).size > 64
    kept = oracle.dropout_factors((64, 1000), 0.25, seed=7, step=3) > 0
    assert abs(kept.mean() - 0.75) < 5 * (0.25 * 0.75 / kept.size) ** 0.5


def test_dense(rng: np.random.Generator) -> None:
    x, w, b = rng.normal(size=(2, 3, 4)), rng.normal(size=(4, 5)), rng.normal(size=5)
    dy = rng.normal(size=(2, 3, 5))
    dx, dw, db = oracle.dense_backward(x, w, dy)
    assert_gradient(lambda v: oracle.dense(v, w, b), x, dy, dx)
    assert_gradient(lambda v: oracle.dense(x, v, b), w, dy, dw)
    assert_gradient(lambda v: oracle.dense(x, w, v), b, dy, db)


@pytest.mark.parametrize("name", ["linear", "relu", "sigmoid", "tanh", "softmax"])
def test_activation(rng: np.random.Generator, name: str) -> None:
    forward, backward = getattr(oracle, name), getattr(oracle, f"{name}_backward")
    x = 10.0 * distinct(rng, (4, 5))
    dy = rng.normal(size=x.shape)
    assert_gradient(forward, x, dy, backward(x, dy))


@pytest.mark.parametrize("case", oracle_activations.CASES.values(), ids=oracle_activations.CASES)
def test_activation_slope(rng: np.random.Generator, case: oracle_activations.Case) -> None:
    x = 10.0 * distinct(rng, (4, 5)) + 0.003
    dy = rng.normal(size=x.shape)
    assert_gradient(case.function, x, dy, dy * case.slope(x))


@pytest.mark.parametrize("from_logits", [False, True])
@pytest.mark.parametrize("kind", ["one_hot", "weights", "labels"])
def test_crossentropy(rng: np.random.Generator, kind: str, from_logits: bool) -> None:
    labels = np.array([2, 0, 3, 1])
    y_true: Any = {
        "one_hot": oracle.one_hot(labels, 4),
        "weights": rng.uniform(size=(4, 4)),
        "labels": labels,
    }[kind]
    name = "sparse_categorical_crossentropy" if kind == "labels" else "categorical_crossentropy"
    forward, backward = getattr(oracle, name), getattr(oracle, f"{name}_backward")
    y_pred = rng.normal(size=(4, 4)) if from_logits else rng.uniform(0.4, 0.9, size=(4, 4))
    gradient = backward(y_true, y_pred, from_logits)
    assert_gradient(lambda p: forward(y_true, p, from_logits), y_pred, 1.0, gradient)


def test_crossentropy_gradient_where_probabilities_are_clipped() -> None:
    p = np.array([[0.0, 0.4, 0.6], [1.0, 0.0, 0.0]])
    t = oracle.one_hot([0, 0], 3)
    assert oracle.categorical_crossentropy(t, p) == pytest.approx([-np.log(1e-7), 1e-7], rel=1e-6)
    assert not oracle.categorical_crossentropy_backward(t, p).any()
    assert not oracle.sparse_categorical_crossentropy_backward([0, 0], p)[1].any()


def test_padding_is_tensorflows() -> None:
    assert oracle.pad_amounts(5, 3, 2, "same") == (1, 1)
    assert oracle.pad_amounts(6, 3, 2, "same") == (0, 1)
    assert oracle.pad_amounts(5, 2, 1, "same") == (0, 1)
    assert oracle.pad_amounts(7, 2, 3, "same") == (0, 1)
    assert oracle.pad_amounts(6, 1, 3, "same") == (0, 0)


def test_first_maximum_in_row_major_order_wins() -> None:
    x = np.array([[1.0, 7.0], [7.0, 7.0]]).reshape(1, 2, 2, 1)
    dx = oracle.max_pooling2d_backward(x, np.ones((1, 1, 1, 1)))
    assert dx.reshape(2, 2).tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_maximum_lies_inside_the_image_even_when_all_is_minus_infinity() -> None:
    x = np.full((1, 3, 3, 1), -np.inf)
    dx = oracle.max_pooling2d_backward(x, np.ones((1, 3, 3, 1)), (2, 2), (1, 1), "same")
    assert dx.sum() == 9.0


def test_nan_is_a_maximum() -> None:
    x = np.array([[1.0, np.nan], [np.nan, 7.0]]).reshape(1, 2, 2, 1)
    assert np.isnan(oracle.max_pooling2d(x)).all()
    dx = oracle.max_pooling2d_backward(x, np.ones((1, 1, 1, 1)))
    assert dx.reshape(2, 2).tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_rmsprop_minimizes_with_every_variant() -> None:
    """w^2 / 2 from 1: each variant moves towards 0, and the slots come back in Keras's order."""
    for momentum in (0.0, 0.5):
        for centered in (False, True):
            w, *slots = np.ones(3), *np.zeros((3, 3))
            for _ in range(50):
                w, velocity, *rest = oracle.rmsprop(
                    w, w, *slots, learning_rate=0.01, momentum=momentum, centered=centered
                )
                slots[0] = velocity
                if momentum:
                    slots[1] = rest[0]
                if centered:
                    slots[2] = rest[-1]
            assert len(rest) == bool(momentum) + centered
            assert (w < 0.8).all()
