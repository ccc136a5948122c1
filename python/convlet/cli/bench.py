"""`convlet bench`."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from convlet.cli.arguments import add_command, add_json, add_threads, positive

if TYPE_CHECKING:
    from convlet.cli.arguments import Commands

_ROWS = 6400  # of a round of training
_BATCH = 64
_SINGLE = 200  # predictions of one image in a round


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "bench",
        run,
        help_="measure how fast this machine trains and predicts",
        description="Train the notebook's ConvNet on digits for a few seconds and predict with it, "
        "and print images a second: the median of the rounds and their range. With MNIST on this "
        "machine, else with random images, which train more slowly.",
        examples="convlet bench\nconvlet bench --threads 1 --repeats 9 --json",
    )
    parser.add_argument(
        "--repeats",
        type=positive,
        default=5,
        metavar="N",
        help="rounds that count, after one that does not (default: %(default)s)",
    )
    add_threads(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Measures and prints."""
    import convlet
    from convlet._native import core

    data, images, labels = _digits()
    seconds = _measure(images, labels, options.repeats)
    figures: dict[str, Any] = {
        "data": data,
        "threads": convlet.get_num_threads(),
        "instruction_set": core.ISA,
        "training_images_per_second": [_ROWS / each for each in seconds["training"]],
        "prediction_images_per_second": [_ROWS / each for each in seconds["prediction"]],
        "one_image_microseconds": [each / _SINGLE * 1e6 for each in seconds["one image"]],
    }
    if options.json:
        print(json.dumps(figures))
        return
    print(f"{figures['instruction_set']}, {figures['threads']} threads, {data}")
    for text, key in (
        ("training, batches of 64", "training_images_per_second"),
        ("prediction, batches of 64", "prediction_images_per_second"),
    ):
        print(f"{text}: {_range(figures[key])} images a second")
    print(f"prediction of one image: {_range(figures['one_image_microseconds'])} us")


def _digits() -> tuple[str, Any, Any]:
    """Returns what the images are, the images and their classes."""
    from convlet.datasets import mnist

    try:
        (x, y), _ = mnist.load_data(download=False)
        return "MNIST", x[:_ROWS, ..., None], y[:_ROWS]
    except (OSError, ValueError):
        generator = np.random.default_rng(0)
        x = generator.integers(256, size=(_ROWS, 28, 28, 1), dtype=np.uint8)
        return "random images", x, generator.integers(10, size=_ROWS)


def _measure(x: Any, y: Any, repeats: int) -> dict[str, list[float]]:
    """Seconds of each round of each work, in turn."""
    from convlet.cli.digit_convnet import digit_convnet

    model = digit_convnet()
    model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy")

    def predict_single() -> None:
        for row in range(_SINGLE):
            model.predict_on_batch(x[row : row + 1])

    works: dict[str, Callable[[], Any]] = {
        "training": lambda: model.fit(x, y, batch_size=_BATCH, verbose=0),
        "prediction": lambda: [
            model.predict_on_batch(x[first : first + _BATCH]) for first in range(0, _ROWS, _BATCH)
        ],
        "one image": predict_single,
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(repeats + 1):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            if number:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def _range(values: list[float]) -> str:
    return f"{statistics.median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"
