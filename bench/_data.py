"""The data sets that models are timed on: a new one is one entry of DATA_SETS."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

Arrays = dict[str, np.ndarray]


def mnist() -> Arrays:
    """MNIST as the notebook has it: float32 in [0, 1], one-hot rows."""
    from convlet.datasets import mnist

    arrays = {}
    for part, (images, labels) in zip(("train", "test"), mnist.load_data(), strict=True):
        arrays[f"x_{part}"] = images[..., None].astype(np.float32) / 255
        arrays[f"y_{part}"] = np.eye(10, dtype=np.float32)[labels]
    return arrays


DATA_SETS: dict[str, Callable[[], Arrays]] = {"mnist": mnist}


@contextlib.contextmanager
def data_directory(names: Iterable[str]) -> Iterator[Path]:
    """A temporary directory with a directory of .npy files for each data set."""
    with tempfile.TemporaryDirectory(prefix="convlet-bench-") as root:
        for name in sorted(set(names)):
            directory = Path(root) / name
            directory.mkdir()
            for key, array in DATA_SETS[name]().items():
                np.save(directory / f"{key}.npy", array)
        yield Path(root)


def load_data_set(directory: Path, name: str) -> Arrays:
    """x_train, y_train, x_test, y_test of one of them."""
    return {path.stem: np.load(path) for path in (directory / name).glob("*.npy")}
