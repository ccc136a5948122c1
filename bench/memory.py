"""Peak memory of training the notebook's ConvNet on MNIST as the bytes it comes in.

    python bench/memory.py [--threads 2] [--repeats 3]

Each run is a process of its own, which loads MNIST, trains one epoch and asks the system for its
peak resident set. Ends with status 1 if it is above the limit.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from _common import RESULTS, check, environment, markdown_table, save

LIMIT_MB = 250.0
MB = 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(train(arguments.threads)))
        return

    command = [sys.executable, __file__, "--child", "--threads", str(arguments.threads)]
    runs: list[dict[str, Any]] = []
    for _ in range(arguments.repeats):
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        runs.append(json.loads(done.stdout))
    for run in runs:
        check(run["accuracy"] >= 0.9, f"the model learned: test accuracy {run['accuracy']:.4f}")
    medians = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    rows = [
        ["after importing convlet", f"{medians['imported']:.0f}"],
        ["after loading MNIST", f"{medians['loaded']:.0f}"],
        ["after training one epoch", f"**{medians['trained']:.0f}**"],
    ]
    record = {"environment": environment(arguments.threads), "runs": runs}
    save("memory", arguments.output, record, markdown_table(["peak resident set", "MB"], rows))
    check(medians["trained"] <= LIMIT_MB, f"training takes at most {LIMIT_MB:.0f} MB")


def train(threads: int) -> dict[str, float]:
    """Peaks so far, in MB, after each stage; and the accuracy, to show that training happened."""
    from _models import build

    import convlet
    from convlet.datasets import mnist

    convlet.set_num_threads(threads)
    convlet.utils.set_random_seed(0)
    peaks = {"imported": peak_mb()}
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    peaks["loaded"] = peak_mb()
    model = build(convlet, "mnist_convnet")
    model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, batch_size=64, epochs=1, verbose=0)
    peaks["trained"] = peak_mb()
    _, accuracy = model.evaluate(x_test, y_test, verbose=0)
    return {**peaks, "accuracy": accuracy}


def peak_mb() -> float:
    """Peak resident set of this process so far; Linux counts in KiB, macOS in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak * (1 if sys.platform == "darwin" else 1024) / MB


if __name__ == "__main__":
    main()
