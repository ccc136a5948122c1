"""Writes the figures of README.md and docs/benchmarks.md, between two comments, and their chart.

    python bench/report.py

They come from results/. A test fails while one is not what this script would write.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

from _chart import Bar, Panel, chart

BENCH = Path(__file__).resolve().parent
README, CHART = BENCH.parent / "README.md", BENCH / "results" / "training.svg"
PAGE = BENCH.parent / "docs" / "benchmarks.md"
BEGIN, END = "<!-- benchmark table: begin -->\n", "<!-- benchmark table: end -->\n"

TITLES = {
    "mnist_convnet": "the notebook's ConvNet",
    "lenet5": "LeNet-5",
    "mlp": "MLP 784-512-512-10",
    "cifar_convnet": "ConvNet for 32x32x3 images",
    "vgg_like": "VGG-like net with BatchNormalization",
}
KERAS = {"Keras on TensorFlow": ["keras-tensorflow"], "on torch": ["keras-torch"]}
PEERS = {
    **KERAS,
    "on JAX": ["keras-jax"],
    "PyTorch, its best": ["pytorch", "pytorch-channels_last", "pytorch-compile"],
}
ENGINES = {"ONNX Runtime": ["onnxruntime"], "OpenVINO": ["openvino"]}


def main() -> None:
    for path, figures in ((README, summary()), (PAGE, all_figures())):
        path.write_text(updated(path.read_text(encoding="utf-8"), figures), encoding="utf-8")
    CHART.write_text(training_chart(), encoding="utf-8")


def updated(text: str, figures: str) -> str:
    """A page's text with the present figures."""
    before, rest = text.split(BEGIN)
    return before + BEGIN + figures + END + rest.split(END)[1]


def summary() -> str:
    """The figures of README.md."""
    tasks, facts = measured_tasks()
    seed = task(tasks["mnist_convnet"], "training")
    return f"""\
![Training: the share of the dense roofline that convlet and its peers reach](bench/results/training.svg)

An epoch of the notebook's ConvNet, 60,000 images, takes convlet **{median(seed["convlet"]):.2f} s** and Keras on TensorFlow
{median(seed["keras-tensorflow"]):.2f} s, on {facts["cpus"]} cores of an {facts["cpu"]} ({facts["convlet isa"]}). How many times as long as
convlet each peer takes to train:

{table(PEERS, tasks, "training", None)}
The dense roofline of the chart is the time that a model's products take at the machine's peak of fused multiply-adds.
Who does not multiply by zeros may be above 100 %.

{sentences()}"""


def all_figures() -> str:
    """The figures of docs/benchmarks.md."""
    tasks, facts = measured_tasks()
    return f"""\
![Training: the share of the dense roofline that convlet and its peers reach](../bench/results/training.svg)

All contenders took turns in one run, with {facts["threads"]} threads each on {facts["cpus"]} cores of an
{facts["cpu"]} ({facts["convlet isa"]}).

## Training

How many times as long as convlet each peer takes, batch 64:

{table(PEERS, tasks, "training", "share of the dense roofline")}
The dense roofline is the time that a model's products take at the {facts["FMA peak [GFLOP/s]"]:.0f} GFLOP/s of fused
multiply-adds that the machine was measured to do in that run. Who does not multiply by zeros may be above 100 %.

## Prediction

64 images at once:

{table({**PEERS, **ENGINES}, tasks, "predict", None)}
One image:

{table({**PEERS, **ENGINES}, tasks, "one image", "convlet")}
Below 1.0x the peer is faster.

## Without AVX-512

{without_avx512()}
## To an accuracy, memory, import

{sentences()}
## What determinism costs

An epoch of 6,400 images with `enable_op_determinism()` and without, the median of the ratios: {determinism()}.
"""


def measured_tasks() -> tuple[dict[str, Any], dict[str, Any]]:
    """All models' tasks, and the facts about the first run."""
    runs = [result("compare"), result("others/compare")]
    tasks = {model: of_one for run in runs for model, of_one in run["tasks"].items()}
    return {model: tasks[model] for model in TITLES}, runs[0]["environment"]


def training_chart() -> str:
    """A panel for each model."""
    panels = []
    for model, of_one in measured_tasks()[0].items():
        bars = [
            Bar(name, each["roofline_share"], f"{each['roofline_share']:.0%}", name == "convlet")
            for name, each in task(of_one, "training").items()
        ]
        title = f"{TITLES[model][0].upper()}{TITLES[model][1:]}"
        panels.append(Panel(title, bars, mark=1.0, mark_text="dense roofline"))
    pairs = [panels[i : i + 2] for i in range(0, len(panels), 2)]
    return chart("Training: share of the dense roofline", pairs)


def table(peers: dict[str, list[str]], tasks: dict[str, Any], start: str, last: str | None) -> str:
    """A row for each model, a column for each peer: the ratio of the fastest of its variants."""
    lines = [["", *peers, *([last] if last else [])]]
    lines.append(["---", *["---:"] * (len(lines[0]) - 1)])
    for model, title in TITLES.items():
        if model not in tasks:
            continue
        measured = task(tasks[model], start)
        cells = [fastest(measured, names) for names in peers.values()]
        if last == "convlet":
            cells.append(f"{1e6 * median(measured['convlet']):,.0f} us")
        elif last:
            cells.append(f"{measured['convlet']['roofline_share']:.0%}")
        lines.append([title, *cells])
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def task(of_model: dict[str, Any], start: str) -> dict[str, Any]:
    """The first task whose title starts so."""
    return next(of_one for title, of_one in of_model.items() if title.startswith(start))


def median(measured: dict[str, Any]) -> float:
    return statistics.median(measured["seconds"])


def fastest(measured: dict[str, Any], names: list[str]) -> str:
    ratios = [measured[name]["ratio"] for name in names if name in measured]
    return f"{min(ratios):.1f}x" if ratios else ""


def sentences() -> str:
    """The benchmarks that give one figure each."""
    sooner, memory = result("time_to_accuracy"), result("memory")["runs"]
    reached = {
        name: statistics.median(run["reached"] for run in runs)
        for name, runs in sooner["runs"].items()
    }
    accuracy, rounded = (result(f"accuracy{kind}") for kind in ("", "_mixed_bfloat16"))
    added = result("import_time")["seconds"]
    plain, both = (statistics.median(seconds) for seconds in added.values())
    return f"""\
From the start of the process, imports included, to {sooner["target"]:.0%} test accuracy on MNIST:
{reached["convlet"]:.1f} s, Keras on TensorFlow {reached["keras-tensorflow"]:.0f} s (**{sooner["ratio"]:.1f}x**, median of \
{len(sooner["runs"]["convlet"])} seeds).
After five epochs the mean test accuracy of {len(accuracy["accuracies"])} seeds is {accuracy["mean"]:.2%}, under `mixed_bfloat16`
{rounded["mean"]:.2%}. Training on MNIST as it comes (uint8) takes {max(run["trained"] for run in memory):.0f} MB of memory at
most; `import convlet` adds {1e3 * (both - plain):.1f} ms to `import numpy`.
"""


def without_avx512() -> str:
    """What was measured on a CPU that has no AVX-512."""
    runs = [result("avx2/compare"), result("avx2/small/compare")]
    facts = runs[0]["environment"]
    tasks = {model: of_one for run in runs for model, of_one in run["tasks"].items()}
    there = {name for model in tasks.values() for name in task(model, "training")}
    peers = {title: names for title, names in PEERS.items() if there.intersection(names)}
    ratios = table(peers, tasks, "training", "share of the dense roofline")
    return f"""\
Training on {facts["cpus"]} cores of an {facts["cpu"]} ({facts["convlet isa"]}), whose peak was {facts["FMA peak [GFLOP/s]"]:.0f} GFLOP/s:

{ratios}"""


def determinism() -> str:
    """How many times as long a deterministic epoch takes, model by model."""
    ratios = {
        model: statistics.median(b / a for a, b in zip(*runs.values(), strict=True))
        for model, runs in result("determinism")["seconds"].items()
    }
    return ", ".join(f"{TITLES[model]} {ratio:.2f}x" for model, ratio in ratios.items())


def result(name: str) -> Any:
    return json.loads((BENCH / "results" / f"{name}.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
