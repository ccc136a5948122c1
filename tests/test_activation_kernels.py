"""The compiled activation functions against float64, on every instruction set of this machine."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import convlet
import oracle
from convlet import activations, ops
from oracle_activations import CASES, Case, at_least_one
from tolerance import EPS, TINY, assert_same_specials, assert_within

each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)

# How many units of rounding, of the size that the case gives, a result and a slope may be off.
UNITS = 3
SLOPE_UNITS = 8


def ladder() -> np.ndarray:
    """Numbers of every magnitude, the ends of ranges, and a dense part in the middle."""
    powers = np.geomspace(1e-30, 1e4, 400)
    dense = np.linspace(-110.0, 110.0, 3001)
    kinks = [-6.0, -3.0, -1.0, -0.5, 0.25, 0.5, 1.0, 3.0, 5.0, 6.0]
    numbers = np.concatenate([powers, -powers, dense, kinks, [0.0, -0.0, 1e4, -1e4]])
    return numbers.astype(np.float32)


@each_case
def test_values(core: ModuleType, case: Case) -> None:
    x = ladder()
    with np.errstate(over="ignore"):
        expected, scale = case.function(x.astype(float)), case.scale(x.astype(float))
    keep = np.abs(expected) < np.finfo(np.float32).max
    y = ops.activation(x, case.name, **case.arguments)
    assert_within(
        y[keep], expected[keep], UNITS * EPS * scale[keep] + 4 * TINY * at_least_one(x[keep])
    )
    assert np.isposinf(y[~keep]).all()


# The functions that show those of simd/math.hpp, and the bounds stated there in units of 2^-23.
ELEMENTARY = {"exponential": 1.0, "elu": 1.0, "softplus": 2.0, "sigmoid": 2.0, "tanh": 2.0}


@pytest.mark.parametrize("name", ELEMENTARY)
def test_elementary_functions(core: ModuleType, name: str) -> None:
    """On every 4096th float whose result is a normal number."""
    bits = np.arange(0, 2**32, 4096, dtype=np.uint32).view(np.float32)
    x = bits[np.abs(bits) < 200]
    with np.errstate(over="ignore", under="ignore"):
        expected = CASES[name].function(x.astype(float))
    keep = (np.abs(expected) > 4 * TINY) & (np.abs(expected) < np.finfo(np.float32).max)
    keep &= np.abs(x) > TINY
    y = ops.activation(x, name)
    assert_within(y[keep], expected[keep], ELEMENTARY[name] * EPS * np.abs(expected[keep]))


@each_case
def test_gradients(core: ModuleType, rng: np.random.Generator, case: Case) -> None:
    x = ladder()
    dy = rng.normal(size=x.shape).astype(np.float32)
    with np.errstate(over="ignore"):
        slope, scale = case.slope(x.astype(float)), case.slope_scale(x.astype(float))
    keep = slope < 1e37
    dx = ops.activation_backward(x, dy, case.name, **case.arguments)
    bound = SLOPE_UNITS * EPS * np.abs(dy) * np.maximum(
        scale, np.abs(slope)
    ) + 4 * TINY * at_least_one(x)
    assert_within(dx[keep], (dy * slope)[keep], bound[keep])


@each_case
@pytest.mark.parametrize("size", [1, 3, 15, 16, 17, 37])
def test_sizes(core: ModuleType, rng: np.random.Generator, case: Case, size: int) -> None:
    """Numbers in a part of a vector are those in a whole one, and nothing beyond is written."""
    x = rng.normal(size=(64,)).astype(np.float32)
    dy = rng.normal(size=(64,)).astype(np.float32)
    whole = ops.activation(x, case.name, **case.arguments)
    part = ops.activation(x[:size], case.name, **case.arguments)
    np.testing.assert_array_equal(part, whole[:size])
    whole = ops.activation_backward(x, dy, case.name, **case.arguments)
    part = ops.activation_backward(x[:size], dy[:size], case.name, **case.arguments)
    np.testing.assert_array_equal(part, whole[:size])


@each_case
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity(core: ModuleType, case: Case, special: float) -> None:
    x = np.full(core.LANES + 1, 0.75, np.float32)
    x[[1, -1]] = special
    expected = activations.get(case.name)(x, **case.arguments)
    actual = ops.activation(x, case.name, **case.arguments)
    assert_same_specials(actual, expected)
    finite = np.isfinite(expected)
    np.testing.assert_allclose(actual[finite], expected[finite], rtol=10 * EPS)


@each_case
def test_numpy_functions(case: Case) -> None:
    x = ladder()
    with np.errstate(over="ignore"):
        expected, scale = case.function(x.astype(float)), case.scale(x.astype(float))
    keep = np.abs(expected) < np.finfo(np.float32).max
    function = activations.get(case.name)
    y = function(x, **case.arguments)
    # Formulas with differences lose what the compiled code keeps.
    assert_within(y[keep], expected[keep], 8 * EPS * np.maximum(scale, EPS)[keep])
    wide = function(x.astype(float), **case.arguments)
    assert wide.dtype == np.float64
    np.testing.assert_allclose(wide[keep], expected[keep], rtol=1e-7, atol=1e-30)


def test_every_function_has_a_case() -> None:
    names = {case.name for case in CASES.values()} | {
        "softmax",
        "log_softmax",
        "sparsemax",
        "glu",
    }
    functions = {
        activations.get(name).__name__
        for name in activations.__all__
        if name not in {"get", "serialize", "deserialize"}
    }
    assert names == functions


# ---- Along an axis ------------------------------------------------------------------------------


def log_softmax(x: np.ndarray) -> np.ndarray:
    top = x.max(axis=-1, keepdims=True)
    return x - top - np.log(np.exp(x - top).sum(axis=-1, keepdims=True))


@pytest.mark.parametrize("n", [1, 10, 16, 17, 37])
def test_log_softmax(core: ModuleType, rng: np.random.Generator, n: int) -> None:
    x = (3 * rng.normal(size=(5, n))).astype(np.float32)
    x[0] *= 1e3
    dy = rng.normal(size=x.shape).astype(np.float32)
    expected = log_softmax(x.astype(float))
    span = x.max(axis=-1, keepdims=True) - x
    bound = EPS * (n + 8 + 2 * span + np.abs(expected))
    assert_within(ops.activation(x, "log_softmax"), expected, bound)
    probability = np.exp(expected)
    total = dy.astype(float).sum(axis=-1, keepdims=True)
    sums = np.abs(dy).sum(axis=-1, keepdims=True)
    size = np.abs(dy) + probability * sums * (n + 8 + bound / EPS)
    dx = ops.activation_backward(x, dy, "log_softmax")
    assert_within(dx, dy - probability * total, 2 * EPS * size + TINY)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_log_softmax_of_specials(core: ModuleType, special: float) -> None:
    x = np.linspace(0, 1, 34, dtype=np.float32).reshape(2, 17)
    x[1, 3] = special
    with np.errstate(invalid="ignore"):
        expected = activations.log_softmax(x)
    assert_same_specials(ops.activation(x, "log_softmax"), expected)


def sparsemax(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sparsemax of each row, and which elements are in it (Martins and Astudillo, algorithm 1)."""
    y, support = np.empty_like(x), np.empty(x.shape, bool)
    for i, row in enumerate(x):
        z = np.sort(row)[::-1]
        k = max(k for k in range(1, len(z) + 1) if 1 + k * z[k - 1] > z[:k].sum())
        threshold = (z[:k].sum() - 1) / k
        y[i], support[i] = np.maximum(row - threshold, 0), row > threshold
    return y, support


def sparsemax_backward(x: np.ndarray, dy: np.ndarray) -> np.ndarray:
    support = sparsemax(x)[1]
    mean = (dy * support).sum(axis=-1, keepdims=True) / support.sum(axis=-1, keepdims=True)
    return support * (dy - mean)


@pytest.mark.parametrize("n", [1, 2, 10, 16, 17, 37, 300])
@pytest.mark.parametrize("scale", [0.01, 0.3, 3.0])
def test_sparsemax(core: ModuleType, rng: np.random.Generator, n: int, scale: float) -> None:
    x = (scale * rng.normal(size=(5, n))).astype(np.float32)
    x[0] += 100
    dy = rng.normal(size=x.shape).astype(np.float32)
    wide = x.astype(float)
    expected, _ = sparsemax(wide)
    bound = EPS * (n + 4) * (1 + np.ptp(x, axis=-1, keepdims=True))
    assert_within(ops.activation(x, "sparsemax"), expected, bound)
    assert_within(activations.sparsemax(x), expected, bound)
    np.testing.assert_allclose(activations.sparsemax(wide.T, axis=0).T, expected, atol=1e-13)
    dx = ops.activation_backward(x, dy, "sparsemax")
    sums = np.abs(dy).sum(axis=-1, keepdims=True)
    assert_within(dx, sparsemax_backward(wide, dy.astype(float)), EPS * (n + 4) * sums)


def test_slope_of_sparsemax_by_finite_differences(rng: np.random.Generator) -> None:
    x, dy, step = rng.normal(size=(4, 7)), rng.normal(size=(4, 7)), 1e-6
    dx = np.empty_like(x)
    for j in range(7):
        ahead, behind = (sparsemax(x + side * step * np.eye(7)[j])[0] for side in (1, -1))
        dx[:, j] = ((ahead - behind) * dy).sum(axis=-1) / (2 * step)
    np.testing.assert_allclose(sparsemax_backward(x, dy), dx, atol=1e-8)


@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
def test_sparsemax_of_specials(core: ModuleType, special: float) -> None:
    """NaN and infinity make a row NaN, where Keras has infinity or NaN here and there."""
    x = np.linspace(0, 1, 34, dtype=np.float32).reshape(2, 17)
    x[1, 3] = special
    for y in (ops.activation(x, "sparsemax"), activations.sparsemax(x)):
        np.testing.assert_array_equal(y[0], ops.activation(x[:1], "sparsemax")[0])
        if special == -np.inf:
            assert y[1, 3] == 0
            assert y[1].sum() == pytest.approx(1, abs=17 * EPS)
        else:
            assert np.isnan(y[1]).all()
    large = np.array([[1e8, 1e8, 0.0]], np.float32)  # where Keras has infinity
    np.testing.assert_array_equal(ops.activation(large, "sparsemax"), [[0.5, 0.5, 0.0]])
    dx = ops.activation_backward(
        np.array([[5.0, 4.0, 0.0]], np.float32), np.array([[1, np.inf, 1]], np.float32), "sparsemax"
    )
    assert dx[0, 2] == 0  # what takes no part stays out of it


@pytest.mark.parametrize("axis", [1, 2, 3])
@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 17, 33), (1, 1, 1)])
def test_softmax_along_any_axis(
    core: ModuleType, rng: np.random.Generator, shape: tuple[int, ...], axis: int
) -> None:
    network = core.Network(shape, [("softmax", {"axis": axis}, [0])])
    x = (3 * rng.normal(size=(3, *shape))).astype(np.float32)
    dy = rng.normal(size=x.shape).astype(np.float32)
    y = np.empty_like(x)
    network.predict(x, y, 0, 3)
    dx, _ = network.vector_jacobian_product(x, dy)
    x_last, dy_last = np.moveaxis(x, axis, -1), np.moveaxis(dy, axis, -1)
    n = shape[axis - 1]
    expected = np.moveaxis(oracle.softmax(x_last), -1, axis)
    assert_within(y, expected, EPS * (n + 24) * expected + TINY)
    expected = np.moveaxis(oracle.softmax_backward(x_last, dy_last), -1, axis)
    bound = 3 * EPS * (n + 24) * np.abs(dy).max() * np.ones_like(x)
    assert_within(dx, expected, bound)


def test_softmax_along_the_batch_is_refused(core: ModuleType) -> None:
    for axis in (0, 4):
        with pytest.raises(ValueError, match="`axis` must be"):
            core.Network((2, 3, 4), [("softmax", {"axis": axis}, [0])])


@pytest.mark.parametrize("width", [2, 34])
def test_glu(core: ModuleType, rng: np.random.Generator, width: int) -> None:
    x = rng.normal(size=(3, 5, width)).astype(np.float32)
    dy = rng.normal(size=(3, 5, width // 2)).astype(np.float32)
    p, q = np.split(x.astype(float), 2, axis=-1)
    s = oracle.sigmoid(q)
    assert_within(ops.activation(x, "glu"), p * s, 4 * EPS * np.abs(p * s) + TINY)
    expected = np.concatenate([dy * s, dy * p * s * (1 - s)], axis=-1)
    dx = ops.activation_backward(x, dy, "glu")
    assert_within(dx, expected, 8 * EPS * np.maximum(1, np.abs(x)).max() * np.abs(dy).max())
    np.testing.assert_allclose(activations.glu(x), p * s, rtol=1e-6)


@pytest.mark.parametrize("function", [ops.activation, activations.glu], ids=["ops", "activations"])
def test_glu_of_an_odd_axis_is_refused(function: Any) -> None:
    arguments = ["glu"] if function is ops.activation else []
    with pytest.raises(ValueError, match="axis size must be divisible by 2"):
        function(np.zeros((2, 3), np.float32), *arguments)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("elu", {"alhpa": 1.0}, "`elu` has no argument `alhpa`"),
        ("threshold", {"threshold": 1.0}, "`threshold` needs the argument `default_value`"),
        ("softmax", {"axis": 0}, "`axis=0`"),
        ("rleu", {}, "Did you mean 'relu'"),
    ],
)
def test_wrong_arguments_are_refused(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ops.activation(np.zeros((2, 4), np.float32), name, **arguments)


# ---- PReLU --------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize(
    ("shared", "alpha_shape"),
    [((), (3, 4, 5)), ((1, 2), (1, 1, 5)), ((3,), (3, 4, 1)), ((1, 2, 3), (1, 1, 1))],
)
def test_prelu(
    core: ModuleType,
    rng: np.random.Generator,
    shared: tuple[int, ...],
    alpha_shape: tuple[int, ...],
    threads: int,
) -> None:
    core.set_num_threads(threads)
    network = core.Network((3, 4, 5), [("prelu", {"shared_axes": shared}, [0])])
    assert [view.shape for _, _, view in network.parameters()] == [alpha_shape]
    alpha = rng.normal(size=alpha_shape).astype(np.float32)
    network.set_parameter(0, alpha)
    x = rng.normal(size=(7, 3, 4, 5)).astype(np.float32)
    x[0, 0, 0] = 0.0
    dy = rng.normal(size=x.shape).astype(np.float32)
    y = np.empty_like(x)
    network.predict(x, y, 0, 7)
    np.testing.assert_array_equal(y, np.where(x > 0, x, alpha * x))
    dx, (dalpha,) = network.vector_jacobian_product(x, dy)
    np.testing.assert_array_equal(dx, np.where(x > 0, dy, np.where(x < 0, alpha * dy, 0)))
    terms = dy.astype(float) * np.minimum(x, 0)
    axes = (0, *shared)
    count = x.size // alpha.size
    expected = terms.sum(axis=axes).reshape(alpha_shape)
    sizes = np.abs(terms).sum(axis=axes).reshape(alpha_shape)
    assert_within(dalpha, expected, 2 * count * EPS * sizes + TINY)
    again, (dalpha_again,) = network.vector_jacobian_product(x, dy)
    np.testing.assert_array_equal(again, dx)
    np.testing.assert_array_equal(dalpha_again, dalpha)


def test_prelu_shared_along_the_batch_is_refused(core: ModuleType) -> None:
    for axis in (0, 3):
        with pytest.raises(ValueError, match="`shared_axes` must be axes"):
            core.Network((2, 3), [("prelu", {"shared_axes": (axis,)}, [0])])


# ---- Live Keras ---------------------------------------------------------------------------------


@pytest.mark.keras
@pytest.mark.filterwarnings("default")
class TestLive:
    """Values and gradients of Keras, which rounds where this code does not: hence the tolerance."""

    @each_case
    def test_function(self, keras: Any, rng: np.random.Generator, case: Case) -> None:
        import tensorflow as tf

        kinks = [-6, -3, -1, -0.5, 0, 0.25, 0.5, 1, 3, 5, 6, 20, 100, 1e4, -20, -100, -1e4]
        x = np.concatenate([kinks, 3 * rng.normal(size=200)]).astype(np.float32)
        if case.name in {"celu", "relu", "hard_tanh"}:
            # TensorFlow adds up the gradients of celu's two sides at 0; at the ends of a clipped
            # range it gives 1 or 0 depending on where in the array the number stands.
            x = x[len(kinks) :]
        if case.name == "squareplus":
            x = x[x > -1000]  # where Keras has a difference of equal numbers
        given = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(given)
            y = getattr(keras.activations, case.name)(given, **case.arguments)
        slope = tape.gradient(y, given)
        actual = ops.activation(x, case.name, **case.arguments)
        np.testing.assert_allclose(actual, y, rtol=3e-6, atol=3e-6)
        actual = ops.activation_backward(x, np.ones_like(x), case.name, **case.arguments)
        np.testing.assert_allclose(actual, slope, rtol=1e-5, atol=1e-5)

    @each_case
    @pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
    def test_specials(self, keras: Any, case: Case, special: float) -> None:
        x = np.array([special], np.float32)
        expected = np.asarray(getattr(keras.activations, case.name)(x, **case.arguments))
        if case.name == "squareplus" and special == -np.inf:
            expected = np.zeros_like(x)  # where Keras has infinity minus infinity
        assert_same_specials(ops.activation(x, case.name, **case.arguments), expected)

    def test_sparsemax(self, keras: Any, rng: np.random.Generator) -> None:
        """Of rows of which one element is left, some with others exactly on the threshold.

        Where several are, Keras 3.15 takes another threshold than the paper's and the sum is not 1
        (keras-team/keras#23425, mended since).
        """
        import tensorflow as tf

        apart = rng.permuted(np.tile([-2.0, 0.5, 3.0], (9, 1)), axis=1)
        x = np.vstack([np.eye(3), [5, 4, 4], [0, -1, -3], apart]).astype(np.float32)
        dy = rng.normal(size=x.shape).astype(np.float32)
        given = tf.constant(x)
        with tf.GradientTape() as tape:
            tape.watch(given)
            y = keras.activations.sparsemax(given)
        np.testing.assert_allclose(ops.activation(x, "sparsemax"), y, atol=1e-6)
        dx = tape.gradient(y, given, dy)
        np.testing.assert_allclose(ops.activation_backward(x, dy, "sparsemax"), dx, atol=1e-5)

    @pytest.mark.parametrize(
        ("name", "arguments"),
        [
            ("ReLU", {"max_value": 3.0, "negative_slope": 0.1, "threshold": 0.5}),
            ("LeakyReLU", {}),
            ("ELU", {"alpha": 2.0}),
            ("PReLU", {"shared_axes": [1, 2]}),
            ("PReLU", {"alpha_initializer": "ones"}),
            ("Softmax", {"axis": 1}),
            ("Activation", {"activation": "glu"}),
        ],
    )
    def test_layer(
        self, keras: Any, rng: np.random.Generator, name: str, arguments: dict[str, Any]
    ) -> None:
        x = rng.normal(size=(2, 3, 4, 6)).astype(np.float32)
        ours, theirs = (getattr(k.layers, name)(**arguments) for k in (convlet, keras))
        np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-6, atol=1e-6)
        weights = [rng.normal(size=w.shape).astype(np.float32) for w in ours.get_weights()]
        ours.set_weights(weights)
        theirs.set_weights(weights)
        np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-6, atol=1e-6)
        unlike = {"name", "dtype"}
        mine, keras_config = ours.get_config(), theirs.get_config()
        assert {k: v for k, v in mine.items() if k not in unlike} == {
            k: v for k, v in keras_config.items() if k not in unlike
        }
