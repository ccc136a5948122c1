"""Compiled models for files: every optimizer, option, schedule, penalty and bound, and graphs.

As in `runs.py` the first argument is the package, `keras` or `convlet`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from golden import make_files, optimizer_runs

# Before a file is written: in the middle of what options do every second or third step.
STEPS = 5


def residual(k: Any, _: str) -> Any:
    """A functional model, with a model in it, statistics, a penalty, a bound and a schedule."""
    layers = k.layers
    l2 = k.regularizers.L2(0.01)
    inside = k.Input((8, 8, 2))
    y = layers.Conv2D(2, 3, padding="same", use_bias=False, kernel_regularizer=l2)(inside)
    y = layers.Activation("tanh")(layers.BatchNormalization(momentum=0.8)(y))
    block = k.Model(inside, layers.add([inside, y]), name="block")
    inputs = k.Input((8, 8, 1))
    x = layers.Conv2D(2, 3, padding="same", name="stem")(inputs)
    x = layers.Concatenate()([block(x), inputs])
    x = layers.GlobalAveragePooling2D()(x)
    outputs = layers.Dense(3, activation="softmax", kernel_constraint=k.constraints.MaxNorm(2))(x)
    rate = k.optimizers.schedules.CosineDecay(0.05, 20)
    return optimizer_runs.compiled(k.Model(inputs, outputs), k.optimizers.Adam(rate, amsgrad=True))


def frozen(k: Any, _: str) -> Any:
    """A model whose first layer has no slots."""
    model = optimizer_runs.model(k)
    model.layers[0].trainable = False
    return optimizer_runs.compiled(model, k.optimizers.AdamW(0.01))


def notebook(k: Any, _: str) -> Any:
    return make_files.make_model(k)


CASES: dict[str, tuple[Any, str]] = {
    **optimizer_runs.MODELS,
    "residual": (residual, ""),
    "frozen": (frozen, ""),
    "notebook": (notebook, ""),
}


def make(k: Any, name: str) -> Any:
    function, case = CASES[name]
    return function(k, case)


def data(name: str) -> tuple[np.ndarray, np.ndarray]:
    return make_files.data() if name == "notebook" else optimizer_runs.data()


def train(model: Any, name: str, steps: int = STEPS) -> list[float]:
    """The losses of some steps."""
    x, y = data(name)
    losses = []
    for _ in range(steps):
        if hasattr(model, "reset_metrics"):  # older Keras reports the mean since the last call
            model.reset_metrics()
        losses.append(float(model.train_on_batch(x, y, return_dict=True)["loss"]))
    return losses


def report(model: Any, name: str, losses: bool = True) -> dict[str, Any]:
    """What tells two models apart: predictions, state of the optimizer, the next ten losses."""
    predictions = np.asarray(model.predict_on_batch(data(name)[0])).tolist()
    optimizer = model.optimizer
    steps, *slots = (np.asarray(variable.numpy()) for variable in optimizer.variables)
    return {
        "predictions": predictions,
        "steps": int(steps),
        "rate": float(np.asarray(optimizer.learning_rate)),
        # In this order, because not every version of Keras has them in the same one.
        "slots": sorted(float(np.abs(slot).sum()) for slot in slots) if losses else [],
        "losses": train(model, name, 10) if losses else [],
    }
