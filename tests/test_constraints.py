"""Bounds of weights: names, arguments, values, and that training keeps them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from convlet import Input, Sequential, constraints, layers
from convlet.constraints import MaxNorm, MinMaxNorm, NonNeg, UnitNorm


@pytest.mark.parametrize(
    ("identifier", "known", "config"),
    [
        ("max_norm", MaxNorm, {"max_value": 2, "axis": 0}),
        ("MaxNorm", MaxNorm, {"max_value": 2, "axis": 0}),
        (NonNeg, NonNeg, {}),
        (UnitNorm([0, 1]), UnitNorm, {"axis": [0, 1]}),
        (
            {"class_name": "MinMaxNorm", "config": {"rate": 0.5}},
            MinMaxNorm,
            {"min_value": 0.0, "max_value": 1.0, "rate": 0.5, "axis": 0},
        ),
    ],
    ids=str,
)
def test_identifier(identifier: Any, known: type, config: dict[str, Any]) -> None:
    constraint = constraints.get(identifier)
    assert type(constraint) is known
    assert constraint.get_config() == config  # type: ignore[union-attr]
    serialized = constraints.serialize(constraint)
    assert serialized == {
        "module": "keras.constraints",
        "class_name": known.__name__,
        "config": config,
        "registered_name": None,
    }
    assert constraints.deserialize(serialized).get_config() == config


def test_none_is_none() -> None:
    assert constraints.get(None) is None
    assert constraints.serialize(None) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: constraints.get("maxnorm"), "Could not interpret constraint identifier: maxnorm"),
        (lambda: constraints.get(abs), "Could not interpret constraint identifier"),
        (lambda: MaxNorm(-1), "`max_value`"),
        (lambda: MaxNorm(axis="a"), "`axis`"),
        (lambda: MinMaxNorm(2.0, 1.0), "`max_value`"),
        (lambda: MinMaxNorm(rate=1.5), "`rate`"),
        (lambda: UnitNorm([0, 0.5]), "`axis`"),
        (
            lambda: layers.Dense(2, bias_constraint=MaxNorm(axis=1)).build((None, 3)),
            r"`axis` of MaxNorm must name axes of the weight, which has shape \(2,\)",
        ),
    ],
)
def test_bad_argument_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_values() -> None:
    w = np.array([[3.0, 0.3], [4.0, 0.4]])
    np.testing.assert_allclose(MaxNorm(2)(w), [[1.2, 0.3], [1.6, 0.4]], rtol=1e-6)
    np.testing.assert_allclose(UnitNorm()(w), [[0.6, 0.6], [0.8, 0.8]], rtol=1e-6)
    np.testing.assert_allclose(MinMaxNorm(1.0, 2.0, 0.5)(w), [[2.1, 0.45], [2.8, 0.6]], rtol=1e-6)
    np.testing.assert_array_equal(NonNeg()([-1.0, np.nan, 2.0]), [0.0, np.nan, 2.0])


def test_training_keeps_the_bounds() -> None:
    model = Sequential(
        [
            Input((6, 6, 1)),
            layers.Conv2D(
                3, 3, kernel_constraint=MaxNorm(0.5, [0, 1, 2]), bias_constraint="non_neg"
            ),
            layers.Flatten(),
            layers.Dense(2, activation="softmax", kernel_constraint="unit_norm"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    x = np.random.default_rng(0).random((20, 6, 6, 1), np.float32)
    before = model.get_weights()
    model.fit(x, np.arange(20) % 2, batch_size=6, epochs=2, verbose=0)
    kernel, bias, dense, _ = model.get_weights()
    assert not np.array_equal(before[0], kernel)
    assert np.sqrt((kernel**2).sum(axis=(0, 1, 2))).max() <= 0.5 + 1e-6
    assert bias.min() >= 0.0
    np.testing.assert_allclose(np.sqrt((dense**2).sum(axis=0)), 1.0, rtol=1e-6)
