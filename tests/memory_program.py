"""The same thing again and again, and how much memory it has left: what `test_memory.py` runs.

    python memory_program.py WHAT TIMES

Writes by how many kilobytes the process has grown since it was warm.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import gc
import os
import pickle
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import convlet
from convlet import Input, Model, Sequential, layers
from convlet.models import load_model

X = np.random.default_rng(0).normal(size=(32, 8, 8, 1)).astype(np.float32)
Y = (np.arange(32) % 3).astype(np.int32)
WARM = 0.2  # of the times


def compiled(model: Any) -> Any:
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def sequential() -> Any:
    return compiled(
        Sequential(
            [
                Input((8, 8, 1)),
                layers.RandomFlip(),
                layers.Conv2D(8, 3, activation="relu"),
                layers.MaxPooling2D(2),
                layers.BatchNormalization(),
                layers.Dropout(0.3),
                layers.Flatten(),
                layers.Dense(3, activation="softmax"),
            ]
        )
    )


def functional() -> Any:
    """With a model in it, and a tensor that several layers read."""
    inner_input = Input((6, 6, 4))
    inner = Model(inner_input, layers.Conv2D(4, 3, padding="same")(inner_input))
    inputs = Input((8, 8, 1))
    x = layers.Conv2D(4, 3)(inputs)
    x = layers.Concatenate()([x, inner(x), layers.Add()([x, x])])
    return compiled(Model(inputs, layers.Dense(3, activation="softmax")(layers.Flatten()(x))))


@functools.cache
def one() -> Any:
    """A model that stays."""
    model = sequential()
    model.fit(X, Y, verbose=0)
    return model


def fit(model: Any) -> None:
    model.fit(X, Y, batch_size=8, epochs=2, validation_data=(X, Y), verbose=0)


def own_loss(y_true: Any, y_pred: Any) -> Any:
    return np.square(y_pred - y_true).mean(axis=-1), 2 * (y_pred - y_true) / y_true.shape[-1]


def fit_own_loss() -> None:
    model = sequential()
    model.compile("sgd", own_loss, metrics=["mae"])
    model.fit(X, np.eye(3, dtype=np.float32)[Y], verbose=0)


def save_and_load(suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"model{suffix}")
        one().save(path)
        load_model(path).predict(X, verbose=0)


def save_and_load_weights() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.weights.h5")
        one().save_weights(path)
        one().load_weights(path)


def fail() -> None:
    """What cannot be done leaves nothing behind either."""
    for wrong in ({"x": X[:, :3], "y": Y}, {"x": X, "y": Y + 3}, {"x": X, "y": Y[:5]}):
        try:
            one().fit(**wrong, verbose=0)
        except ValueError:
            continue
        raise AssertionError(wrong)


WHAT: dict[str, Callable[[], Any]] = {
    "predict": lambda: one().predict(X, verbose=0),
    "predict_on_batch": lambda: one().predict_on_batch(X[:1]),
    "evaluate": lambda: one().evaluate(X, Y, verbose=0),
    "fit": lambda: fit(one()),
    "fit-new": lambda: fit(sequential()),
    "fit-new-functional": lambda: fit(functional()),
    "fit-own-loss": fit_own_loss,
    "compile": lambda: fit(compiled(one())),
    "save-and-load": lambda: save_and_load(".keras"),
    "save-and-load-h5": lambda: save_and_load(".h5"),
    "save-and-load-weights": save_and_load_weights,
    "pickle": lambda: pickle.loads(pickle.dumps(one())),
    "fail": fail,
}


def resident() -> int:
    """Kilobytes of memory that the process has in use."""
    gc.collect()
    # What is free goes back to the system: how the heap is scattered is chance, and comes and goes.
    with contextlib.suppress(AttributeError):  # not glibc
        ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
    return pages * os.sysconf("SC_PAGESIZE") // 1024


def main() -> None:
    what, times = WHAT[sys.argv[1]], int(sys.argv[2])
    convlet.set_num_threads(2)
    for _ in range(max(5, int(WARM * times))):
        what()
    before = resident()
    for _ in range(times):
        what()
    sys.stdout.write(f"{resident() - before}\n")


if __name__ == "__main__":
    main()
