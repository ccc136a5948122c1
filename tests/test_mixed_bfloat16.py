"""The dtype policy "mixed_bfloat16": rounding, products of rounded operands, training, and Keras's interface."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import convlet
import oracle
from convlet import (
    DTypePolicy,
    Input,
    Sequential,
    _native,
    dtype_policies,
    layers,
    mixed_precision,
    ops,
)
from convlet.layers import Conv2D, Dense, Flatten, MaxPooling2D
from convlet.optimizers import RMSprop
from oracle_network import Bounded, OracleNetwork, given
from tolerance import assert_same_specials, assert_within

every_level = pytest.mark.parametrize("core", _native.available_levels(), indirect=True)


@pytest.fixture(autouse=True)
def default_policy() -> Iterator[None]:
    """Leaves the default policy behind."""
    yield
    convlet.config.set_dtype_policy("float32")


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def rounded(x: np.ndarray) -> np.ndarray:
    return oracle.bfloat16(x).astype(np.float32)


# ---- Rounding -----------------------------------------------------------------------------------


def special_values() -> np.ndarray:
    """Around each bfloat16's neighbours: ties, and one float32 to either side of them; zeros, denormals, infinities, NaN."""
    upper = np.arange(0, 2**16, 7, dtype=np.uint32) << 16
    lower = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    patterns = (upper[:, None] | lower).ravel()
    ends = [0, 0x7F7F7FFF, 0x7F7F8000, 0x7F800000, 0x7F800001, 0x7FC00000, 0x7FFFFFFF]
    ends = [end | sign for end in ends for sign in (0, 0x80000000)]
    return np.append(patterns, np.array(ends, np.uint32)).view(np.float32)


def test_rounding(core: ModuleType) -> None:
    x = special_values()
    y = ops.round_bfloat16(x)
    np.testing.assert_array_equal(y, oracle.bfloat16(x))
    np.testing.assert_array_equal(np.signbit(y), np.signbit(x))
    assert not (y.view(np.uint32) & 0xFFFF).any()


def test_rounding_of_some_numbers() -> None:
    """Between 1 and 2 the step is 1/128, and the largest finite number 255 * 2**120."""
    actual = ops.round_bfloat16([1 + 1 / 256, 1 + 3 / 256, 1 + 1 / 255, 255.4 * 2.0**120, 3.4e38])
    np.testing.assert_array_equal(actual, [1, 1 + 2 / 128, 1 + 1 / 128, 255 * 2.0**120, np.inf])


@pytest.mark.parametrize("size", [0, 1, 3, 4, 7, 15, 17, 37])
def test_rounding_of_any_number_of_elements(core: ModuleType, size: int) -> None:
    x = floats(np.random.default_rng(size), size)
    np.testing.assert_array_equal(ops.round_bfloat16(x), rounded(x))
    assert ops.round_bfloat16(np.pi).shape == ()


# ---- Products -----------------------------------------------------------------------------------

# Rows of the input and ops without the attribute: Winograd's and the direct product, pairs that do
# not come out even, gradients from lists, from all of dz and of few weights, padding and strides.
CHAINS: dict[str, tuple[tuple[int, ...], list[tuple[str, dict[str, Any]]]]] = {}


def convolution(filters: int, kernel: int, strides: int = 1, padding: str = "valid") -> Any:
    return (
        "conv2d",
        {
            "filters": filters,
            "kernel_size": (kernel, kernel),
            "strides": (strides, strides),
            "padding": padding,
            "use_bias": True,
        },
    )


RELU = ("activation", {"activation": "relu"})
POOLING = ("max_pooling2d", {"pool_size": (2, 2), "strides": (2, 2), "padding": "valid"})

CHAINS = {
    "conv2d of one channel": ((3, 7, 6, 1), [convolution(5, 3)]),
    "conv2d of 8 channels": ((2, 7, 8, 8), [convolution(17, 3)]),
    "conv2d of 9 channels, same": ((2, 6, 7, 9), [convolution(8, 3, padding="same")]),
    "conv2d 1x1": ((3, 5, 5, 16), [convolution(33, 1)]),
    "conv2d 2x2, strides": ((2, 9, 8, 3), [convolution(7, 2, strides=2, padding="same")]),
    "conv2d 5x5, strides": ((2, 9, 9, 6), [convolution(16, 5, strides=3)]),
    "conv2d, relu": ((5, 6, 6, 3), [convolution(12, 3), RELU]),
    "conv2d, relu, pooling": ((3, 7, 8, 2), [convolution(18, 3), RELU, POOLING]),
    "conv2d, pooling": ((3, 8, 8, 10), [convolution(9, 3, padding="same"), POOLING]),
    "dense": ((13, 37), [("dense", {"units": 18, "use_bias": True})]),
    "dense, relu": ((70, 64), [("dense", {"units": 33, "use_bias": True}), RELU]),
    "dense of one": ((3, 1), [("dense", {"units": 1, "use_bias": True})]),
    "dense on a map": ((2, 3, 5, 7), [("dense", {"units": 4, "use_bias": True})]),
}


def mixed_network(core: ModuleType, chain: str) -> Any:
    (_, *row), stack = CHAINS[chain]
    return core.Network(
        tuple(row),
        [
            (name, attributes | ({"bfloat16": True} if "use_bias" in attributes else {}), [i])
            for i, (name, attributes) in enumerate(stack)
        ],
    )


def check_products(core: ModuleType, chain: str, rng: np.random.Generator) -> None:
    network = mixed_network(core, chain)
    shape, stack = CHAINS[chain]
    x = floats(rng, *shape)
    w, b = (floats(rng, *view.shape) for _, _, view in network.parameters())
    network.set_parameter(0, w)
    network.set_parameter(1, b)
    reference = OracleNetwork(stack, [rounded(w), b])
    expected = reference.forward(rounded(x))
    y = np.empty(expected.value.shape, np.float32)
    network.predict(x, y, 0, len(x))
    assert_within(y, *expected)
    dy = floats(rng, *y.shape)
    dx, gradients = network.vector_jacobian_product(x, dy)
    expected_dx, expected_gradients = reference.backward(given(rounded(dy)))
    assert reference.decided
    for actual, bounded in zip([dx, *gradients], [expected_dx, *expected_gradients], strict=True):
        assert_within(actual, *bounded)


@every_level
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("chain", CHAINS)
def test_products(core: ModuleType, rng: np.random.Generator, chain: str, threads: int) -> None:
    core.set_num_threads(threads)
    check_products(core, chain, rng)


def test_bound_tells_rounded_operands_from_others(rng: np.random.Generator) -> None:
    """Or else the test above would not notice an operand that is not rounded."""
    x, w = floats(rng, 3, 37), floats(rng, 37, 5)
    bounded: Bounded = OracleNetwork(
        [("dense", {"units": 5, "use_bias": False})], [rounded(w)]
    ).forward(rounded(x))
    for operands in ((rounded(x), w), (x, rounded(w))):
        with pytest.raises(AssertionError, match="out of bounds"):
            assert_within(ops.dense(*operands), *bounded)


@every_level
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("operand", ["x", "w", "dy"])
def test_special_values_reach_what_they_touch(
    core: ModuleType, rng: np.random.Generator, operand: str, special: float
) -> None:
    """As in float32, and no neighbour that shares a register with them."""
    network = core.Network(
        (5,), [("dense", {"units": 3, "use_bias": False, "bfloat16": True}, [0])]
    )
    arrays = {"x": floats(rng, 3, 5), "w": floats(rng, 5, 3), "dy": floats(rng, 3, 3)}
    arrays[operand][2, 2] = special
    network.set_parameter(0, arrays["w"])
    y = np.empty((3, 3), np.float32)
    network.predict(arrays["x"], y, 0, 3)
    dx, (dw,) = network.vector_jacobian_product(arrays["x"], arrays["dy"])
    with np.errstate(invalid="ignore"):
        assert_same_specials(y, oracle.dense(arrays["x"], arrays["w"]))
        expected = oracle.dense_backward(arrays["x"], arrays["w"], arrays["dy"])
    assert_same_specials(dx, expected[0])
    assert_same_specials(dw, expected[1])


def test_level_for_bfloat16(rng: np.random.Generator) -> None:
    """Its products of bfloat16 are its own; in float32 it is the level it is named after, bit by bit."""
    name = "x86-64-v4-bf16"
    base = name.removesuffix("-bf16")
    if not {name, base} <= set(_native.available_levels()):
        pytest.skip(f"{name} or {base} is not built or not supported by this CPU")
    w = floats(rng, 3, 3, 8, 32), floats(rng, 32), floats(rng, 512, 32), floats(rng, 32)
    x = floats(rng, 9, 6, 6, 8)

    def results(level: str, **policy: bool) -> list[np.ndarray]:
        stack: list[Any] = [
            ("conv2d", convolution(32, 3)[1] | policy, [0]),
            ("reshape", {"target_shape": (512,)}, [1]),
            ("dense", {"units": 32, "use_bias": True} | policy, [2]),
        ]
        network = _native.load(level).Network((6, 6, 8), stack)
        for index, value in enumerate(w):
            network.set_parameter(index, value)
        y = np.empty((9, 32), np.float32)
        network.predict(x, y, 0, 9)
        dx, gradients = network.vector_jacobian_product(x, y)
        return [y, dx, *gradients]

    for actual, expected in zip(results(name), results(base), strict=True):
        np.testing.assert_array_equal(actual, expected)
    paired, emulated = (results(level, bfloat16=True) for level in (name, base))
    for i in (0, 1, 2, 4):  # output, gradients of the input and of the kernels
        assert (paired[i] != emulated[i]).any()


def test_op_without_kernel_is_refused(core: ModuleType) -> None:
    with pytest.raises(ValueError, match="`bfloat16` is for ops that multiply by a kernel"):
        core.Network((4,), [("activation", {"activation": "relu", "bfloat16": True}, [0])])


# ---- Models -------------------------------------------------------------------------------------


def small_convnet() -> Sequential:
    return Sequential(
        [
            Input((9, 9, 1)),
            Conv2D(8, 3, activation="relu"),
            MaxPooling2D(),
            Conv2D(8, 2, activation="relu"),
            Flatten(),
            Dense(4, activation="softmax"),
        ]
    )


def corners(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images with one bright corner, and which."""
    labels = rng.integers(4, size=rows)
    images = rng.uniform(0, 1, (rows, 9, 9, 1)).astype(np.float32)
    for image, label in zip(images, labels, strict=True):
        image[5 * (label // 2) :, 5 * (label % 2) :][:4, :4] += 1
    return images, labels


@every_level
def test_training(core: ModuleType, rng: np.random.Generator) -> None:
    """Learns what float32 learns; weights and optimizer keep all their bits."""
    x, y = corners(rng, 256)
    losses = {}
    for policy in ("float32", "mixed_bfloat16"):
        convlet.utils.clear_session()
        convlet.utils.set_random_seed(1)
        convlet.config.set_dtype_policy(policy)
        model = small_convnet()
        model.compile(RMSprop(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
        history = model.fit(x, y, batch_size=16, epochs=6, verbose=0).history
        assert history["accuracy"][-1] > 0.95
        losses[policy] = history["loss"]
        for variable in model.weights:
            assert variable.dtype == "float32"
            assert (variable.numpy() != rounded(variable.numpy())).any()
    assert losses["mixed_bfloat16"] != losses["float32"]
    np.testing.assert_allclose(losses["mixed_bfloat16"][0], losses["float32"][0], rtol=0.02)


@every_level
def test_threads_share_the_packing_of_odd_channels(
    core: ModuleType, rng: np.random.Generator
) -> None:
    """After training the engine multiplies by the weights it shows."""
    core.set_num_threads(3)
    convlet.config.set_dtype_policy("mixed_bfloat16")
    stack = [Conv2D(7, 3), Flatten(), Dense(33), Dense(5, activation="softmax")]
    model = Sequential([Input((11, 11, 5)), *stack])
    model.compile("rmsprop", "sparse_categorical_crossentropy")
    x, y = floats(rng, 256, 11, 11, 5), rng.integers(5, size=256)
    model.fit(x, y, batch_size=128, verbose=0)
    again = Sequential.from_config(model.get_config())
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(model.predict(x, verbose=0), again.predict(x, verbose=0))


def test_rows_do_not_depend_on_their_neighbours(core: ModuleType, rng: np.random.Generator) -> None:
    """In inference rows are rounded some at a time."""
    convlet.config.set_dtype_policy("mixed_bfloat16")
    x, _ = corners(rng, 1000)
    model = small_convnet()
    y = model.predict(x, batch_size=1000, verbose=0)
    np.testing.assert_array_equal(y[900:907], model.predict(x[900:907], verbose=0))


def test_layers_may_differ(rng: np.random.Generator) -> None:
    x = floats(rng, 2, 6)
    layer = Dense(3, dtype="mixed_bfloat16")
    y = layer(x)
    np.testing.assert_array_equal(y, layer(rounded(x)))
    plain = Dense(3)
    plain.build((None, 6))
    plain.set_weights(layer.get_weights())
    assert (plain(x) != y).any()
    assert y.dtype == np.float32


# ---- Keras's interface --------------------------------------------------------------------------


def test_policy() -> None:
    policy = DTypePolicy("mixed_bfloat16")
    assert (policy.name, policy.compute_dtype, policy.variable_dtype) == (
        "mixed_bfloat16",
        "bfloat16",
        "float32",
    )
    assert policy.quantization_mode is None
    assert repr(policy) == '<DTypePolicy "mixed_bfloat16">'
    assert policy == DTypePolicy.from_config(policy.get_config())
    assert hash(policy) == hash(DTypePolicy("mixed_bfloat16"))
    assert policy != DTypePolicy("float32")
    assert policy != "mixed_bfloat16"


def test_default_policy() -> None:
    assert convlet.config.dtype_policy() == DTypePolicy("float32")
    before = Dense(1)
    convlet.config.set_dtype_policy("mixed_bfloat16")
    assert convlet.config.dtype_policy() == DTypePolicy() == DTypePolicy("mixed_bfloat16")
    assert before.dtype_policy.name == "float32"
    layer = Dense(1)
    assert (layer.dtype_policy.name, layer.compute_dtype) == ("mixed_bfloat16", "bfloat16")
    assert (layer.dtype, layer.variable_dtype) == ("float32", "float32")
    assert Dense(1, dtype="float32").dtype_policy.name == "float32"
    convlet.utils.clear_session()
    assert convlet.config.dtype_policy().name == "float32"
    mixed_precision.set_global_policy(mixed_precision.Policy("mixed_bfloat16"))
    assert mixed_precision.global_policy().name == "mixed_bfloat16"


SERIALIZED = {
    "module": "keras",
    "class_name": "DTypePolicy",
    "config": {"name": "mixed_bfloat16"},
    "registered_name": None,
}


@pytest.mark.parametrize(
    "dtype",
    [
        "mixed_bfloat16",
        DTypePolicy("mixed_bfloat16"),
        SERIALIZED,
        SERIALIZED | {"class_name": "FloatDTypePolicy", "shared_object_id": 3},
    ],
    ids=str,
)
def test_forms_of_the_argument(dtype: Any) -> None:
    layer = Conv2D(2, 3, dtype=dtype)
    assert layer.get_config()["dtype"] == "mixed_bfloat16"
    again = layers.deserialize(layers.serialize(layer))
    assert again.dtype_policy == layer.dtype_policy == DTypePolicy("mixed_bfloat16")


@pytest.mark.parametrize("dtype", [np.float32, np.dtype("float32"), "float32", None], ids=str)
def test_forms_of_float32(dtype: Any) -> None:
    assert Dense(1, dtype=dtype).dtype_policy == dtype_policies.get(dtype) == DTypePolicy("float32")


def test_model_configuration() -> None:
    convlet.config.set_dtype_policy("mixed_bfloat16")
    config = small_convnet().get_config()
    convlet.config.set_dtype_policy("float32")
    assert config["dtype"] == "mixed_bfloat16"
    dtypes = [layer["config"]["dtype"] for layer in config["layers"]]
    assert dtypes == ["float32", *["mixed_bfloat16"] * 5]
    model = Sequential.from_config(config)
    assert {layer.compute_dtype for layer in model.layers} == {"bfloat16"}


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "mixed_float16": (
        lambda: DTypePolicy("mixed_float16"),
        ValueError,
        "rounded to bfloat16 or not at all",
    ),
    "bfloat16": (lambda: DTypePolicy("bfloat16"), ValueError, "weights and optimizer are kept"),
    "float64": (
        lambda: convlet.config.set_dtype_policy("float64"),
        ValueError,
        "does not support `name='float64'`",
    ),
    "numpy type": (lambda: Dense(1, dtype=np.float16), ValueError, "`name='float16'`"),
    "int8": (lambda: Dense(1, dtype="int8_from_float32"), ValueError, "`name='int8_from_float32'`"),
    "typing error": (
        lambda: DTypePolicy("mixed_bfloat61"),
        ValueError,
        "Cannot convert 'mixed_bfloat61' to a mixed precision DTypePolicy",
    ),
    "suggestion": (lambda: DTypePolicy("mixed_bfloat"), ValueError, "mean 'mixed_bfloat16'?"),
    "number": (lambda: DTypePolicy(3), TypeError, "'name' must be a string"),  # type: ignore[arg-type]
    "policy": (
        lambda: convlet.config.set_dtype_policy(None),  # type: ignore[arg-type]
        ValueError,
        "Invalid `policy` argument. Expected the string name of a policy",
    ),
    "dtype": (lambda: Dense(1, dtype=3), ValueError, "Cannot interpret `dtype` argument"),
    "class": (
        lambda: Dense(1, dtype={"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8"}}),
        ValueError,
        "QuantizedDTypePolicy",
    ),
    "no class": (lambda: Dense(1, dtype={"name": "float32"}), ValueError, "'class_name'"),
    "input": (
        lambda: Input((3,), dtype="mixed_bfloat16"),
        ValueError,
        "Input does not support `dtype='mixed_bfloat16'`",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_policy_is_refused_by_name(case: str) -> None:
    make, error, message = REFUSED[case]
    with pytest.raises(error, match=re.escape(message)):
        make()
    assert convlet.config.dtype_policy().name == "float32"


@pytest.mark.keras
@pytest.mark.keras
@pytest.mark.filterwarnings("default")
def test_keras_means_the_same() -> None:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed", exc_type=ImportError)
    keras = pytest.importorskip("keras", reason="Keras is not installed", exc_type=ImportError)

    def configurations(package: Any) -> Any:
        package.utils.clear_session()
        package.config.set_dtype_policy("mixed_bfloat16")
        stack = package.layers
        model = package.Sequential([stack.Dense(2, name="a"), stack.Dense(1, dtype="float32")])
        package.config.set_dtype_policy("float32")
        return [
            [
                package.dtype_policies.get(layer.get_config()["dtype"]).name
                for layer in model.layers
            ],
            [(layer.dtype, layer.compute_dtype) for layer in (model, *model.layers)],
            package.dtype_policies.get(SERIALIZED).get_config(),
            repr(package.DTypePolicy("mixed_bfloat16")),
        ]

    assert configurations(convlet) == configurations(keras)
