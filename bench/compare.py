"""convlet against Keras on TensorFlow: training, prediction, one image.

    python bench/compare.py --keras-python PATH [--threads 2] [--repeats 5] [--quick]

PATH is a Python with keras and tensorflow; it may be this one. Both contenders get the same model,
initial weights, data, batch size and number of threads. Before anything is timed their answers are
compared. Rounds go A B A B in one run; the figure to trust is the median ratio.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _common import (
    RESULTS,
    Contender,
    Timing,
    check,
    check_idle,
    environment,
    interleave,
    keras_like_contenders,
    markdown_table,
    median_ratio,
    mnist_directory,
    save,
    save_glorot_weights,
)

MODEL = "mnist_convnet"
SHAPES = [
    (3, 3, 1, 32),
    (32,),
    (3, 3, 32, 64),
    (64,),
    (3, 3, 64, 64),
    (64,),
    (576, 64),
    (64,),
    (64, 10),
    (10,),
]
BATCH_SIZES: list[int | None] = [None, 64, 128, 256, 1024, 10_000]


class Task(NamedTuple):
    """What was timed, how to print it, and the seconds of each round by contender."""

    title: str
    unit: float  # in seconds
    digits: int
    seconds: dict[str, list[float]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keras-python", default=sys.executable, metavar="PATH")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one epoch each, fewer rounds")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    repeats = 1 if arguments.quick else arguments.repeats

    interpreters = {"convlet": sys.executable, "keras": arguments.keras_python}
    with (
        mnist_directory() as data,
        keras_like_contenders(interpreters, threads=arguments.threads, data=data) as started,
    ):
        save_glorot_weights(data / f"{MODEL}.npz", SHAPES)
        contenders = [contender for contender, _ in started.values()]
        check_answers(contenders)
        tasks = time_tasks(contenders, repeats)
        idle = check_idle(contenders)
        accuracies = check_accuracy(contenders, epochs=repeats)
        versions = {name: versions for name, (_, versions) in started.items()}

    ratios = {t.title: median_ratio(t.seconds["keras"], t.seconds["convlet"]) for t in tasks}
    record = {
        "environment": environment(arguments.threads),
        "versions": versions,
        "idle_cpu_share": idle,
        "accuracy": accuracies,
        "seconds": {task.title: task.seconds for task in tasks},
        "ratio": ratios,
    }
    rows = [
        [
            task.title,
            *(Timing.of(task.seconds[c.name]).text(task.unit, task.digits) for c in contenders),
            f"**{ratios[task.title]:.1f}x**",
        ]
        for task in tasks
    ]
    header = ["median (range)", *(contender.name for contender in contenders), "keras / convlet"]
    save("compare", arguments.output, record, markdown_table(header, rows))


def check_answers(contenders: Sequence[Contender]) -> None:
    """Same predictions at first, same loss over ten steps."""
    answers: dict[str, list[Any]] = {"probabilities": [], "loss": []}
    for contender in contenders:
        contender.ask("build", model=MODEL)
        answers["probabilities"].append(contender.ask("probabilities", rows=1000)["probabilities"])
        answers["loss"].append(contender.ask("train", rows=640)["loss"])
    difference = float(np.abs(np.subtract(*answers["probabilities"])).max())
    check(difference <= 1e-5, f"equal predictions of the initial model (within {difference:.1e})")
    first, second = answers["loss"]
    relative = abs(first - second) / second
    check(relative <= 1e-5, f"equal loss over ten steps (relative difference {relative:.1e})")


def time_tasks(contenders: Sequence[Contender], repeats: int) -> list[Task]:
    """Everything that is timed, after a warm-up of each."""
    for contender in contenders:
        contender.ask("build", model=MODEL)
        contender.ask("train", rows=6400)  # traces, allocates, reads the pages in
        contender.ask("one_image", count=20)
    best = {contender.name: {"batch_size": best_batch_size(contender)} for contender in contenders}
    print(f"best for predict: {best}", flush=True)
    epoch = interleave(contenders, repeats, "epoch")
    predict = interleave(contenders, 2 * repeats + 1, "predict", batch_size=None)
    predict_best = interleave(contenders, 2 * repeats + 1, "predict", best)
    one_image = interleave(contenders, 2 * repeats + 1, "one_image", count=300)
    return [
        Task("training epoch, 60,000 images, batch 64 [s]", 1.0, 2, epoch),
        Task("predict 10,000 images, default batch size [ms]", 1e-3, 1, predict),
        Task("predict 10,000 images, best batch size [ms]", 1e-3, 1, predict_best),
        Task("predict_on_batch, one image [us]", 1e-6, 0, one_image),
    ]


def best_batch_size(contender: Contender) -> int | None:
    """The fastest of BATCH_SIZES, by the best of three runs each."""

    def seconds(batch_size: int | None) -> float:
        return min(contender.ask("predict", batch_size=batch_size)["seconds"] for _ in range(3))

    return min(BATCH_SIZES, key=seconds)


def check_accuracy(contenders: Sequence[Contender], epochs: int) -> dict[str, float]:
    """What was timed did learn: test accuracy after the warm-up and all timed epochs."""
    accuracies = {}
    for contender in contenders:
        accuracies[contender.name] = contender.ask("evaluate")["accuracy"]
        check(
            accuracies[contender.name] >= 0.97,
            f"{contender.name} learned in {epochs} epoch(s): "
            f"test accuracy {accuracies[contender.name]:.4f}",
        )
    return accuracies


if __name__ == "__main__":
    main()
