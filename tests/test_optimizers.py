"""Optimizers: names, options, and the state that lives in the network."""

from __future__ import annotations

import copy
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
        ("lamb", "Could not interpret optimizer identifier: lamb"),
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
        ({"weight_decay": -0.1}, "`weight_decay`"),
        ({"clipnorm": "a"}, "`clipnorm`"),
        ({"clipvalue": math.inf}, "`clipvalue`"),
        ({"global_clipnorm": -1.0}, "`global_clipnorm`"),
        ({"clipnorm": 1.0, "clipvalue": 1.0}, "Only one of `clipnorm`, `clipvalue` and"),
        ({"use_ema": 1}, "`use_ema`"),
        ({"ema_momentum": 1.5}, "`ema_momentum`"),
        ({"ema_overwrite_frequency": 0}, "`ema_overwrite_frequency` must be an integer >= 1"),
        ({"loss_scale_factor": 0}, "`loss_scale_factor`"),
        ({"gradient_accumulation_steps": 1}, "`gradient_accumulation_steps` must be an integer"),
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


def test_learning_rate_and_iterations_have_the_methods_of_variables() -> None:
    optimizer = optimizers.SGD(0.1)
    rate = optimizer.learning_rate
    assert (rate.numpy(), rate.value) == (np.float32(0.1), float(np.float32(0.1)))
    assert isinstance(rate.numpy(), np.float32)
    rate.assign(0.25)
    assert (optimizer.learning_rate, rate) == (0.25, float(np.float32(0.1)))
    with pytest.raises(ValueError, match="`learning_rate`"):
        rate.assign(math.nan)
    assert type(copy.copy(rate)) is float
    assert (optimizer.iterations, optimizer.iterations.value) == (0, 0)
    assert isinstance(optimizer.iterations.numpy(), np.int64)
    assert type(optimizer.get_config()["learning_rate"]) is float
    scheduled = optimizers.SGD(optimizers.schedules.ExponentialDecay(0.5, 10, 0.9))
    assert scheduled.learning_rate.numpy() == np.float32(0.5)
    with pytest.raises(TypeError, match="LearningRateSchedule"):
        scheduled.learning_rate.assign(0.1)


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


# ---- All optimizers -----------------------------------------------------------------------------

ALL: dict[str, tuple[Any, ...]] = {
    # Own arguments with their defaults, and the slots of a kernel "k" and a bias "b" as saved.
    "SGD": ({"learning_rate": 0.01, "momentum": 0.0, "nesterov": False}, ""),
    "RMSprop": (
        {"rho": 0.9, "momentum": 0.0, "epsilon": 1e-7, "centered": False},
        "k_velocity b_velocity",
    ),
    "Adam": (
        {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False},
        "k_momentum k_velocity b_momentum b_velocity",
    ),
    "AdamW": (
        {"weight_decay": 0.004, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7, "amsgrad": False},
        "k_momentum k_velocity b_momentum b_velocity",
    ),
    "Nadam": (
        {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
        "k_momentum k_velocity b_momentum b_velocity variable",
    ),
    "Adagrad": (
        {"initial_accumulator_value": 0.1, "epsilon": 1e-7},
        "k_accumulator b_accumulator",
    ),
    "Adadelta": (
        {"rho": 0.95, "epsilon": 1e-7},
        "k_accumulated_grad k_accumulated_delta_var b_accumulated_grad b_accumulated_delta_var",
    ),
    "Adamax": (
        {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7},
        "k_momentum k_norm b_momentum b_norm",
    ),
    "Lion": ({"beta_1": 0.9, "beta_2": 0.99}, "k_momentum b_momentum"),
    "Ftrl": (
        {
            "learning_rate_power": -0.5,
            "initial_accumulator_value": 0.1,
            "l1_regularization_strength": 0.0,
            "l2_regularization_strength": 0.0,
            "l2_shrinkage_regularization_strength": 0.0,
            "beta": 0.0,
        },
        "k_accumulator k_linear b_accumulator b_linear",
    ),
}
each_optimizer = pytest.mark.parametrize("name", ALL)


def one_layer(optimizer: Any) -> Sequential:
    model = Sequential([Input((4,)), layers.Dense(3, name="d")], name="s")
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def named(slots: str) -> list[str]:
    """Keras's names of the slots of `one_layer`, from the short ones of ALL."""
    short = {"k_": "s_d_kernel_", "b_": "s_d_bias_"}
    return [short.get(slot[:2], slot[:2]) + slot[2:] for slot in slots.split()]


@each_optimizer
def test_defaults_and_configuration_of_each(name: str) -> None:
    make = getattr(optimizers, name)
    own, _ = ALL[name]
    common = RMSprop().get_config()
    for option in ("name", "rho", "momentum", "epsilon", "centered"):
        del common[option]
    config = make(name="mine").get_config()
    expected = {"name": "mine", **common, **own}
    expected["learning_rate"] = float(np.float32(expected["learning_rate"]))
    assert config == expected
    assert make.from_config(config).get_config() == config
    again = optimizers.deserialize(optimizers.serialize(make(0.5, clipnorm=1.0)))
    assert type(again) is make
    assert (again.learning_rate, again.clipnorm) == (0.5, 1.0)
    assert type(optimizers.get(name.lower())) is make


@each_optimizer
def test_variables_of_each_have_kerass_names_and_order(name: str) -> None:
    optimizer = getattr(optimizers, name)(name="o")
    model = one_layer(optimizer)
    assert [v.path for v in optimizer.variables] == ["o/iteration", "o/learning_rate"]
    model.train_on_batch(X, np.arange(12, dtype=np.int32) % 3)
    names = ["iteration", "learning_rate", *named(ALL[name][1])]
    assert [v.name for v in optimizer.variables] == names
    assert [v.path for v in optimizer.variables] == [f"o/{name}" for name in names]
    assert [v.dtype for v in optimizer.variables] == ["int64", *["float32"] * (len(names) - 1)]
    assert int(optimizer.variables[0].value) == 1


@each_optimizer
def test_state_of_each_continues_the_training(name: str) -> None:
    """Saved, then set in another model's optimizer before that has trained."""
    labels = np.arange(12, dtype=np.int32) % 3
    first = one_layer(getattr(optimizers, name)(0.05, use_ema=True, gradient_accumulation_steps=2))
    for _ in range(3):
        first.train_on_batch(X, labels)
    second = one_layer(getattr(optimizers, name)(use_ema=True, gradient_accumulation_steps=2))
    second.set_weights(first.get_weights())
    assert first.optimizer is not None
    assert second.optimizer is not None
    second.optimizer.build(second.trainable_variables)
    second.optimizer.set_state(first.optimizer.get_state())
    for _ in range(3):
        first.train_on_batch(X, labels)
        second.train_on_batch(X, labels)
    for a, b in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    for c, d in zip(first.optimizer.get_state(), second.optimizer.get_state(), strict=True):
        np.testing.assert_array_equal(c, d)


def test_slots_of_the_options_come_first() -> None:
    optimizer = optimizers.SGD(
        optimizers.schedules.CosineDecay(0.1, 5),
        momentum=0.5,
        use_ema=True,
        gradient_accumulation_steps=2,
    )
    model = one_layer(optimizer)
    model.train_on_batch(X, np.arange(12, dtype=np.int32) % 3)
    slots = (
        "k_average b_average k_gradient_accumulator b_gradient_accumulator k_momentum b_momentum"
    )
    assert [v.name for v in optimizer.variables] == ["iteration", *named(slots)]
    assert optimizer.count_params() == 1 + 3 * model.count_params()


def test_first_values_of_slots() -> None:
    optimizer = optimizers.Adagrad(0.0, initial_accumulator_value=0.25)
    model = one_layer(optimizer)
    optimizer.build(model.trainable_variables)
    assert all((v.value == 0.25).all() for v in optimizer.variables[2:])
    model.evaluate(X, np.arange(12, dtype=np.int32) % 3, verbose=0)
    assert all((v.value == 0.25).all() for v in optimizer.variables[2:])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optimizers.SGD(momentum=1.5), "`momentum`"),
        (lambda: optimizers.SGD(nesterov=1), "`nesterov`"),
        (lambda: optimizers.Adam(beta_1=-0.1), "`beta_1`"),
        (lambda: optimizers.AdamW(weight_decay=None), "Argument `weight_decay` must be a float"),
        (lambda: optimizers.Lion(beta_1=0.0), r"Argument `beta_1` must be in the \[0, 1\] range"),
        (lambda: optimizers.Ftrl(learning_rate_power=0.1), "`learning_rate_power`"),
        (lambda: optimizers.Ftrl(l1_regularization_strength=-1.0), "`l1_regularization_strength`"),
        (lambda: optimizers.Adagrad(initial_accumulator_value=-1.0), "`initial_accumulator_value`"),
    ],
)
def test_bad_constant_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_decay_of_older_versions_is_ignored_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="Argument `decay` is no longer supported"):
        optimizers.SGD(0.1, decay=1e-6)


def test_weights_left_out_of_weight_decay() -> None:
    """By object and by name, also once training has begun."""
    optimizer = optimizers.SGD(0.0, weight_decay=0.5)
    model = one_layer(optimizer)
    labels = np.arange(12, dtype=np.int32) % 3
    kernel, bias = model.weights
    model.set_weights([np.ones((4, 3)), np.ones(3)])
    optimizer.exclude_from_weight_decay(var_list=[kernel])
    model.train_on_batch(X, labels)
    optimizer.learning_rate = 0.1
    optimizer.exclude_from_weight_decay(var_names=["bi.s"])
    before = kernel.numpy(), bias.numpy()
    model.train_on_batch(X, np.zeros(12, np.int32), sample_weight=np.zeros(12, np.float32))
    np.testing.assert_allclose(kernel.value, 0.95 * before[0], rtol=1e-6)
    np.testing.assert_array_equal(bias.value, before[1])


def test_average_replaces_the_weights_at_the_end_of_fit() -> None:
    optimizer = optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9)
    model = one_layer(optimizer)
    labels = np.arange(12, dtype=np.int32) % 3
    model.fit(X, labels, epochs=3, batch_size=4, verbose=0)
    average = optimizer.variables[2].value
    np.testing.assert_array_equal(model.weights[0].value, average)
    model.train_on_batch(X, labels)
    assert not np.array_equal(model.weights[0].value, optimizer.variables[2].value)


def test_optimizer_keeps_its_state_when_another_takes_its_place() -> None:
    """The compiled model reuses its network; what the first one knew is not lost with it."""
    first = optimizers.Adam(0.01)
    model = one_layer(first)
    labels = np.arange(12, dtype=np.int32) % 3
    model.train_on_batch(X, labels)
    state = first.get_state()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.train_on_batch(X, labels)
    for before, after in zip(state, first.get_state(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_variable_refuses_what_it_cannot_be() -> None:
    iteration, rate = optimizers.SGD(0.5).variables
    for variable, value, message in [
        (iteration, -1, "`iterations`"),
        (rate, np.nan, "`learning_rate`"),
        (rate, [0.1], r"has shape \(\). Received: value.shape=\(1,\)"),
        (rate, "fast", "real numbers"),
    ]:
        with pytest.raises(ValueError, match=message):
            variable.assign(value)
    rate.assign(0.25)
    assert float(rate.numpy()) == 0.25
    assert "sgd/learning_rate" in repr(rate)


# ---- Schedules ----------------------------------------------------------------------------------


class Halving(optimizers.schedules.LearningRateSchedule):
    """A schedule of the caller's own."""

    def __call__(self, step: int) -> float:
        return 0.5**step


def test_schedule_is_evaluated_at_each_step() -> None:
    """In one call of many batches as in single ones, and its own classes too."""
    labels = np.arange(12, dtype=np.int32) % 3
    trained = []
    for single in (False, True):
        utils.set_random_seed(0)
        model = one_layer(optimizers.SGD(Halving()))
        for _ in range(2):
            if single:
                for i in range(0, 12, 5):
                    model.train_on_batch(X[i : i + 5], labels[i : i + 5])
            else:
                model.fit(X, labels, batch_size=5, shuffle=False, verbose=0)
        assert model.optimizer is not None
        assert model.optimizer.learning_rate == 0.5**6
        trained.append(model.get_weights())
    for a, b in zip(*trained, strict=True):
        np.testing.assert_array_equal(a, b)


def test_learning_rate_in_the_place_of_a_schedule_is_refused() -> None:
    schedule = optimizers.schedules.ExponentialDecay(0.1, 2, 0.5)
    optimizer = optimizers.SGD(schedule)
    assert optimizer.learning_rate == pytest.approx(0.1)
    with pytest.raises(TypeError, match="This optimizer was created with a `LearningRateSchedule`"):
        optimizer.learning_rate = 0.1
    optimizer = optimizers.SGD(0.5)
    optimizer.learning_rate = schedule
    assert optimizer.learning_rate == pytest.approx(0.1)
    assert [v.name for v in optimizer.variables] == ["iteration"]


def test_schedule_is_part_of_the_configuration() -> None:
    schedule = optimizers.schedules.CosineDecay(0.1, 7, warmup_target=0.3, warmup_steps=2)
    config = optimizers.Adam(schedule).get_config()
    assert config["learning_rate"] == {
        "module": "keras.optimizers.schedules",
        "class_name": "CosineDecay",
        "config": {
            "initial_learning_rate": 0.1,
            "decay_steps": 7,
            "alpha": 0.0,
            "name": "CosineDecay",
            "warmup_target": 0.3,
            "warmup_steps": 2,
        },
        "registered_name": None,
    }
    again = optimizers.Adam.from_config(config)
    assert again.get_config() == config
    with pytest.raises(NotImplementedError, match=r"must override `get_config\(\)`"):
        optimizers.SGD(Halving()).get_config()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda s: s.ExponentialDecay(0.1, 0, 0.5), "Argument `decay_steps` must be > 0. Received"),
        (lambda s: s.CosineDecayRestarts(0.1, 0), "Argument `first_decay_steps` must be > 0"),
        (
            lambda s: s.PiecewiseConstantDecay([1], [0.1]),
            "The length of boundaries should be 1 less",
        ),
        (lambda s: s.PiecewiseConstantDecay([2, 1], [1, 2, 3]), "`boundaries` must increase"),
        (lambda s: s.PolynomialDecay("a", 1), "`initial_learning_rate`"),
        (lambda s: s.deserialize({"class_name": "CosineDeca"}), "Did you mean 'CosineDecay'"),
    ],
)
def test_bad_schedule_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(optimizers.schedules)


def test_base_class_of_schedules_has_no_rate() -> None:
    with pytest.raises(NotImplementedError, match="must override `__call__"):
        optimizers.schedules.LearningRateSchedule()(0)
