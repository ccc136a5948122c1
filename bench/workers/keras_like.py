"""One contender in a process of its own: convlet or Keras, which share code as they share an API.

Reads one JSON request a line from standard input and answers each with one JSON line:

    {"do": "setup", "package": "keras", "threads": 2, "data": DIRECTORY}   -> versions
    {"do": "build", "model": "mnist_convnet"}                              -> {}
    {"do": "probabilities", "rows": 100}                                   -> {"probabilities"}
    {"do": "train", "rows": 640}                (in order)                 -> {"seconds", "loss"}
    {"do": "epoch"}                             (shuffled)                 -> {"seconds", "loss"}
    {"do": "predict", "batch_size": null}                                  -> {"seconds"}
    {"do": "one_image", "count": 300}                                      -> {"seconds": median}
    {"do": "evaluate"}                                                     -> {"loss", "accuracy"}

The directory holds x_train.npy, y_train.npy, x_test.npy, y_test.npy and, as MODEL.npz, the initial
weights. Every answer also tells how much CPU time the process used since its last answer
("idle_cpu"), which must be next to nothing: the worker is blocked on its input, and the other
contender is being timed.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import numpy as np


def mnist_convnet(k: Any) -> Any:
    """The notebook's ConvNet."""
    model = k.Sequential(
        [
            k.Input((28, 28, 1)),
            k.layers.Conv2D(32, (3, 3), activation="relu"),
            k.layers.MaxPooling2D((2, 2)),
            k.layers.Conv2D(64, (3, 3), activation="relu"),
            k.layers.MaxPooling2D((2, 2)),
            k.layers.Conv2D(64, (3, 3), activation="relu"),
            k.layers.Flatten(),
            k.layers.Dense(64, activation="relu"),
            k.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["accuracy"])
    return model


MODELS = {"mnist_convnet": mnist_convnet}
BATCH_SIZE = 64
ARRAYS = ["x_train", "y_train", "x_test", "y_test"]


class Worker:
    """The requests, one method each."""

    def setup(self, package: str, threads: int, data: str) -> dict[str, Any]:
        self.directory = Path(data)
        self.data = {name: np.load(self.directory / f"{name}.npy") for name in ARRAYS}
        self.k = import_module(package)
        set_up = _set_up_keras if package == "keras" else _set_up_convlet
        return {"python": sys.version.split()[0], "numpy": np.__version__} | set_up(self.k, threads)

    def build(self, model: str) -> dict[str, Any]:
        """A fresh model, and fresh optimizer slots, from the stored initial weights."""
        self.model = MODELS[model](self.k)
        with np.load(self.directory / f"{model}.npz") as weights:
            self.model.set_weights([weights[name] for name in weights.files])
        return {}

    def probabilities(self, rows: int) -> dict[str, Any]:
        return {"probabilities": self.model.predict(self.data["x_test"][:rows], verbose=0).tolist()}

    def train(self, rows: int) -> dict[str, Any]:
        return self._fit(rows, shuffle=False)

    def epoch(self) -> dict[str, Any]:
        return self._fit(len(self.data["x_train"]), shuffle=True)

    def _fit(self, rows: int, shuffle: bool) -> dict[str, Any]:
        x, y = self.data["x_train"][:rows], self.data["y_train"][:rows]
        start = time.perf_counter()
        history = self.model.fit(x, y, batch_size=BATCH_SIZE, epochs=1, shuffle=shuffle, verbose=0)
        seconds = time.perf_counter() - start
        return {"seconds": seconds, "loss": float(history.history["loss"][0])}

    def predict(self, batch_size: int | None) -> dict[str, Any]:
        start = time.perf_counter()
        out = self.model.predict(self.data["x_test"], batch_size=batch_size, verbose=0)
        seconds = time.perf_counter() - start
        if out.shape != (len(self.data["x_test"]), 10) or not np.isfinite(out).all():
            raise RuntimeError(f"predict gave {out.shape}")
        return {"seconds": seconds}

    def one_image(self, count: int) -> dict[str, Any]:
        images = self.data["x_test"]
        seconds = []
        for i in range(count):
            image = images[i : i + 1]
            start = time.perf_counter()
            self.model.predict_on_batch(image)
            seconds.append(time.perf_counter() - start)
        return {"seconds": statistics.median(seconds)}

    def evaluate(self) -> dict[str, Any]:
        logs = self.model.evaluate(
            self.data["x_test"], self.data["y_test"], verbose=0, return_dict=True
        )
        return {key: float(value) for key, value in logs.items()}


def _set_up_keras(k: Any, threads: int) -> dict[str, Any]:
    tf = import_module("tensorflow")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    return {"keras": k.__version__, "tensorflow": tf.__version__, "backend": k.backend.backend()}


def _set_up_convlet(k: Any, threads: int) -> dict[str, Any]:
    k.set_num_threads(threads)
    return {"convlet": k.__version__, **import_module("convlet._native").core.build_info()}


def serve(worker: Any, requests: TextIO, answers: TextIO) -> None:
    """Answers requests until the input ends."""
    last_cpu = time.process_time()
    for line in requests:
        idle_cpu = time.process_time() - last_cpu
        request = json.loads(line)
        method: Callable[..., dict[str, Any]] = getattr(worker, request.pop("do"))
        answer = method(**request)
        answers.write(json.dumps({**answer, "idle_cpu": idle_cpu}) + "\n")
        answers.flush()
        last_cpu = time.process_time()


def main() -> None:
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    # Answers go where standard output went; whatever a library prints goes to standard error.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        serve(Worker(), sys.stdin, answers)


if __name__ == "__main__":
    main()
