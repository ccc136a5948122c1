"""Activation functions on numpy arrays, and their names."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet import activations

X = np.array([[-3.0, -0.5, 0.0, 0.25, 2.0], [100.0, -100.0, 1000.0, -1000.0, 1.0]], np.float32)
NAMES = ["linear", "relu", "sigmoid", "softmax", "tanh"]


def expected(name: str, x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    if name == "softmax":
        exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
        return exponentials / exponentials.sum(axis=-1, keepdims=True)
    return {
        "linear": lambda: x,
        "relu": lambda: np.maximum(x, 0),
        "sigmoid": lambda: 1 / (1 + np.exp(-np.clip(x, -500, 500))),
        "tanh": lambda: np.tanh(x),
    }[name]()


@pytest.mark.parametrize("name", NAMES)
def test_values(name: str) -> None:
    y = activations.get(name)(X)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected(name, X), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_integers_become_float32(name: str) -> None:
    y = activations.get(name)([[1, 2, 3]])
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, expected(name, np.array([[1, 2, 3]])), rtol=1e-6)


def test_relu_has_kerass_options() -> None:
    x = np.array([-2.0, 0.5, 1.5, 9.0])
    np.testing.assert_array_equal(
        activations.relu(x, negative_slope=0.5, max_value=6.0, threshold=1.0),
        [-1.5, -0.25, 1.5, 6.0],
    )


def test_softmax_takes_an_axis() -> None:
    np.testing.assert_allclose(activations.softmax(np.zeros((4, 2)), axis=0), np.full((4, 2), 0.25))


@pytest.mark.parametrize("name", NAMES)
def test_names_and_functions_are_the_same(name: str) -> None:
    function = getattr(activations, name)
    assert activations.get(name) is function
    assert activations.get(function) is function
    assert activations.serialize(function) == name
    assert activations.deserialize(name) is function


def test_none_is_linear() -> None:
    assert activations.get(None) is activations.linear


def test_other_names() -> None:
    assert activations.get("swish") is activations.swish is activations.silu
    assert activations.get("hard_swish") is activations.hard_swish is activations.hard_silu
    assert activations.serialize(activations.swish) == "silu"


def test_configuration_of_a_function() -> None:
    config = {"module": "builtins", "class_name": "function", "config": "elu"}
    assert activations.deserialize(config) is activations.elu


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("rleu", "identifier: rleu. Did you mean 'relu'"),
        ("swirl", "identifier: swirl"),
        (3, "identifier: 3"),
        (np.tanh, "identifier: <ufunc 'tanh'>. The Python function `tanh` cannot be"),
        ({"config": "rleu"}, "identifier: rleu"),
    ],
)
def test_unknown_identifier_is_refused(identifier: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"Could not interpret activation function {message}"):
        activations.get(identifier)


def test_text_is_refused() -> None:
    with pytest.raises(ValueError, match="real numbers"):
        activations.relu(["a"])
