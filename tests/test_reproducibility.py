"""The same seed, data, instruction set and number of threads give the same bits."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import convlet
from convlet import Input, Sequential, layers
from convlet._native import core

THREADS = (1, 2, 3, 7)
# Rows that no number of threads divides, nor does the batch.
ROWS, BATCH_SIZE, EPOCHS = 101, 32, 2


@pytest.fixture(autouse=True)
def threads_restored() -> Iterator[None]:
    threads, flops = core.get_num_threads(), core.get_serial_flops()
    yield
    core.set_num_threads(threads)
    core.set_serial_flops(flops)


def digest(threads: int, seed: int = 0) -> str:
    """What a training with everything random in it comes to, weights and optimizer, to the bit."""
    core.set_num_threads(threads)
    core.set_serial_flops(0.0)
    convlet.utils.clear_session()
    convlet.utils.set_random_seed(seed)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (ROWS, 12, 12, 2)).astype(np.uint8), np.arange(ROWS) % 4
    model = Sequential(
        [
            Input((12, 12, 2)),
            layers.Rescaling(1 / 255),
            layers.RandomFlip(),
            layers.RandomRotation(0.1),
            layers.RandomContrast(0.2),
            layers.Conv2D(8, 3, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.SpatialDropout2D(0.2),
            layers.Conv2D(6, 3, activation="relu"),
            layers.GaussianNoise(0.1),
            layers.Flatten(),
            layers.Dropout(0.4),
            layers.Dense(4, activation="softmax", kernel_regularizer="l2"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(
        x, y, batch_size=BATCH_SIZE, epochs=EPOCHS, validation_split=0.2, verbose=0
    ).history
    assert model.optimizer is not None
    arrays = [*model.get_weights(), *model.optimizer.get_state(), model.predict(x, verbose=0)]
    assert all(np.isfinite(array).all() for array in arrays)
    return "".join(array.tobytes().hex() for array in arrays) + repr(history)


@pytest.mark.parametrize("threads", THREADS)
def test_from_run_to_run(threads: int) -> None:
    """Whatever was in the memory before, and whatever has been trained meanwhile."""
    first = digest(threads)
    assert digest(threads, seed=1) != first
    for other in THREADS:
        digest(other)
    assert digest(threads) == first


@pytest.mark.parametrize("threads", THREADS[::2])
def test_from_process_to_process(threads: int) -> None:
    """Addresses and hashes are others in each."""
    path = os.pathsep.join([str(Path(__file__).parent), *sys.path])
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", f"import test_reproducibility as t; print(t.digest({threads}))"],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == digest(threads)
