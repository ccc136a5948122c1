"""What `mpirun` runs for `scaling.py`: seconds of steps, and of all-reduces alone.

mpirun -n 2 python bench/workers/scaling.py RESULT.json --batches 64,128 --steps 200
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from _models import build

import convlet
from convlet.distribution import DataParallel

SIZES = [1, 256, 4096, 16384, 65536, 262144, 1048576]  # floats
GRADIENT = 1000  # floats: only gradients are longer than this


class Watched(DataParallel):
    """Adds up the seconds that all-reduces of gradients take, or (`apart`) does none."""

    seconds = 0.0
    apart = False

    def sum(self, array: Any) -> None:
        if array.size < GRADIENT:
            super().sum(array)
        elif not self.apart:
            start = time.perf_counter()
            super().sum(array)
            self.seconds += time.perf_counter() - start


def time_steps(batch_size: int, steps: int, x: Any, y: Any) -> dict[str, Any]:
    """Seconds of a step: in all, in its all-reduce, and where there is none."""
    processes = Watched()
    convlet.utils.set_random_seed(1)
    model = build(convlet, "mnist_convnet")
    model.compile("rmsprop", "sparse_categorical_crossentropy", distribution=processes)
    rows = np.arange(batch_size * steps) % len(x)
    data = x[rows], y[rows]
    model.fit(x[: 8 * batch_size], y[: 8 * batch_size], batch_size, verbose=0)

    def timed() -> float:
        processes.seconds = 0.0
        processes.most(0)  # all begin together
        start = time.perf_counter()
        model.fit(*data, batch_size, shuffle=False, verbose=0)
        return (time.perf_counter() - start) / steps

    together, waiting = timed(), processes.seconds / steps
    processes.apart = True
    return {"step": together, "all_reduce": waiting, "apart": timed()}


def time_all_reduce(size: int, processes: DataParallel) -> float:
    """Median of the seconds of an all-reduce that all begin together."""
    array = np.zeros(size, np.float32)
    seconds = []
    for _ in range(30):
        processes.most(0)
        start = time.perf_counter()
        processes.sum(array)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("result", type=Path)
    parser.add_argument("--batches", required=True)
    parser.add_argument("--steps", type=int, required=True)
    options = parser.parse_args()
    convlet.set_num_threads(1)
    (x, y), _ = convlet.datasets.mnist.load_data()
    processes = DataParallel()
    sizes = [int(size) for size in options.batches.split(",")]
    result = {
        "steps": {size: time_steps(size, options.steps, x[..., None], y) for size in sizes},
        "all_reduce": {size: time_all_reduce(size, processes) for size in SIZES},
    }
    if processes.is_first:
        options.result.write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    main()
