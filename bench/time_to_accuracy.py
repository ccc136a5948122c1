"""Seconds from the start of a process, imports included, to 99 % test accuracy.

    python bench/time_to_accuracy.py [--peer-python PATH] [--threads 2] [--seeds 15] [--quick]

PATH is a Python with keras and tensorflow; it may be this one. convlet and Keras train the
notebook's ConvNet from the same initial weights with the same batches in the same order, and are
tested after every quarter of an epoch, until the accuracy is first above the target. Each run is a
fresh process, behind one that is not counted and stops after a quarter, so that all find their
files in memory; the two take turns; a seed is a round.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from _common import (
    BENCH,
    RESULTS,
    SETTLE_SECONDS,
    Peer,
    Timing,
    check,
    environment,
    markdown_table,
    median_ratio,
    save,
)
from _data import data_directory
from _models import MODELS, save_initial_weights

MODEL = "mnist_convnet"
TARGET, QUICK_TARGET = 0.99, 0.96
MAX_EPOCHS = 12
CONVLET, KERAS = "convlet", "keras-tensorflow"
PEERS = {CONVLET: Peer("convlet"), KERAS: Peer("keras", "tensorflow")}


class Run(NamedTuple):
    """When one process got where."""

    ready: float  # seconds to the first training step
    reached: float  # seconds to the target
    images: int  # trained on until then
    accuracy: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", default=sys.executable, metavar="PATH")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=15)
    parser.add_argument("--quick", action="store_true", help="one seed and an easier target")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    target = QUICK_TARGET if arguments.quick else TARGET
    pythons = {CONVLET: sys.executable, KERAS: arguments.peer_python}

    runs: dict[str, list[Run]] = {name: [] for name in PEERS}
    with data_directory([MODELS[MODEL].data]) as data:
        for seed in range(1 if arguments.quick else arguments.seeds):
            save_initial_weights(data, MODEL, seed)
            for name, python in pythons.items():
                # Not counted: reads the files in. While the other trained for half a minute, the
                # system may have dropped them; who comes second would find what the first read.
                learn(name, python, data, seed, arguments.threads, target=0.0)
                time.sleep(SETTLE_SECONDS)
                run = learn(name, python, data, seed, arguments.threads, target)
                check(run.accuracy > target, f"{name}, seed {seed}: {run.accuracy:.4f} in {run}")
                runs[name].append(run)

    reached = {name: [run.reached for run in of_one] for name, of_one in runs.items()}
    ratio = median_ratio(reached[KERAS], reached[CONVLET])
    rows = [
        [
            name,
            Timing.of([run.ready for run in of_one]).text(1.0, 2),
            Timing.of(reached[name]).text(1.0, 2),
            Timing.of([run.images for run in of_one]).text(1e3, 0),
        ]
        for name, of_one in runs.items()
    ]
    rows.append([f"{KERAS} / {CONVLET}", "", f"**{ratio:.1f}x**", ""])
    record = {
        "environment": environment(arguments.threads),
        "target": target,
        "runs": {name: [run._asdict() for run in of_one] for name, of_one in runs.items()},
        "ratio": ratio,
    }
    reached_title = f"above {target:.0%} [s]"
    header = ["median (range)", "ready to train [s]", reached_title, "thousand images trained"]
    save("time_to_accuracy", arguments.output, record, markdown_table(header, rows))


def learn(name: str, python: str, data: Path, seed: int, threads: int, target: float) -> Run:
    """One process, timed from outside from before it exists."""
    limits = {"seed": seed, "threads": threads, "target": target, "epochs": MAX_EPOCHS}
    options = [f"--{key}={value}" for key, value in limits.items()]
    command = [python, str(BENCH / "learner.py"), *PEERS[name], MODEL, str(data), *options]
    start = time.perf_counter()
    ready, reached, fact = 0.0, 0.0, {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            reached = time.perf_counter() - start
            fact = json.loads(line)
            ready = ready or reached
    if process.returncode != 0:
        raise RuntimeError(f"{name} died with status {process.returncode}")
    return Run(ready, reached, fact["images"], fact["accuracy"])


if __name__ == "__main__":
    main()
