"""Optimizers: names, options, and the state that lives in the network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from convlet import Input, Sequential, layers, optimizers, utils
from convlet.optimizers import RMSprop

X = np.random.default_rng(0).random((12, 4), np.float32)
Y = np.eye(3, dtype=np.float32)[np.arange(12) % 3]


@pytest.fixture(autouse=True)
def fresh() -> None:
    utils.clear_session()
    utils.set_random_seed(0)


def compiled(optimizer: Any, hidden: int = 5) -> Sequential:
    model = Sequential(
        [
            Input((4,)),
            layers.Dense(hidden, activation="relu"),
            layers.Dense(3, activation="softmax"),
        ]
    )
    model.compile(optimizer, "categorical_crossentropy")
    return model


def test_defaults_are_kerass() -> None:
    assert RMSprop().get_config() == {
        "name": "rm_sprop",
        "learning_rate": 0.0010000000474974513,
        "rho": 0.9,
        "momentum": 0.0,
        "epsilon": 1e-07,
        "centered": False,
        "weight_decay": None,
        "clipnorm": None,
        "clipvalue": None,
        "global_clipnorm": None,
        "use_ema": False,
        "ema_momentum": 0.99,
        "ema_overwrite_frequency": None,
        "loss_scale_factor": None,
        "gradient_accumulation_steps": None,
    }


def test_configuration_makes_an_equal_optimizer() -> None:
    first = RMSprop(0.25, rho=0.8, momentum=0.5, epsilon=1e-3, centered=True, name="mine")
    assert RMSprop.from_config(first.get_config()).get_config() == first.get_config()


@pytest.mark.parametrize(
    "identifier",
    ["rmsprop", "RMSprop", "RMSPROP", RMSprop, {"class_name": "RMSprop", "config": {"rho": 0.9}}],
    ids=str,
)
def test_every_identifier_makes_the_class(identifier: Any) -> None:
    assert type(optimizers.get(identifier)) is RMSprop


@pytest.mark.parametrize(
    ("identifier", "message"),
    [
        ("rmspop", "Could not interpret optimizer identifier: rmspop. Did you mean 'rmsprop'"),
        ("adamw", "Could not interpret optimizer identifier: adamw"),
        (3, "Could not interpret optimizer identifier: 3"),
        (None, "Could not interpret optimizer identifier: None"),
    ],
)
def test_unknown_identifier_is_refused(identifier: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        optimizers.get(identifier)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr": 0.1}, r"Argument\(s\) not recognized: {'lr': 0.1}"),
        ({"learning_rte": 0.1}, "Did you mean 'learning_rate'"),
        ({"weight_decay": 0.1}, "`weight_decay=0.1`"),
        ({"clipnorm": 1.0}, "`clipnorm=1.0`"),
        ({"clipvalue": 1.0}, "`clipvalue=1.0`"),
        ({"global_clipnorm": 1.0}, "`global_clipnorm=1.0`"),
        ({"use_ema": True}, "`use_ema=True`"),
        ({"loss_scale_factor": 2}, "`loss_scale_factor=2`"),
        ({"gradient_accumulation_steps": 2}, "`gradient_accumulation_steps=2`"),
        ({"learning_rate": "a"}, "`learning_rate`"),
        ({"learning_rate": -1}, "`learning_rate`"),
        ({"learning_rate": math.nan}, "`learning_rate`"),
        ({"rho": 1.5}, "`rho`"),
        ({"momentum": -0.5}, "`momentum`"),
        ({"epsilon": -1e-7}, "`epsilon`"),
        ({"centered": 1}, "`centered`"),
    ],
    ids=str,
)
def test_bad_option_is_refused_by_name(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RMSprop(**options)


def test_learning_rate_is_rounded_to_float32() -> None:
    optimizer = RMSprop(0.1)
    assert optimizer.learning_rate == float(np.float32(0.1))
    optimizer.learning_rate = 0.2
    assert optimizer.learning_rate == float(np.float32(0.2))
    with pytest.raises(ValueError, match="`learning_rate`"):
        optimizer.learning_rate = math.inf


def test_learning_rate_acts_at_once() -> None:
    model = compiled(RMSprop(0.0))
    before = model.get_weights()
    model.train_on_batch(X, Y)
    assert all(map(np.array_equal, before, model.get_weights()))
    assert model.optimizer is not None
    model.optimizer.learning_rate = 0.01
    assert model.optimizer.learning_rate == float(np.float32(0.01))
    model.train_on_batch(X, Y)
    assert not any(map(np.array_equal, before, model.get_weights()))


def test_state_counts_steps_and_values() -> None:
    optimizer = RMSprop(momentum=0.5, centered=True)
    model = compiled(optimizer)
    assert not optimizer.built
    assert (optimizer.iterations, optimizer.count_params()) == (0, 0)
    model.fit(X, Y, batch_size=5, epochs=2, verbose=0)
    assert optimizer.built
    assert optimizer.iterations == 6
    assert optimizer.count_params() == 3 * model.count_params() + 2


def test_compiling_again_with_the_same_instance_keeps_the_state() -> None:
    """In Keras the state belongs to the optimizer."""
    optimizer = RMSprop(0.01)
    model = compiled(optimizer)
    model.train_on_batch(X, Y)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    weights = model.get_weights()
    model.train_on_batch(X, Y)
    assert optimizer.iterations == 2

    reference = compiled(RMSprop(0.01))
    reference.set_weights(weights)
    reference.train_on_batch(X, Y)
    steps = [np.abs(new - old).max() for new, old in zip(model.get_weights(), weights, strict=True)]
    first_steps = [
        np.abs(new - old).max() for new, old in zip(reference.get_weights(), weights, strict=True)
    ]
    # The mean square of the gradient has grown since the first step, so this one is shorter.
    assert all(step < first for step, first in zip(steps, first_steps, strict=True))


def test_compiling_by_name_starts_anew() -> None:
    model = compiled("rmsprop")
    model.train_on_batch(X, Y)
    model.compile("rmsprop", "categorical_crossentropy")
    assert model.optimizer is not None
    assert model.optimizer.iterations == 0


def test_state_of_old_layers_survives_a_new_layer() -> None:
    model = compiled(RMSprop(0.01))
    model.train_on_batch(X, Y)
    assert model.optimizer is not None
    old = model.optimizer.get_state()
    model.add(layers.Dense(3, activation="softmax"))
    model.evaluate(X, Y, verbose=0)
    new = model.optimizer.get_state()
    assert int(new[0]) == 1
    assert len(new) == len(old) + 2
    for before, after in zip(old[2:], new[2:6], strict=True):
        assert np.abs(before).max() > 0
        np.testing.assert_array_equal(before, after)
    assert all((value == 0).all() for value in new[6:])


def test_state_can_be_read_and_set() -> None:
    first, second = compiled(RMSprop(0.01)), compiled(RMSprop(0.5))
    second.set_weights(first.get_weights())
    first.train_on_batch(X, Y)
    second.evaluate(X, Y, verbose=0)
    assert first.optimizer is not None
    assert second.optimizer is not None
    second.set_weights(first.get_weights())
    second.optimizer.set_state(first.optimizer.get_state())
    assert second.optimizer.iterations == 1
    assert second.optimizer.learning_rate == first.optimizer.learning_rate
    first.train_on_batch(X, Y)
    second.train_on_batch(X, Y)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_state_of_another_shape_is_refused() -> None:
    model = compiled("rmsprop")
    model.train_on_batch(X, Y)
    assert model.optimizer is not None
    state = model.optimizer.get_state()
    with pytest.raises(ValueError, match="shapes"):
        model.optimizer.set_state(state[:-1])
    with pytest.raises(ValueError, match="shapes"):
        model.optimizer.set_state([*state[:-1], state[-1][:-1]])
