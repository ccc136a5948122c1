"""A training for `mpirun`, as `test_mpi.py` wants it; the first process writes what came out.

mpirun -n 2 python tests/mpi_program.py RESULT.npz [--backup DIRECTORY] [--fail HOW]
"""

from __future__ import annotations

import argparse
import os
import signal
from typing import Any

import numpy as np

import convlet
from convlet import Input, Sequential, callbacks, layers
from convlet.distribution import DataParallel

ROWS, EPOCHS, BATCH = 203, 5, 20  # 55 steps, the last of each epoch with three rows


class BatchLosses(callbacks.Callback):
    """Notes the mean loss so far after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.losses.append(logs["loss"])


class Failure(callbacks.Callback):
    """Ends the second process in the third epoch."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self.model is None or self.model.processes.rank != 1 or self.model.optimizer is None:
            return
        if self.model.optimizer.iterations < 27:
            return
        if self.how == "raise":
            raise RuntimeError("the disk is gone")
        os.kill(os.getpid(), signal.SIGKILL if self.how == "kill" else signal.SIGINT)


def make_model() -> Sequential:
    convlet.utils.set_random_seed(5)
    return Sequential(
        [
            Input((12, 12, 1)),
            layers.Conv2D(6, 3, use_bias=False),
            layers.BatchNormalization(synchronized=True),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.3),
            layers.Dense(32, activation="relu"),
            layers.Dense(4, activation="softmax"),
        ]
    )


def data() -> tuple[Any, Any]:
    generator = np.random.default_rng(0)
    x = generator.random((ROWS, 12, 12, 1), np.float32)
    return x, generator.integers(0, 4, ROWS)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("result")
    parser.add_argument("--alone", action="store_true")
    parser.add_argument("--backup")
    parser.add_argument("--fail")
    options = parser.parse_args()
    distribution = None if options.alone else DataParallel()
    model = make_model()
    optimizer = convlet.optimizers.SGD(0.05, momentum=0.9)
    model.compile(
        optimizer,
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        distribution=distribution,
    )
    x, y = data()
    losses = BatchLosses()
    own: list[Any] = [losses]
    if options.backup:
        own.append(callbacks.BackupAndRestore(options.backup, save_freq=7))
    if options.fail:
        own.append(Failure(options.fail))
    history = model.fit(
        x, y, BATCH, EPOCHS, verbose=0, callbacks=own, validation_data=(x[:50], y[:50])
    )
    evaluation = model.evaluate(x, y, verbose=0)
    predictions = model.predict(x, verbose=0)
    flat = np.concatenate([weight.ravel() for weight in model.get_weights()])
    # Of all processes; a sum in place of a gathering, so that it works alone, too.
    all_weights = np.zeros((model.processes.size, len(flat)), np.float32)
    all_weights[model.processes.rank] = flat
    model.processes.sum(all_weights)
    threads = np.zeros(model.processes.size)
    threads[model.processes.rank] = convlet.get_num_threads()
    model.processes.sum(threads)
    if model.processes.is_first:
        np.savez(
            options.result,
            losses=losses.losses,
            evaluation=evaluation,
            predictions=predictions,
            weights=all_weights,
            threads=threads,
            **history.history,
        )


if __name__ == "__main__":
    main()
