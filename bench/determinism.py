"""What `convlet.config.enable_op_determinism()` costs: training with and without it, in turn.

    python bench/determinism.py [--threads 2] [--repeats 5] [--rows 6400]

The notebook's ConvNet and a multilayer perceptron on MNIST; each round trains the same rows with
one and then with the other, in one process.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from pathlib import Path
from typing import Any

from _common import (
    RESULTS,
    Timing,
    environment,
    interleaved_runs,
    markdown_table,
    median_ratio,
    save,
)
from _models import BATCH_SIZE, build

import convlet
from convlet._native import core
from convlet.config import DETERMINISTIC_SHARES
from convlet.datasets import mnist

MODELS = ("mnist_convnet", "mlp")
SHARES = {"as many parts as threads": 0, "deterministic": DETERMINISTIC_SHARES}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--rows", type=int, default=6400)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()

    convlet.set_num_threads(arguments.threads)
    (x, y), _ = mnist.load_data()
    x, y = x[: arguments.rows], y[: arguments.rows]
    seconds = {model: time_model(model, x, y, arguments.repeats) for model in MODELS}
    rows = []
    for model, of in seconds.items():
        plain, deterministic = (of[name] for name in SHARES)
        rows.append(
            [
                model,
                Timing.of(plain).text(1e-3, 0),
                Timing.of(deterministic).text(1e-3, 0),
                f"{median_ratio(deterministic, plain):.3f}",
            ]
        )
    header = [f"{arguments.threads} threads, {arguments.rows:,} rows", "default, ms"]
    header += ["deterministic, ms", "ratio"]
    record = {"environment": environment(arguments.threads), "seconds": seconds}
    save("determinism", arguments.output, record, markdown_table(header, rows))


def time_model(name: str, x: Any, y: Any, repeats: int) -> dict[str, list[float]]:
    """Seconds of an epoch, by contender, in each round."""
    model = build(convlet, name)
    model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy")

    def epoch(shares: int) -> float:
        core.set_fixed_shares(shares)
        start = time.perf_counter()
        model.fit(x, y, batch_size=BATCH_SIZE, shuffle=False, verbose=0)
        return time.perf_counter() - start

    programs = {contender: partial(epoch, shares) for contender, shares in SHARES.items()}
    return interleaved_runs(programs, repeats)


if __name__ == "__main__":
    main()
