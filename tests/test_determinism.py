"""The same bits at any number of threads, once `enable_op_determinism` is called."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

import convlet
from convlet import layers

ROWS = 45


def convnet() -> convlet.Sequential:
    """Everything whose result could depend on how a batch is cut up."""
    model = convlet.Sequential(
        [
            convlet.Input((12, 12, 2)),
            layers.RandomFlip(seed=1),
            layers.Conv2D(8, 3, padding="same", kernel_regularizer="l2"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Dropout(0.3, seed=2),
            layers.Conv2D(8, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(convlet.optimizers.Adam(global_clipnorm=0.5), LOSS, metrics=["accuracy"])
    return model


def wide() -> convlet.Sequential:
    """Weights so many that threads share them."""
    model = convlet.Sequential(
        [
            convlet.Input((12, 12, 2)),
            layers.Flatten(),
            layers.Dense(460, activation="relu"),
            layers.Dense(300, activation="relu"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile("rmsprop", LOSS, metrics=["accuracy"])
    return model


def python_loss(y_true: np.ndarray, y_pred: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    difference = y_pred - np.eye(3, dtype=np.float32)[y_true.astype(int).ravel()]
    return (difference**2).sum(axis=-1), 2.0 * difference


def with_python_loss() -> convlet.Sequential:
    model = convnet()
    model.compile("sgd", python_loss)
    return model


LOSS = "sparse_categorical_crossentropy"


def everything(make: Any, threads: int, core: ModuleType) -> list[np.ndarray]:
    """What three epochs leave: histories, weights, predictions."""
    core.set_num_threads(threads)
    convlet.utils.set_random_seed(7)
    rng = np.random.default_rng(3)
    x = rng.normal(size=(ROWS, 12, 12, 2)).astype(np.float32)
    y = rng.integers(0, 3, ROWS)
    model = make()
    history = model.fit(x, y, batch_size=16, epochs=3, validation_split=0.3, verbose=0).history
    values = [np.array(history[key]) for key in sorted(history)]
    return [*values, *model.get_weights(), model.predict(x, verbose=0)]


@pytest.mark.parametrize("make", [convnet, wide, with_python_loss])
def test_threads_change_no_bit(core: ModuleType, make: Any) -> None:
    convlet.config.enable_op_determinism()
    one = everything(make, 1, core)
    for threads in (2, 3, 7):
        for actual, expected in zip(everything(make, threads, core), one, strict=True):
            np.testing.assert_array_equal(actual, expected)


def test_without_it_the_number_of_threads_shows(core: ModuleType) -> None:
    """Else the test above would show nothing."""
    weights = [np.concatenate([a.ravel() for a in everything(convnet, n, core)]) for n in (1, 3)]
    assert (weights[0] != weights[1]).any()


@pytest.mark.parametrize("shares", [-1, 1025, 2**31 - 1])
def test_parts_of_a_batch_have_bounds(core: ModuleType, shares: int) -> None:
    before = core.get_fixed_shares()
    with pytest.raises(ValueError, match="`shares` must be from 0 to 1024"):
        core.set_fixed_shares(shares)
    assert core.get_fixed_shares() == before
