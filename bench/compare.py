"""convlet against every peer that is installed: training, prediction, one image.

    python bench/compare.py [--peer-python PATH] [--threads 2] [--repeats 5] [--rows N] [--quick]
                            [--models lenet5,mlp] [--contenders convlet,keras-tensorflow]

PATH is a Python with the peers; it may be this one. All contenders get the same models, initial
weights, data, batch size and CPUs. Before anything is timed their answers are compared; after it,
whether they learned. Rounds go A B C A B C in one run; the figure to trust is the median ratio.

The dense roofline is the time that a model's products take at this machine's peak of fused
multiply-adds, measured before and after. Who multiplies less than everything may be above 100 %.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _chart import Bar, Panel, chart
from _common import (
    RESULTS,
    Contender,
    Peer,
    Timing,
    check,
    check_idle,
    environment,
    interleave,
    markdown_table,
    median_ratio,
    save,
    start_contenders,
)
from _data import data_directory
from _models import BATCH_SIZE, MODELS, Model, dense_flops, save_initial_weights
from _roofline import fma_peak

CONVLET = "convlet"
PEERS = {
    CONVLET: Peer("convlet"),
    "keras-tensorflow": Peer("keras", "tensorflow"),
    "keras-torch": Peer("keras", "torch"),
    "keras-jax": Peer("keras", "jax"),
    "pytorch": Peer("torch", "eager"),
    "pytorch-channels_last": Peer("torch", "channels_last"),
    "pytorch-compile": Peer("torch", "compile"),
    "onnxruntime": Peer("onnxruntime"),
    "openvino": Peer("openvino"),
}
INFERENCE_ONLY = {"onnxruntime", "openvino"}
EXPORTERS = [name for name, peer in PEERS.items() if peer.package == "torch"]

LEGEND = """Median (range), how many times as long as convlet (the median over the rounds), and the
share of the dense roofline: the time that the model's products take at the machine's FMA peak,
divided by the time measured. Batch 64 in training.
"""


class Effort(NamedTuple):
    """How long a run takes."""

    repeats: int
    most_rows: int  # of an epoch
    batch_sizes: list[int]  # tried for the fastest prediction


FULL = Effort(5, 60_000, [64, 256, 1024])
# The smaller last batch of an epoch is kept, 60,000 being no multiple of 64 either.
QUICK = Effort(1, 100 * BATCH_SIZE + 32, [64, 1024])


class Task(NamedTuple):
    """What was timed, on how many images, how to print it, and the seconds of each round."""

    title: str
    unit: float  # in seconds
    digits: int
    flops: float
    seconds: dict[str, list[float]]  # by contender

    def roofline_share(self, contender: str, peak: float) -> float:
        return self.flops / peak / Timing.of(self.seconds[contender]).median

    def times_slower(self, contender: str) -> float:
        return median_ratio(self.seconds[contender], self.seconds[CONVLET])

    def text(self, contender: str, peak: float) -> str:
        """For example 2.51 (2.49 to 2.60), **5.1x**, 62 %."""
        if contender not in self.seconds:
            return ""
        timing = Timing.of(self.seconds[contender]).text(self.unit, self.digits)
        ratio = "" if contender == CONVLET else f"**{self.times_slower(contender):.1f}x**, "
        return f"{timing}, {ratio}{self.roofline_share(contender, peak):.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer-python", default=sys.executable, metavar="PATH")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--rows", type=int, metavar="N", help="of an epoch, at most")
    parser.add_argument("--models", type=names_of(MODELS), default=list(MODELS))
    parser.add_argument("--contenders", type=names_of(PEERS), default=list(PEERS))
    parser.add_argument("--quick", action="store_true", help="one round on a tenth of the data")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    effort = QUICK if arguments.quick else FULL
    effort = effort._replace(
        repeats=arguments.repeats or effort.repeats, most_rows=arguments.rows or effort.most_rows
    )

    peak = fma_peak(arguments.threads)
    with (
        data_directory(MODELS[model].data for model in arguments.models) as data,
        start_contenders(
            {CONVLET: PEERS[CONVLET]} | {name: PEERS[name] for name in arguments.contenders},
            peer_python=arguments.peer_python,
            threads=arguments.threads,
            data=data,
        ) as started,
    ):
        contenders = {name: contender for name, (contender, _) in started.items()}
        tasks, accuracies = {}, {}
        for model in arguments.models:
            print(f"model: {model}", flush=True)
            save_initial_weights(data, model)
            able = build(contenders, model)
            check_answers(able, MODELS[model])
            tasks[model] = time_tasks(able, model, effort, rows_of(data, model))
            # Only whole epochs of the digits teach a model what it is to know then.
            least = MODELS[model].accuracy if effort.most_rows == FULL.most_rows else 0.0
            accuracies[model] = check_accuracy(trainers(able), least)
            peak = max(peak, fma_peak(arguments.threads))
            # After each model: what is measured is not lost if a later one fails its checks.
            idle = check_idle(list(contenders.values()))
            write_results(arguments, started, tasks, accuracies, idle, peak)


def write_results(
    arguments: argparse.Namespace,
    started: Mapping[str, tuple[Contender, dict[str, str]]],
    tasks: dict[str, list[Task]],
    accuracies: dict[str, dict[str, float]],
    idle: dict[str, float],
    peak: float,
) -> None:
    """Writes record, table and chart of the models that are done."""
    facts = environment(arguments.threads) | {"FMA peak [GFLOP/s]": round(peak / 1e9, 1)}
    for name, (_, versions) in started.items():
        if name != CONVLET:  # which environment() tells
            facts[name] = ", ".join(f"{key} {version}" for key, version in versions.items())
    record = {
        "environment": facts,
        "idle_cpu_share": idle,
        "accuracy": accuracies,
        "flops_per_image": {model: dense_flops(model)._asdict() for model in tasks},
        "tasks": {
            model: {
                task.title: {
                    name: {
                        "seconds": task.seconds[name],
                        "ratio": task.times_slower(name),
                        "roofline_share": task.roofline_share(name, peak),
                    }
                    for name in task.seconds
                }
                for task in timed
            }
            for model, timed in tasks.items()
        },
    }
    drawing = arguments.output / "compare.svg"
    tables = "".join(model_table(model, timed, peak) for model, timed in tasks.items())
    save(
        "compare",
        arguments.output,
        record,
        f"{LEGEND}\n![The same as a chart]({drawing.name})\n{tables}",
    )
    drawing.write_text(chart("Share of the dense roofline", panels(tasks, peak)), encoding="utf-8")


def names_of(table: dict[str, Any]) -> Callable[[str], list[str]]:
    """A command-line type: some of the table's names, with commas between."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        unknown = sorted(set(names) - set(table))
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown} not among {', '.join(table)}")
        return names

    return parse


def trainers(contenders: dict[str, Contender]) -> dict[str, Contender]:
    return {name: c for name, c in contenders.items() if name not in INFERENCE_ONLY}


def build(contenders: dict[str, Contender], model: str) -> dict[str, Contender]:
    """Makes the model in all; returns those that could. The inference engines need an export."""
    able = trainers(contenders)
    for contender in able.values():
        contender.ask("build", model=model)
    exporter = next((able[name] for name in EXPORTERS if name in able), None)
    missing = exporter.ask("export").get("missing") if exporter else "torch"
    for name in [name for name in contenders if name in INFERENCE_ONLY]:
        if missing:
            print(f"left out: {name}, for its model file needs {missing}", flush=True)
        else:
            contenders[name].ask("build", model=model)
            able[name] = contenders[name]
    return able


class Rows(NamedTuple):
    """Images of a model's data set."""

    train: int
    test: int


def rows_of(data: Path, model: str) -> Rows:
    directory = data / MODELS[model].data
    return Rows(*(len(np.load(directory / f"y_{part}.npy")) for part in ("train", "test")))


def check_answers(contenders: dict[str, Contender], model: Model) -> None:
    """Same predictions at first, and same losses: of ten steps where the optimizer is the same.

    PyTorch adds RMSprop's epsilon outside the root, Keras inside: only its first loss is compared.
    """
    probabilities: dict[str, Any] = {}
    lost: dict[str, dict[int, float]] = {}
    for name, contender in contenders.items():
        probabilities[name] = contender.ask("probabilities", rows=1000)["probabilities"]
    for name, contender in trainers(contenders).items() if not model.drops_out else ():
        lost[name] = {BATCH_SIZE: contender.ask("train", rows=BATCH_SIZE)["loss"]}
        if PEERS[name].package != "torch":
            lost[name][640] = contender.ask("train", rows=640)["loss"]
    tolerance = {BATCH_SIZE: 1e-5, 640: 1e-3 if model.normalizes else 1e-5}
    for name in contenders:
        if name == CONVLET:
            continue
        difference = float(np.abs(np.subtract(probabilities[name], probabilities[CONVLET])).max())
        check(difference <= 1e-5, f"{name} predicts the same (within {difference:.1e})")
        for rows, loss in lost.get(name, {}).items():
            relative = abs(loss / lost[CONVLET][rows] - 1)
            check(
                relative <= tolerance[rows],
                f"{name} has the same loss of {rows} rows ({relative:.1e})",
            )


def time_tasks(
    contenders: dict[str, Contender], model: str, effort: Effort, rows: Rows
) -> list[Task]:
    """Everything that is timed, after a warm-up of each."""
    epoch_rows = min(rows.train, effort.most_rows)
    training, all_of_them = list(trainers(contenders).values()), list(contenders.values())
    for contender in training:
        # Traces, compiles, allocates, reads the pages in; with a smaller last batch, as an epoch.
        contender.ask("train", rows=10 * BATCH_SIZE + epoch_rows % BATCH_SIZE)
    for contender in all_of_them:
        contender.ask("one_image", count=20)
    best = {name: best_batch_size(c, effort.batch_sizes) for name, c in contenders.items()}
    print(f"best for predict: {best}", flush=True)
    own = {name: {"batch_size": size} for name, size in best.items()}
    rounds = 2 * effort.repeats + 1
    epoch = interleave(training, effort.repeats, "epoch", rows=epoch_rows)
    predict = interleave(all_of_them, rounds, "predict", batch_size=BATCH_SIZE)
    predict_best = interleave(all_of_them, rounds, "predict", own)
    one_image = interleave(all_of_them, rounds, "one_image", count=300)
    flops = dense_flops(model)
    train_flops, test_flops = epoch_rows * flops.train, rows.test * flops.predict
    return [
        Task(f"training {epoch_rows:,} images [s]", 1.0, 2, train_flops, epoch),
        Task(f"predict {rows.test:,}, batch 64 [ms]", 1e-3, 1, test_flops, predict),
        Task(f"predict {rows.test:,}, best batch [ms]", 1e-3, 1, test_flops, predict_best),
        Task("one image [us]", 1e-6, 0, flops.predict, one_image),
    ]


def best_batch_size(contender: Contender, sizes: Sequence[int]) -> int:
    """The fastest of `sizes`, by the best of two runs each after one that is not counted."""

    def seconds(size: int) -> float:
        runs = [contender.ask("predict", batch_size=size)["seconds"] for _ in range(3)]
        return float(min(runs[1:]))

    return min(sizes, key=seconds)


def check_accuracy(contenders: dict[str, Contender], least: float) -> dict[str, float]:
    """What was timed did learn: test accuracy after the warm-up and all timed epochs."""
    accuracies = {}
    for name, contender in contenders.items():
        accuracies[name] = contender.ask("evaluate")["accuracy"]
        check(
            accuracies[name] >= least,
            f"{name} has a test accuracy of {accuracies[name]:.4f} (at least {least})",
        )
    return accuracies


def model_table(model: str, tasks: Sequence[Task], peak: float) -> str:
    flops = dense_flops(model)
    contenders = tasks[-1].seconds
    rows = [[name, *(task.text(name, peak) for task in tasks)] for name in contenders]
    cost = f"{flops.predict / 1e6:.2f} MFLOP to predict an image, {flops.train / 1e6:.2f} to train"
    table = markdown_table(["", *(task.title for task in tasks)], rows)
    return f"\n## {MODELS[model].title} (`{model}`)\n\nDense: {cost}.\n\n{table}"


def panels(tasks: dict[str, list[Task]], peak: float) -> list[list[Panel]]:
    """For each model training beside the fastest prediction."""
    return [
        [
            Panel(
                f"{MODELS[model].title}: {what}",
                [bar(task, name, peak) for name in task.seconds],
                mark=1.0,
                mark_text="dense roofline",
            )
            for what, task in (("training", timed[0]), ("prediction, best batch", timed[2]))
        ]
        for model, timed in tasks.items()
    ]


def bar(task: Task, name: str, peak: float) -> Bar:
    share = task.roofline_share(name, peak)
    if name == CONVLET:
        return Bar(name, share, f"{share:.0%}", strong=True)
    return Bar(name, share, f"{share:.0%} ({1 / task.times_slower(name):.2f}x)")


if __name__ == "__main__":
    main()
