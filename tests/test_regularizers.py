"""Penalties on weights: names, arguments, values, and their place in the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet import Input, Sequential, layers, regularizers
from convlet.regularizers import L1, L1L2, L2, OrthogonalRegularizer

W = np.array([[1.0, -2.0], [0.0, 3.0]])


@pytest.mark.parametrize(
    ("identifier", "known", "config"),
    [
        ("l1", L1, {"l1": float(np.float32(0.01))}),
        ("L2", L2, {"l2": 0.01}),
        ("l1_l2", L1L2, {"l1": 0.0, "l2": 0.0}),
        ("l1l2", L1L2, {"l1": 0.0, "l2": 0.0}),
        (L1L2(0.1), L1L2, {"l1": 0.1, "l2": 0.0}),
        (L2, L2, {"l2": 0.01}),
        ({"class_name": "L2", "config": {"l2": 0.5}}, L2, {"l2": 0.5}),
        (
            "orthogonal_regularizer",
            OrthogonalRegularizer,
            {"factor": float(np.float32(0.01)), "mode": "rows"},
        ),
    ],
    ids=str,
)
def test_identifier(identifier: Any, known: type, config: dict[str, Any]) -> None:
    regularizer = regularizers.get(identifier)
    assert type(regularizer) is known
    assert regularizer.get_config() == config  # type: ignore[union-attr]
    serialized = regularizers.serialize(regularizer)
    assert serialized == {
        "module": "keras.regularizers",
        "class_name": known.__name__,
        "config": config,
        "registered_name": None,
    }
    assert regularizers.deserialize(serialized).get_config() == config


def test_none_is_none() -> None:
    assert regularizers.get(None) is None
    assert regularizers.serialize(None) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: regularizers.get("l3"), "Could not interpret regularizer identifier: l3"),
        (lambda: regularizers.get(lambda w: 0.0), "Could not interpret regularizer identifier"),
        (lambda: L2(-1), "Invalid value for argument l2: expected a non-negative float"),
        (lambda: L1(float("nan")), "Invalid value for argument l1"),
        (lambda: L1L2(l1="a"), "Invalid value for argument l1"),
        (lambda: OrthogonalRegularizer(0.1, "diagonals"), "`mode`"),
    ],
)
def test_bad_argument_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_values() -> None:
    assert L1(0.5)(W) == 3.0
    assert L2(0.5)(W) == 7.0
    assert L1L2(0.5, 0.5)(W) == 10.0
    rows = 0.5 * 2 / np.sqrt(5)
    columns = 0.5 * 2 / np.sqrt(13)
    assert OrthogonalRegularizer(0.5)(W) == pytest.approx(rows)
    assert OrthogonalRegularizer(0.5, "columns")(W) == pytest.approx(columns)


def test_configuration_of_a_layer_has_its_penalties_and_bounds() -> None:
    layer = layers.Dense(3, kernel_regularizer=L2(0.5), bias_constraint="non_neg")
    config = layer.get_config()
    assert config["kernel_regularizer"]["config"] == {"l2": 0.5}
    assert config["bias_constraint"]["class_name"] == "NonNeg"
    assert (config["bias_regularizer"], config["kernel_constraint"]) == (None, None)
    assert layers.Dense.from_config(config).get_config() == config


def test_penalties_are_in_every_loss() -> None:
    """In fit with its validation, evaluate and single batches; weights without one are not."""
    model = Sequential(
        [
            Input((2,)),
            layers.Dense(2, kernel_regularizer=L1L2(0.5, 0.25), bias_regularizer="l2"),
            layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile("sgd", "categorical_crossentropy")
    bias = np.array([1.0, 2.0])
    model.set_weights([W, bias, np.zeros((2, 2)), np.zeros(2)])
    assert model.losses == pytest.approx([6.5, 0.05])
    x, y = np.ones((5, 2), np.float32), np.eye(2, dtype=np.float32)[[0, 1, 0, 1, 0]]
    expected = np.log(2.0) + 6.55
    assert model.evaluate(x, y, batch_size=2, verbose=0) == pytest.approx(expected)
    assert model.test_on_batch(x, y) == pytest.approx(expected)
    assert model.optimizer is not None
    model.optimizer.learning_rate = 0.0
    assert model.train_on_batch(x, y) == pytest.approx(expected)
    history = model.fit(x, y, batch_size=2, validation_data=(x, y), verbose=0).history
    assert [history["loss"][0], history["val_loss"][0]] == pytest.approx([expected] * 2)


def test_orthogonal_penalty_needs_a_matrix() -> None:
    with pytest.raises(ValueError, match="must have rank 2"):
        layers.Conv2D(2, 2, kernel_regularizer="orthogonal_regularizer").build((None, 4, 4, 1))
    with pytest.raises(ValueError, match="at least two rows"):
        layers.Dense(2, kernel_regularizer="orthogonal_regularizer").build((None, 1))
