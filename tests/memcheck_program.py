"""Trains each layer a little and predicts with it: what `nox -s memcheck` watches.

Results are compared with zero at the end: a number that was never written would be reported there,
where it decides, at the latest.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, os.fspath(Path(__file__).parent))

import numpy as np

import convlet
from convlet import Input, Sequential, layers
from convlet._native import core
from golden import runs

ROWS = 5


def train(shape: tuple[int, ...], chain: list[tuple[str, dict[str, Any]]], optimizer: str) -> None:
    inner = [getattr(layers, name)(**arguments) for name, arguments in chain]
    model = Sequential([Input(shape), *inner, layers.Flatten(), layers.Dense(3, "softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = np.random.default_rng(0).random((ROWS, *shape), np.float32)
    y = np.arange(ROWS) % 3
    history = model.fit(x, y, batch_size=3, verbose=0)
    results = [*history.history.values(), model.evaluate(x, y, verbose=0)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.weights.h5")
        model.save_weights(path)
        model.load_weights(path)
    results += [*model.get_weights(), *model.optimizer.get_state()]
    results += [model.predict(x, verbose=0), model.predict(x[:1], verbose=0)]
    assert all(np.isfinite(np.asarray(result)).all() for result in results)


def main() -> None:
    convlet.set_num_threads(2)
    core.set_serial_flops(0.0)
    optimizers = [
        "sgd",
        "adam",
        "rmsprop",
        "nadam",
        "ftrl",
        "lion",
        "adadelta",
        "adagrad",
        "adamax",
    ]
    fused = ((9, 9, 2), [("Conv2D", {"filters": 5, "kernel_size": 3, "activation": "relu"})])
    cases = [*runs.LAYER_CASES.values(), (fused[0], [*fused[1], ("MaxPooling2D", {})])]
    for number, (shape, chain) in enumerate(cases):
        train(shape, chain, optimizers[number % len(optimizers)])
    sys.stdout.write(f"{len(cases)} networks trained by {convlet.get_num_threads()} threads\n")


if __name__ == "__main__":
    main()
