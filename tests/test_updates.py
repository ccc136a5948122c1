"""Steps of training as the compiled code does them: rules, options, penalties and bounds.

Against float64, on every instruction set, and with the parameters in the hands of one worker or of
several.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convlet import constraints, regularizers
from oracle_optimizer import RULES, OracleOptimizer
from tolerance import EPS, assert_within

# Constants of each rule; epsilon where its default would make a rule as steep as 1e7 near g = 0.
CONSTANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "sgd": ("sgd", {"momentum": 0.0, "nesterov": False}),
    "sgd_momentum": ("sgd", {"momentum": 0.9, "nesterov": False}),
    "sgd_nesterov": ("sgd", {"momentum": 0.9, "nesterov": True}),
    "rmsprop": (
        "rmsprop",
        {"rho": 0.9, "momentum": 0.5, "epsilon": 1e-3, "centered": True},
    ),
    "adam": ("adam", {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-2, "amsgrad": False}),
    "adam_amsgrad": ("adam", {"beta_1": 0.8, "beta_2": 0.6, "epsilon": 1e-2, "amsgrad": True}),
    "nadam": ("nadam", {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-2}),
    "adagrad": ("adagrad", {"epsilon": 1e-7}),
    "adadelta": ("adadelta", {"rho": 0.95, "epsilon": 1e-3}),
    "adamax": ("adamax", {"beta_1": 0.9, "beta_2": 0.9, "epsilon": 1e-2}),
    "lion": ("lion", {"beta_1": 0.9, "beta_2": 0.99}),
    "ftrl": (
        "ftrl",
        {
            "learning_rate_power": -0.5,
            "l1_regularization_strength": 0.01,
            "l2_regularization_strength": 0.1,
            "l2_shrinkage_regularization_strength": 0.01,
            "beta": 0.2,
        },
    ),
    "ftrl_power": (
        "ftrl",
        {
            "learning_rate_power": -0.8,
            "l1_regularization_strength": 0.0,
            "l2_regularization_strength": 0.0,
            "l2_shrinkage_regularization_strength": 0.0,
            "beta": 0.0,
        },
    ),
}
SLOTS = {
    "sgd": [],
    "rmsprop": ["velocity", "momentum", "average_gradient"],
    "adam": ["momentum", "velocity"],
    "adam_amsgrad": ["momentum", "velocity", "velocity_hat"],
    "nadam": ["momentum", "velocity"],
    "adagrad": ["accumulator"],
    "adadelta": ["accumulated_grad", "accumulated_delta_var"],
    "adamax": ["momentum", "norm"],
    "ftrl": ["accumulator", "linear"],
    "ftrl_power": ["accumulator", "linear"],
}
FIRST = {"accumulator": 0.1}
LEARNING_RATE = 0.01


def slot_names(case: str) -> list[str]:
    return SLOTS.get(case, ["momentum"])


# ---- Rules --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", ["1", "lanes", "lanes+1", "67"])
@pytest.mark.parametrize("case", CONSTANTS)
def test_rule(core: ModuleType, rng: np.random.Generator, case: str, size: str) -> None:
    """The first step, for every size of the last vector; the slots as well."""
    name, constants = CONSTANTS[case]
    n = {"lanes": core.LANES, "lanes+1": core.LANES + 1}.get(size)
    n = int(size) if n is None else n
    w, g = (rng.normal(size=n).astype(np.float32) for _ in range(2))
    slots = [np.full(n, FIRST.get(slot, 0.0), np.float32) for slot in slot_names(case)]
    behind = np.full(3 * core.LANES, 7.0, np.float32)  # nothing is written past the end
    arrays = [np.concatenate([a, behind]) for a in (w, *slots)]
    core.optimizer_step(name, constants, arrays[0][:n], g, [a[:n] for a in arrays[1:]], 0.01, 0)
    reference = OracleOptimizer(name, learning_rate=LEARNING_RATE, **constants)
    expected = [w.astype(np.float64)]
    reference.step(expected, [g.astype(np.float64)])
    step = np.abs(expected[0] - w)
    # A few roundings of the step, which 1 - 0.999 makes a thousand times as large.
    unbiased = 2e3 * EPS * step * (name in {"adam", "nadam"})
    assert_within(arrays[0][:n], expected[0], 16 * EPS * (step + np.abs(w) + 0.01) + unbiased)
    # Ftrl's sums have the weights divided by the learning rate in them.
    largest = np.abs(g) + g**2 + np.abs(w) * (1 + np.abs(g)) / 0.01 * (name == "ftrl")
    for slot, array in zip(slot_names(case), arrays[1:], strict=True):
        value = reference.slots[0][slot]
        assert_within(array[:n], value, 16 * EPS * (np.abs(value) + largest))
    for array in arrays:
        np.testing.assert_array_equal(array[n:], behind)


@pytest.mark.parametrize("case", CONSTANTS)
def test_nan_in_a_gradient_reaches_its_weight_alone(core: ModuleType, case: str) -> None:
    name, constants = CONSTANTS[case]
    w, g = np.ones(5, np.float32), np.array([1, -1, np.nan, 0, 2], np.float32)
    slots = [np.full(5, FIRST.get(slot, 0.0), np.float32) for slot in slot_names(case)]
    core.optimizer_step(name, constants, w, g, slots, LEARNING_RATE, 0)
    assert np.isnan(w).tolist() == [False, False, True, False, False]


def test_every_rule_is_tested() -> None:
    assert {name for name, _ in CONSTANTS.values()} == set(RULES)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "sdg"}, "Unknown optimizer: 'sdg'"),
        ({"attributes": {}}, "momentum"),
        ({"slots": [np.zeros(3, np.float32)]}, "`slots` must hold 0 arrays"),
        ({"g": np.zeros(4, np.float32)}, "`g` must be as large as w"),
    ],
    ids=str,
)
def test_bad_step_is_refused(core: ModuleType, arguments: dict[str, Any], message: str) -> None:
    given = {
        "name": "sgd",
        "attributes": {"momentum": 0.0, "nesterov": False},
        "w": np.zeros(3, np.float32),
        "g": np.zeros(3, np.float32),
        "slots": [],
        "learning_rate": 0.1,
        "iteration": 0,
        **arguments,
    }
    with pytest.raises(ValueError, match=message):
        core.optimizer_step(**given)


# ---- Steps of a network -------------------------------------------------------------------------

ROWS, INPUTS, HIDDEN, CLASSES = 240, 60, 150, 3
OPS = [
    ("dense", {"units": HIDDEN, "use_bias": True}, [0]),
    ("activation", {"activation": "tanh"}, [1]),
    ("dense", {"units": CLASSES, "use_bias": True}, [2]),
]
SHAPES = [(INPUTS, HIDDEN), (HIDDEN,), (HIDDEN, CLASSES), (CLASSES,)]
STEPS = 6

OPTIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "clipnorm": {"clipnorm": 0.02},
    "clipvalue": {"clipvalue": 0.002},
    "global_clipnorm": {"global_clipnorm": 0.03},
    "global_clipnorm_too_large": {"global_clipnorm": 1e3},
    "weight_decay": {"weight_decay": 0.5},
    "loss_scale_factor": {"loss_scale_factor": 3.0},
    "ema": {"ema_momentum": 0.7},
    "ema_overwrite": {"ema_momentum": 0.5, "ema_overwrite_frequency": 2},
    "accumulation": {"gradient_accumulation_steps": 3},
    "all": {
        "clipnorm": 0.02,
        "weight_decay": 0.5,
        "loss_scale_factor": 8.0,
        "ema_momentum": 0.5,
        "ema_overwrite_frequency": 2,
        "gradient_accumulation_steps": 2,
    },
}


class Problem:
    """A network large enough for several workers, and its loss and gradients in float64."""

    def __init__(self, core: ModuleType, rng: np.random.Generator, **options: Any) -> None:
        self.x = rng.normal(size=(ROWS, INPUTS)).astype(np.float32)
        self.y = rng.integers(0, CLASSES, ROWS).astype(np.int32)
        self.weights = [0.3 * rng.normal(size=shape) for shape in SHAPES]
        self.weights = [w.astype(np.float32).astype(np.float64) for w in self.weights]
        self.network = core.Network((INPUTS,), OPS)
        self.network.configure_training(
            "sparse_categorical_crossentropy", {"from_logits": True}, "sgd", options, []
        )
        self.network.learning_rate = 0.1
        for i, w in enumerate(self.weights):
            self.network.set_parameter(i, w.astype(np.float32))

    def train(self, steps: int) -> None:
        self.network.reset_metrics()
        order = np.tile(np.arange(ROWS), steps)
        self.network.train(self.x, self.y, order, 0, steps * ROWS, ROWS, None)

    def parameters(self) -> list[np.ndarray]:
        return [view.copy() for _, _, view in self.network.parameters()]

    def loss_and_gradients(self) -> tuple[float, list[np.ndarray]]:
        w1, b1, w2, b2 = self.weights
        x = self.x.astype(np.float64)
        h = np.tanh(x @ w1 + b1)
        logits = h @ w2 + b2
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        loss = -log_p[np.arange(ROWS), self.y].mean()
        d = (np.exp(log_p) - np.eye(CLASSES)[self.y]) / ROWS
        dh = (d @ w2.T) * (1 - h**2)
        return float(loss), [x.T @ dh, dh.sum(axis=0), h.T @ d, d.sum(axis=0)]

    def assert_same_weights(self) -> None:
        """A gradient errs by eps times the rows it sums; a step passes on 0.1 of that."""
        for actual, expected in zip(self.parameters(), self.weights, strict=True):
            assert_within(actual, expected, STEPS * EPS * (0.1 * ROWS + 8 * np.abs(expected)))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("case", OPTIONS)
def test_option(core: ModuleType, rng: np.random.Generator, case: str, threads: int) -> None:
    core.set_num_threads(threads)
    constants = {"momentum": 0.6, "nesterov": True}
    problem = Problem(core, rng, **constants, **OPTIONS[case])
    options = {**constants, **OPTIONS[case], "use_ema": "ema_momentum" in OPTIONS[case]}
    reference = OracleOptimizer("sgd", learning_rate=0.1, **options)
    problem.train(STEPS)
    for _ in range(STEPS):
        reference.step(problem.weights, problem.loss_and_gradients()[1])
    problem.assert_same_weights()
    assert problem.network.iterations == STEPS


@pytest.mark.parametrize("case", ["clipnorm", "global_clipnorm", "all"])
def test_same_threads_give_the_same_bits(core: ModuleType, case: str) -> None:
    core.set_num_threads(3)
    trained = []
    for _ in range(3):
        problem = Problem(
            core, np.random.default_rng(1), momentum=0.6, nesterov=False, **OPTIONS[case]
        )
        problem.network.set_parameter_rules(
            [NORM, {"l1": 0.1}, {"orthogonal": 0.1, "rows": True}, {}]
        )
        problem.train(STEPS)
        trained.append(np.concatenate([w.ravel() for w in problem.parameters()]))
    np.testing.assert_array_equal(trained[0], trained[1])
    np.testing.assert_array_equal(trained[0], trained[2])


@pytest.mark.parametrize("option", ["clipnorm", "clipvalue", "global_clipnorm"])
def test_clipping_keeps_nan(core: ModuleType, rng: np.random.Generator, option: str) -> None:
    """In one weight, all of a variable, or everywhere, as in Keras."""
    problem = Problem(core, rng, momentum=0.0, nesterov=False, **{option: 0.1})
    problem.network.set_parameter(3, np.array([0.0, np.nan, 0.0], np.float32))
    problem.train(1)
    assert all(np.isnan(w).all() for w in problem.parameters()[2:])


def test_learning_rate_of_each_batch(core: ModuleType, rng: np.random.Generator) -> None:
    problem = Problem(core, rng, momentum=0.0, nesterov=False)
    rates = np.array([0.5, 0.0, 0.25], np.float32)
    order = np.tile(np.arange(ROWS), 3)[:-ROWS]
    problem.network.train(
        problem.x, problem.y, order, 0, 2 * ROWS, ROWS, None, np.array([0.5, 0.0], np.float32)
    )
    reference = OracleOptimizer("sgd", learning_rate=0.5)
    reference.step(problem.weights, problem.loss_and_gradients()[1])
    problem.assert_same_weights()
    with pytest.raises(ValueError, match="`learning_rates` must have shape"):
        problem.network.train(problem.x, problem.y, order, 0, 2 * ROWS, ROWS, None, rates)


# ---- Penalties and bounds -----------------------------------------------------------------------

NORM = {"constraint": "norm", "low": 0.0, "high": 1.0, "rate": 1.0, "axes": (0,)}

PENALTIES = {
    "l1": regularizers.L1(0.02),
    "l2": regularizers.L2(0.05),
    "l1_l2": regularizers.L1L2(0.01, 0.03),
    "orthogonal_rows": regularizers.OrthogonalRegularizer(0.3, "rows"),
    "orthogonal_columns": regularizers.OrthogonalRegularizer(0.3, "columns"),
}


def numeric_gradient(penalty: Any, w: np.ndarray) -> np.ndarray:
    """By central differences, exact up to eps^(2/3) for what is smooth at w."""
    gradient = np.zeros_like(w)
    for i in np.ndindex(w.shape):
        up, down = w.copy(), w.copy()
        up[i] += 1e-6
        down[i] -= 1e-6
        gradient[i] = (penalty(up) - penalty(down)) / 2e-6
    return gradient


@pytest.mark.parametrize("case", PENALTIES)
def test_penalty(core: ModuleType, rng: np.random.Generator, case: str) -> None:
    """On the small kernel: in the loss of training and evaluation, and in the gradient."""
    core.set_num_threads(3)
    penalty = PENALTIES[case]
    problem = Problem(core, rng, momentum=0.0, nesterov=False, loss_scale_factor=4.0)
    problem.network.set_parameter_rules([{}, {}, penalty.native_attributes(), {}])
    loss, gradients = problem.loss_and_gradients()
    gradients[2] += numeric_gradient(penalty, problem.weights[2])
    expected = loss + penalty(problem.weights[2])
    problem.network.reset_metrics()
    problem.network.evaluate(problem.x, problem.y, 0, ROWS, ROWS, None)
    assert problem.network.metrics() == pytest.approx([expected], rel=1e-6)
    problem.train(1)
    assert problem.network.metrics() == pytest.approx([expected], rel=1e-6)
    OracleOptimizer("sgd", learning_rate=0.1).step(problem.weights, gradients)
    problem.assert_same_weights()


BOUNDS = {
    "max_norm": constraints.MaxNorm(1.0),
    "max_norm_last": constraints.MaxNorm(0.5, axis=-1),
    "max_norm_all": constraints.MaxNorm(1.5, axis=None),
    "unit_norm": constraints.UnitNorm(),
    "min_max_norm": constraints.MinMaxNorm(2.0, 2.5, 0.5, axis=0),
    "non_neg": constraints.NonNeg(),
}


@pytest.mark.parametrize("case", BOUNDS)
def test_bounds(core: ModuleType, rng: np.random.Generator, case: str) -> None:
    """On the large kernel, whose rows several workers share."""
    core.set_num_threads(3)
    bound = BOUNDS[case]
    problem = Problem(core, rng, momentum=0.0, nesterov=False)
    problem.network.set_parameter_rules([bound.native_attributes(SHAPES[0]), {}, {}, {}])
    reference = OracleOptimizer("sgd", learning_rate=0.1)
    problem.train(STEPS)
    for _ in range(STEPS):
        reference.step(problem.weights, problem.loss_and_gradients()[1])
        problem.weights[0] = bound(problem.weights[0]).astype(np.float64)
    problem.assert_same_weights()
    # The packed copy that the kernels read is the constrained one.
    out = np.empty((ROWS, CLASSES), np.float32)
    problem.network.predict(problem.x, out, 0, ROWS)
    w1, b1, w2, b2 = problem.parameters()
    np.testing.assert_allclose(out, np.tanh(problem.x @ w1 + b1) @ w2 + b2, atol=1e-4)


@pytest.mark.parametrize(
    "axes", [(0,), (1,), (2,), (3,), (0, 1), (0, 1, 2), (1, 3), (0, 1, 2, 3)], ids=str
)
def test_norms_along_any_axes(core: ModuleType, rng: np.random.Generator, axes: Any) -> None:
    """Of a convolution's kernel; a learning rate of 0 leaves nothing but the bound."""
    network = core.Network(
        (6, 5, 3),
        [
            (
                "conv2d",
                {
                    "filters": 19,
                    "kernel_size": (3, 2),
                    "strides": (1, 1),
                    "padding": "valid",
                    "use_bias": True,
                },
                [0],
            ),
            ("reshape", {"target_shape": (4 * 4 * 19,)}, [1]),
            ("dense", {"units": 2, "use_bias": False}, [2]),
        ],
    )
    network.configure_training(
        "sparse_categorical_crossentropy",
        {"from_logits": True},
        "sgd",
        {"momentum": 0.0, "nesterov": False},
        [],
    )
    network.learning_rate = 0.0
    bound = constraints.MinMaxNorm(0.5, 0.8, 0.9, axis=axes)
    kernel = rng.normal(size=(3, 2, 3, 19)).astype(np.float32)
    network.set_parameter(0, kernel)
    network.set_parameter_rules([bound.native_attributes(kernel.shape), {}, {}])
    x = rng.normal(size=(2, 6, 5, 3)).astype(np.float32)
    network.train(x, np.zeros(2, np.int32), None, 0, 2, 2, None)
    length = int(np.prod([kernel.shape[axis] for axis in axes]))
    expected = bound(kernel).astype(np.float64)
    assert_within(network.parameters()[0][2], expected, 4 * length * EPS * np.abs(expected))


def test_weight_decay_can_leave_out_a_weight(core: ModuleType, rng: np.random.Generator) -> None:
    problem = Problem(core, rng, momentum=0.0, nesterov=False, weight_decay=0.5)
    problem.network.set_parameter_rules([{}, {"weight_decay": False}, {"weight_decay": True}, {}])
    _, gradients = problem.loss_and_gradients()
    reference = OracleOptimizer("sgd", learning_rate=0.1, weight_decay=0.5)
    reference.step(problem.weights, gradients, [True, False, True, True])
    problem.train(1)
    problem.assert_same_weights()


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ([{}], "one rule for each of the 4 parameters. Received: 1"),
        ([{"constraint": "round"}, {}, {}, {}], "Unknown constraint: 'round'"),
        ([{**NORM, "axes": (2,)}, {}, {}, {}], r"shape \(60, 150\). Received: axis=2"),
        (
            [{}, {"orthogonal": 0.1, "rows": True}, {}, {}],
            r"needs a matrix. Received: shape=\(150,\)",
        ),
    ],
    ids=str,
)
def test_bad_rules_are_refused(
    core: ModuleType, rng: np.random.Generator, rules: list[dict[str, Any]], message: str
) -> None:
    problem = Problem(core, rng, momentum=0.0, nesterov=False)
    with pytest.raises(ValueError, match=message):
        problem.network.set_parameter_rules(rules)


def test_scalars_can_be_read_and_set(core: ModuleType) -> None:
    network = core.Network((INPUTS,), OPS)
    network.configure_training(
        "sparse_categorical_crossentropy",
        {"from_logits": True},
        "nadam",
        CONSTANTS["nadam"][1],
        [],
    )
    assert network.optimizer_scalars() == [1.0]
    network.set_optimizer_scalar(0, 0.5)
    assert network.optimizer_scalars() == [0.5]
    with pytest.raises(IndexError, match="no optimizer scalar 1"):
        network.set_optimizer_scalar(1, 0.5)


def test_roots(core: ModuleType) -> None:
    """RMSprop with rho = 1 and no epsilon shows 1 / sqrt(v): every 4096th float, and the limits."""
    v = np.arange(0, 2**32, 4096, dtype=np.uint32).view(np.float32)
    w, slot = np.zeros_like(v), v.copy()
    constants = {"rho": 1.0, "momentum": 0.0, "epsilon": 0.0, "centered": False}
    core.optimizer_step("rmsprop", constants, w, -np.ones_like(v), [slot], 1.0, 0)
    np.testing.assert_array_equal(slot, v)
    normal = (v >= np.finfo(np.float32).tiny) & (v < np.inf)
    expected = 1.0 / np.sqrt(v[normal].astype(float))
    assert_within(w[normal], expected, 2 * EPS * expected)
    assert np.isposinf(w[v == 0]).all()
    assert (w[np.isposinf(v)] == 0).all()
    assert np.isnan(w[np.isnan(v) | (v <= -np.finfo(np.float32).tiny)]).all()
