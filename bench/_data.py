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


def tinted_digits() -> Arrays:
    """Images of CIFAR's size for nets of CIFAR's kind: 12,800 and 2,560 digits of MNIST.

    32x32x3 float32 in [0, 1]: a digit in a random colour, somewhere on a ground of another colour,
    with noise. Made here because CIFAR is a large download; a net that learns these learns.
    """
    rng = np.random.default_rng(0)
    digits = mnist()
    arrays = {}
    for part, rows in (("train", 12_800), ("test", 2_560)):
        ink, ground = rng.random((2, rows, 1, 1, 3), dtype=np.float32)
        mask = np.zeros((rows, 32, 32, 1), np.float32)
        for image, (top, left) in enumerate(rng.integers(0, 5, (rows, 2))):
            mask[image, top : top + 28, left : left + 28] = digits[f"x_{part}"][image]
        noise = 0.05 * rng.standard_normal((rows, 32, 32, 3), dtype=np.float32)
        arrays[f"x_{part}"] = np.clip(mask * ink + (1 - mask) * ground + noise, 0, 1)
        arrays[f"y_{part}"] = digits[f"y_{part}"][:rows]
    return arrays


DATA_SETS: dict[str, Callable[[], Arrays]] = {"mnist": mnist, "tinted_digits": tinted_digits}


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
