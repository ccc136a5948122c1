"""Twenty steps of a small ConvNet with every optimizer, option, schedule, penalty and bound.

As in `runs.py` the first argument is the package, `keras` or `convlet`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

STEPS = 20
ROWS = 12

Options = dict[str, Any]

# Class and arguments.
OPTIMIZERS: dict[str, tuple[str, Options]] = {
    "sgd": ("SGD", {"learning_rate": 0.1}),
    "sgd_momentum": ("SGD", {"learning_rate": 0.05, "momentum": 0.9}),
    "sgd_nesterov": ("SGD", {"learning_rate": 0.05, "momentum": 0.8, "nesterov": True}),
    "rmsprop": ("RMSprop", {}),
    "rmsprop_momentum_centered": ("RMSprop", {"momentum": 0.5, "centered": True}),
    "adam": ("Adam", {"learning_rate": 0.01}),
    "adam_amsgrad": ("Adam", {"learning_rate": 0.01, "amsgrad": True, "beta_2": 0.9}),
    "adamw": ("AdamW", {"learning_rate": 0.01, "weight_decay": 0.5}),
    "nadam": ("Nadam", {"learning_rate": 0.01}),
    "adagrad": ("Adagrad", {"learning_rate": 0.05}),
    "adadelta": ("Adadelta", {"learning_rate": 1.0}),
    "adamax": ("Adamax", {"learning_rate": 0.01}),
    "lion": ("Lion", {"learning_rate": 0.001}),
    "ftrl": ("Ftrl", {"learning_rate": 0.05, "l1_regularization_strength": 0.001}),
    "ftrl_power": (
        "Ftrl",
        {
            "learning_rate": 0.05,
            "learning_rate_power": -0.7,
            "l2_regularization_strength": 0.01,
            "l2_shrinkage_regularization_strength": 0.02,
            "beta": 0.1,
        },
    ),
    "clipnorm": ("SGD", {"learning_rate": 0.5, "clipnorm": 0.05}),
    "clipvalue": ("SGD", {"learning_rate": 0.5, "clipvalue": 0.01}),
    "global_clipnorm": ("SGD", {"learning_rate": 0.5, "global_clipnorm": 0.05}),
    "weight_decay": ("SGD", {"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.3}),
    "loss_scale_factor": ("Adam", {"learning_rate": 0.01, "loss_scale_factor": 1024.0}),
    "ema": ("SGD", {"learning_rate": 0.1, "use_ema": True, "ema_momentum": 0.8}),
    "ema_overwrite": (
        "Adam",
        {
            "learning_rate": 0.01,
            "use_ema": True,
            "ema_momentum": 0.6,
            "ema_overwrite_frequency": 3,
        },
    ),
    "accumulation": ("Adam", {"learning_rate": 0.02, "gradient_accumulation_steps": 3}),
    "accumulation_ema_clipnorm": (
        "SGD",
        {
            "learning_rate": 0.2,
            "gradient_accumulation_steps": 2,
            "use_ema": True,
            "ema_overwrite_frequency": 2,
            "clipnorm": 0.05,
            "weight_decay": 0.1,
        },
    ),
}

SCHEDULES: dict[str, tuple[str, Options]] = {
    "exponential": (
        "ExponentialDecay",
        {"initial_learning_rate": 0.2, "decay_steps": 7, "decay_rate": 0.5},
    ),
    "exponential_staircase": (
        "ExponentialDecay",
        {"initial_learning_rate": 0.2, "decay_steps": 6, "decay_rate": 0.4, "staircase": True},
    ),
    "inverse_time": (
        "InverseTimeDecay",
        {"initial_learning_rate": 0.3, "decay_steps": 4, "decay_rate": 0.5},
    ),
    "inverse_time_staircase": (
        "InverseTimeDecay",
        {"initial_learning_rate": 0.3, "decay_steps": 4, "decay_rate": 0.5, "staircase": True},
    ),
    "polynomial": (
        "PolynomialDecay",
        {"initial_learning_rate": 0.2, "decay_steps": 15, "power": 0.5},
    ),
    "polynomial_cycle": (
        "PolynomialDecay",
        {"initial_learning_rate": 0.2, "decay_steps": 8, "end_learning_rate": 0.01, "cycle": True},
    ),
    "cosine": ("CosineDecay", {"initial_learning_rate": 0.2, "decay_steps": 15, "alpha": 0.1}),
    "cosine_warmup": (
        "CosineDecay",
        {
            "initial_learning_rate": 0.01,
            "decay_steps": 12,
            "warmup_target": 0.3,
            "warmup_steps": 5,
        },
    ),
    "cosine_restarts": (
        "CosineDecayRestarts",
        {"initial_learning_rate": 0.2, "first_decay_steps": 5, "m_mul": 0.9, "alpha": 0.05},
    ),
    "cosine_restarts_equal": (
        "CosineDecayRestarts",
        {"initial_learning_rate": 0.2, "first_decay_steps": 6, "t_mul": 1.0},
    ),
    "piecewise": ("PiecewiseConstantDecay", {"boundaries": [4, 11], "values": [0.2, 0.1, 0.02]}),
}

# Module, class and arguments of the kernels' and (None: of none) the biases'.
RULES: dict[str, tuple[tuple[str, str, Options] | None, ...]] = {
    "l1": (("regularizers", "L1", {"l1": 0.02}), None),
    "l2": (("regularizers", "L2", {"l2": 0.05}), ("regularizers", "L2", {"l2": 0.1})),
    "l1_l2": (("regularizers", "L1L2", {"l1": 0.01, "l2": 0.02}), None),
    "max_norm": (("constraints", "MaxNorm", {"max_value": 0.7}), None),
    "max_norm_bias": (
        ("constraints", "MaxNorm", {"max_value": 1.0, "axis": -1}),
        ("constraints", "MaxNorm", {"max_value": 0.01}),
    ),
    "non_neg": (("constraints", "NonNeg", {}), ("constraints", "NonNeg", {})),
    "unit_norm": (("constraints", "UnitNorm", {"axis": [0, 1]}), None),
    "min_max_norm": (
        (
            "constraints",
            "MinMaxNorm",
            {"min_value": 0.5, "max_value": 0.6, "rate": 0.7, "axis": 0},
        ),
        None,
    ),
}


def _table(shape: tuple[int, ...], seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def data() -> tuple[np.ndarray, np.ndarray]:
    """Images float32 (ROWS, 8, 8, 1) and labels int32 (ROWS,)."""
    return _table((ROWS, 8, 8, 1), 11), (np.arange(ROWS) % 3).astype(np.int32)


def model(k: Any, **rules: Any) -> Any:
    """A ConvNet without a kink but the pooling's, with fixed weights."""
    layers = k.layers
    net = k.Sequential(
        [
            k.Input((8, 8, 1)),
            layers.Conv2D(3, 3, activation="tanh", **rules),
            layers.MaxPooling2D(2),
            layers.Flatten(),
            layers.Dense(5, activation="tanh", **rules),
            layers.Dense(3, activation="softmax"),
        ]
    )
    net.set_weights([0.3 * _table(w.shape, 20 + i) for i, w in enumerate(net.get_weights())])
    return net


def compiled(net: Any, optimizer: Any) -> Any:
    net.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy")
    return net


def trained(net: Any) -> dict[str, list[float]]:
    """The losses of all steps, that of an evaluation, and the weights, each at last."""
    x, y = data()
    losses = [float(net.train_on_batch(x, y, return_dict=True)["loss"]) for _ in range(STEPS)]
    losses.append(float(net.evaluate(x, y, verbose=0, return_dict=True)["loss"]))
    weights = np.concatenate([w.ravel() for w in net.get_weights()])
    return {"losses": losses, "weights": [float(w) for w in weights]}


def with_optimizer(k: Any, case: str) -> Any:
    """A model with one of OPTIMIZERS."""
    name, options = OPTIMIZERS[case]
    return compiled(model(k), getattr(k.optimizers, name)(**options))


def with_schedule(k: Any, case: str) -> Any:
    """A model with one of SCHEDULES."""
    name, options = SCHEDULES[case]
    return compiled(model(k), k.optimizers.SGD(getattr(k.optimizers.schedules, name)(**options)))


def with_rule(k: Any, case: str) -> Any:
    """A model with one of RULES."""
    arguments = {}
    for weight, given in zip(("kernel", "bias"), RULES[case], strict=True):
        if given is not None:
            module, name, options = given
            argument = f"{weight}_{module.removesuffix('s')}"
            arguments[argument] = getattr(getattr(k, module), name)(**options)
    return compiled(model(k, **arguments), k.optimizers.SGD(0.1, momentum=0.5))


def with_orthogonal(k: Any, mode: str) -> Any:
    """A model with OrthogonalRegularizer on a Dense kernel."""
    regularizer = k.regularizers.OrthogonalRegularizer(0.5, mode)
    net = k.Sequential(
        [
            k.Input((8, 8, 1)),
            k.layers.Flatten(),
            k.layers.Dense(7, activation="tanh", kernel_regularizer=regularizer),
            k.layers.Dense(3, activation="softmax"),
        ]
    )
    net.set_weights([0.3 * _table(w.shape, 30 + i) for i, w in enumerate(net.get_weights())])
    return compiled(net, k.optimizers.Adam(0.01))


# Every compiled model, by name.
MODELS: dict[str, tuple[Any, str]] = {
    **{f"optimizer-{case}": (with_optimizer, case) for case in OPTIMIZERS},
    **{f"schedule-{case}": (with_schedule, case) for case in SCHEDULES},
    **{f"rule-{case}": (with_rule, case) for case in RULES},
    **{f"orthogonal-{mode}": (with_orthogonal, mode) for mode in ("rows", "columns")},
}


def make(k: Any, name: str) -> Any:
    """One of MODELS."""
    function, case = MODELS[name]
    return function(k, case)


def train(k: Any, name: str) -> dict[str, list[float]]:
    """One of MODELS, trained; the learning rates of a schedule too."""
    net = make(k, name)
    kind, _, case = name.partition("-")
    if kind != "schedule":
        return trained(net)
    schedule, options = SCHEDULES[case]
    made = getattr(k.optimizers.schedules, schedule)(**options)
    return {**trained(net), "rates": [float(made(step)) for step in range(2 * STEPS)]}


def fit(k: Any, case: str) -> dict[str, list[float]]:
    """Two epochs of `fit` with validation: what it reports, and the weights it leaves."""
    x, y = data()
    regularizer = k.regularizers.L2(0.1)
    net = model(k, kernel_regularizer=regularizer)
    optimizers = {
        "ema": k.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.7),
        "schedule": k.optimizers.Adam(k.optimizers.schedules.CosineDecay(0.05, 6)),
    }
    compiled(net, optimizers[case])
    history = net.fit(
        x, y, batch_size=5, epochs=2, shuffle=False, validation_data=(x[:7], y[:7]), verbose=0
    ).history
    weights = np.concatenate([w.ravel() for w in net.get_weights()])
    return {
        **{name: [float(v) for v in values] for name, values in history.items()},
        "weights": [float(w) for w in weights],
    }


def _activities(k: Any) -> Any:
    """Penalties on what layers put out, beside one on a weight."""
    layers = k.layers
    net = k.Sequential(
        [
            k.Input((8, 8, 1)),
            layers.Conv2D(3, 3, activation="relu", activity_regularizer=k.regularizers.L2(0.002)),
            layers.MaxPooling2D(2),
            layers.ActivityRegularization(l1=0.003, l2=0.001),
            layers.Flatten(),
            layers.Dense(5, activation="tanh", kernel_regularizer="l2"),
            layers.Dense(3, activation="softmax", activity_regularizer="l1"),
        ]
    )
    net.set_weights([0.3 * _table(w.shape, 40 + i) for i, w in enumerate(net.get_weights())])
    return net


def _scales(k: Any) -> Any:
    """Penalties on weights and bounds of weights that are neither kernels nor biases."""
    layers = k.layers
    l1_l2, non_neg = k.regularizers.L1L2(0.02, 0.03), k.constraints.NonNeg()
    net = k.Sequential(
        [
            k.Input((8, 8, 1)),
            layers.Conv2D(3, 3),
            layers.BatchNormalization(gamma_regularizer=l1_l2, beta_constraint=non_neg),
            layers.PReLU(alpha_regularizer="l2", alpha_constraint=non_neg, shared_axes=[1, 2]),
            layers.Conv2D(2, 3),
            layers.BatchNormalization(beta_regularizer="l2", gamma_constraint=non_neg),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    net.set_weights([0.5 * np.abs(_table(w.shape, 50)) for w in net.get_weights()])
    return net


def layer_rule(k: Any, case: str) -> dict[str, list[float]]:
    """Rules that belong to a layer: two epochs of `fit` with validation in small batches."""
    x, y = data()
    net = {"activities": _activities, "scales": _scales}[case](k)
    net.compile(optimizer=k.optimizers.SGD(0.05), loss="sparse_categorical_crossentropy")
    history = net.fit(
        x, y, batch_size=5, epochs=2, shuffle=False, validation_data=(x[:7], y[:7]), verbose=0
    ).history
    weights = np.concatenate([w.ravel() for w in net.get_weights()])
    return {
        **{name: [float(v) for v in values] for name, values in history.items()},
        "weights": [float(w) for w in weights],
    }


# Every run, by name.
RUNS: dict[str, tuple[Any, str]] = {
    **{name: (train, name) for name in MODELS},
    **{f"fit-{case}": (fit, case) for case in ("ema", "schedule")},
    **{f"layer_rule-{case}": (layer_rule, case) for case in ("activities", "scales")},
}


def run(k: Any, name: str) -> dict[str, list[float]]:
    function, case = RUNS[name]
    result: dict[str, list[float]] = function(k, case)
    return result
