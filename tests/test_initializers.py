"""Initializers: Keras's distributions, and what their seeds promise."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from convlet import initializers, utils

KERNEL = (3, 3, 64, 128)
FAN_IN, FAN_OUT = 9 * 64, 9 * 128

UNIFORM_LIMITS = {
    "glorot_uniform": math.sqrt(6 / (FAN_IN + FAN_OUT)),
    "he_uniform": math.sqrt(6 / FAN_IN),
    "lecun_uniform": math.sqrt(3 / FAN_IN),
    "random_uniform": 0.05,
}
# Standard deviation of the values, and of the normal distribution that was cut off at two of them.
NORMAL_STDDEVS = {
    "glorot_normal": (math.sqrt(2 / (FAN_IN + FAN_OUT)), 0.87962566103423978),
    "he_normal": (math.sqrt(2 / FAN_IN), 0.87962566103423978),
    "lecun_normal": (math.sqrt(1 / FAN_IN), 0.87962566103423978),
    "truncated_normal": (0.05 * 0.87962566103423978, 0.87962566103423978),
}
CLASSES = {
    "constant": "Constant",
    "glorot_normal": "GlorotNormal",
    "glorot_uniform": "GlorotUniform",
    "he_normal": "HeNormal",
    "he_uniform": "HeUniform",
    "identity": "Identity",
    "lecun_normal": "LecunNormal",
    "lecun_uniform": "LecunUniform",
    "ones": "Ones",
    "orthogonal": "Orthogonal",
    "random_normal": "RandomNormal",
    "random_uniform": "RandomUniform",
    "truncated_normal": "TruncatedNormal",
    "variance_scaling": "VarianceScaling",
    "zeros": "Zeros",
}


@pytest.fixture(autouse=True)
def seeded() -> None:
    utils.set_random_seed(0)


def values(identifier: Any, shape: tuple[int, ...] = KERNEL) -> np.ndarray:
    return np.asarray(initializers.get(identifier)(shape))


@pytest.mark.parametrize("name", UNIFORM_LIMITS)
def test_uniform_fills_its_interval(name: str) -> None:
    limit, weights = UNIFORM_LIMITS[name], values(name)
    assert np.abs(weights).max() <= limit
    assert np.abs(weights).max() > 0.999 * limit
    assert weights.mean() == pytest.approx(0, abs=5 * limit / math.sqrt(weights.size))
    assert weights.std() == pytest.approx(limit / math.sqrt(3), rel=0.02)


@pytest.mark.parametrize("name", NORMAL_STDDEVS)
def test_normal_is_cut_off_at_two_standard_deviations(name: str) -> None:
    stddev, correction = NORMAL_STDDEVS[name]
    weights = values(name)
    limit = 2 * stddev / correction
    assert 0.99 * limit < np.abs(weights).max() <= limit * (1 + 1e-6)
    assert weights.std() == pytest.approx(stddev, rel=0.02)


@pytest.mark.parametrize("shape", [(8, 8), (3, 3, 2, 5), (2, 9)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    matrix = values(initializers.Orthogonal(gain=2.0), shape).reshape(-1, shape[-1])
    if len(matrix) < matrix.shape[1]:
        matrix = matrix.T
    product = matrix.T.astype(float) @ matrix
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)


def test_axes_tell_the_fans() -> None:
    draw = initializers.GlorotUniform(seed=1, input_axes=[0, 1], output_axes=[-1])
    limit = math.sqrt(6 / (8 * 16 + 64))
    values = draw((8, 16, 4, 64))
    assert 0.99 * limit < np.abs(values).max() <= limit
    again = initializers.deserialize(initializers.serialize(draw))
    np.testing.assert_array_equal(again((8, 16, 4, 64)), values)
    with pytest.raises(ValueError, match="must be axes of the weight"):
        draw((8,))
    with pytest.raises(ValueError, match="input_axes"):
        initializers.VarianceScaling(input_axes=[0.5])


def test_identity() -> None:
    np.testing.assert_array_equal(
        values(initializers.Identity(3.0), (2, 3)), [[3, 0, 0], [0, 3, 0]]
    )


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("orthogonal", (3,), "The tensor to initialize must be at least two-dimensional"),
        ("identity", (2, 2, 2), "Identity matrix initializer can only be used for 2D matrices"),
    ],
)
def test_impossible_shape_is_refused(name: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        values(name, shape)


def test_random_normal_is_not_cut_off() -> None:
    weights = values("random_normal")
    assert weights.std() == pytest.approx(0.05, rel=0.02)
    assert np.abs(weights).max() > 0.15


@pytest.mark.parametrize(
    ("shape", "fans"),
    [((), (1, 1)), ((7,), (7, 7)), ((5, 3), (5, 3)), (KERNEL, (FAN_IN, FAN_OUT))],
    ids=str,
)
def test_fans_include_the_receptive_field(shape: tuple[int, ...], fans: tuple[int, int]) -> None:
    assert initializers.compute_fans(shape) == fans


def test_glorot_limit_of_the_first_convolution() -> None:
    """The number seen in Keras."""
    assert np.abs(values("glorot_uniform", (3, 3, 1, 32))).max() == pytest.approx(0.1421, abs=2e-3)


def test_constants() -> None:
    assert (values("zeros", (2, 3)) == 0).all()
    assert (values("ones", (2, 3)) == 1).all()
    assert (values(initializers.Constant(2.5), (2, 3)) == 2.5).all()


@pytest.mark.parametrize("name", CLASSES)
def test_result_is_a_writable_float32_array(name: str) -> None:
    weights = values(name, (4, 3))
    assert weights.dtype == np.float32
    assert weights.shape == (4, 3)
    assert weights.flags.c_contiguous
    weights[0, 0] = 7.0
    assert weights[1, 1] != 7.0


@pytest.mark.parametrize("name", CLASSES)
def test_both_spellings_and_the_class_mean_the_same(name: str) -> None:
    known = getattr(initializers, CLASSES[name])
    assert getattr(initializers, name) is known
    for identifier in (name, CLASSES[name], known, known(), {"class_name": CLASSES[name]}):
        assert type(initializers.get(identifier)) is known


@pytest.mark.parametrize(
    ("alias", "name"), [("normal", "RandomNormal"), ("uniform", "RandomUniform"), ("zero", "Zeros")]
)
def test_aliases(alias: str, name: str) -> None:
    assert type(initializers.get(alias)).__name__ == name


@pytest.mark.parametrize("name", CLASSES)
def test_configuration_makes_an_equal_initializer(name: str) -> None:
    seeded = "seed" in initializers.get(name).get_config()  # type: ignore[attr-defined]
    first = getattr(initializers, name)(**({"seed": 5} if seeded else {}))
    config = initializers.serialize(first)
    assert config["module"] == "keras.initializers"
    second = initializers.deserialize(config)
    np.testing.assert_array_equal(first((3, 4)), second((3, 4)))


def test_configuration_of_a_newer_keras_is_read() -> None:
    config = {
        "module": "keras.initializers",
        "class_name": "GlorotUniform",
        "config": {"seed": None, "input_axes": None, "output_axes": None},
        "registered_name": None,
    }
    assert type(initializers.get(config)) is initializers.GlorotUniform


def test_an_instance_gives_the_same_values_at_every_call() -> None:
    for initializer in (initializers.GlorotUniform(), initializers.GlorotUniform(seed=3)):
        np.testing.assert_array_equal(initializer((5, 5)), initializer((5, 5)))
    assert not np.array_equal(values("glorot_uniform"), values("glorot_uniform"))


def test_seed_of_the_process_decides() -> None:
    utils.set_random_seed(11)
    first = values("he_normal")
    utils.set_random_seed(11)
    np.testing.assert_array_equal(first, values("he_normal"))
    utils.set_random_seed(12)
    assert not np.array_equal(first, values("he_normal"))


def test_own_seed_does_not_depend_on_that_of_the_process() -> None:
    first = initializers.HeNormal(seed=4)((5, 5))
    utils.set_random_seed(99)
    np.testing.assert_array_equal(first, initializers.HeNormal(seed=4)((5, 5)))


def test_function_is_an_initializer() -> None:
    def ramp(shape: tuple[int, ...], dtype: str | None = None) -> np.ndarray:
        return np.arange(math.prod(shape), dtype=dtype).reshape(shape)

    assert initializers.get(ramp) is ramp
    with pytest.raises(ValueError, match="have a configuration"):
        initializers.serialize(ramp)


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("glorot", "Could not interpret initializer identifier: glorot"),
        ("glorot_unifrom", "Did you mean 'glorot_uniform'"),
        ("HeNormale", "Did you mean 'HeNormal'"),
        (3, "Could not interpret initializer identifier: 3"),
        (None, "Could not interpret initializer identifier: None"),
        ({"class": "Zeros"}, "'class_name'"),
    ],
)
def test_unknown_identifier_is_refused(identifier: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        initializers.get(identifier)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: initializers.RandomNormal(seed="a"), "`seed`"),
        (lambda: initializers.RandomNormal(stddev=-1), "`stddev`"),
        (lambda: initializers.RandomUniform(minval=1, maxval=0), "`maxval`"),
        (lambda: initializers.Constant("a"), "`value`"),
        (lambda: initializers.Constant(math.nan), "`value`"),
        (lambda: initializers.VarianceScaling(scale=0), "`scale`"),
        (lambda: initializers.VarianceScaling(mode="fan_inn"), "Did you mean 'fan_in'"),
        (lambda: initializers.VarianceScaling(distribution="poisson"), "`distribution`"),
        (lambda: initializers.Zeros()((2,), dtype="float64"), "`dtype='float64'`"),
    ],
)
def test_bad_argument_is_refused_by_name(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
