"""`convlet plot KIND`: pictures of saved models and trainings."""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convlet.cli.arguments import add_command, add_model, writable_path
from convlet.cli.data import DATASETS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from convlet.cli.arguments import Commands

_SUFFIXES = (".png", ".svg", ".pdf")


def register(commands: Commands) -> None:
    """Adds the command, and one below it for each kind of picture."""
    parser = add_command(
        commands,
        "plot",
        _print_nothing,
        help_="draw a model, its filters, response maps, mistakes, or a training",
        description="Draw a picture of a saved model or of a training into a file. "
        "Needs matplotlib: pip install 'convlet[plot]'.",
        examples="convlet plot model digits.keras -o model.svg\n"
        "convlet plot responses digits.keras seven.png\n"
        "convlet plot confusion digits.keras mnist\n"
        "convlet plot history training.csv",
    )
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="kind")
    _add_model_kind(kinds, "model", _model, "the layers, their shapes and parameters")
    filters = _add_model_kind(kinds, "filters", _filters, "the kernels of a convolution")
    filters.add_argument(
        "--layer", metavar="NAME", help="name of the layer (default: the first convolution)"
    )
    responses = _add_model_kind(
        kinds, "responses", _responses, "the response map of every filter to a picture of a digit"
    )
    responses.add_argument("image", metavar="IMAGE", help="a picture (PNG, JPEG, ...)")
    for kind, draw, text in (
        ("confusion", _confusion, "which classes of a test set are taken for which"),
        ("mistakes", _mistakes, "the images of a test set that it is surest of and gets wrong"),
    ):
        of_data = _add_model_kind(kinds, kind, draw, text)
        of_data.add_argument("dataset", choices=list(DATASETS), help="whose test set")
        of_data.add_argument("--data", metavar="PATH", help="where it is (default: search)")
    history = _add_kind(kinds, "history", _history, "loss and metrics over the epochs")
    history.add_argument(
        "log", metavar="CSV", help="what `convlet.callbacks.CSVLogger` has written"
    )


def _add_model_kind(
    kinds: Commands, name: str, draw: Callable[[argparse.Namespace], Figure], text: str
) -> argparse.ArgumentParser:
    parser = _add_kind(kinds, name, draw, text)
    add_model(parser)
    return parser


def _add_kind(
    kinds: Commands, name: str, draw: Callable[[argparse.Namespace], Figure], text: str
) -> argparse.ArgumentParser:
    parser = kinds.add_parser(name, help=text, description=f"Draw {text}.")
    parser.add_argument(
        "-o",
        "--output",
        type=_picture_path,
        default=_picture_path(f"{name}.png"),
        metavar="PATH",
        help=f"the file to write: {', '.join(_SUFFIXES)} (default: %(default)s)",
    )
    parser.set_defaults(run=lambda options: _write(draw(options), options.output))
    return parser


def _print_nothing(options: argparse.Namespace) -> None:
    """Never called: a kind is required, and has its own `run`."""


def _picture_path(text: str) -> Path:
    if not text.endswith(_SUFFIXES):
        raise argparse.ArgumentTypeError(
            f"The filename must end in {', '.join(_SUFFIXES)}, got {text!r}"
        )
    return writable_path(text)


def _write(figure: Figure, path: Path) -> None:
    from convlet.viz.figures import write_figure

    write_figure(figure, path)
    print(f"Picture written to {path}")


def _model(options: argparse.Namespace) -> Figure:
    from convlet.models import load_model
    from convlet.viz import plot_model

    return plot_model(load_model(options.model, compile=False), show_layer_activations=True)


def _filters(options: argparse.Namespace) -> Figure:
    from convlet.layers import Conv2D
    from convlet.models import load_model
    from convlet.viz import plot_filters

    model = load_model(options.model, compile=False)
    if options.layer is not None:
        return plot_filters(model.get_layer(options.layer))
    layer = next((layer for layer in model.layers if isinstance(layer, Conv2D)), None)
    if layer is None:
        raise ValueError(f"{options.model}: has no Conv2D layer; --layer names another one")
    return plot_filters(layer)


def _responses(options: argparse.Namespace) -> Figure:
    from convlet.cli.classifier import as_inputs, load_classifier
    from convlet.digits import read_digit
    from convlet.viz import plot_response_maps

    model = load_classifier(options.model)
    return plot_response_maps(model, as_inputs(model, read_digit(options.image)[None])[0])


def _confusion(options: argparse.Namespace) -> Figure:
    from convlet.viz import plot_confusion_matrix

    model, x, y = _test_set(options)
    return plot_confusion_matrix(y, model.predict(x, verbose=0))


def _mistakes(options: argparse.Namespace) -> Figure:
    from convlet.viz import plot_mistakes

    return plot_mistakes(*_test_set(options))


def _test_set(options: argparse.Namespace) -> tuple[Any, Any, Any]:
    """Returns the model, and the images as it takes them with their classes."""
    from convlet.cli.classifier import as_inputs, load_classifier
    from convlet.cli.data import load

    model = load_classifier(options.model)
    _, (images, labels) = load(options.dataset, options.data)
    return model, as_inputs(model, images), labels.reshape(-1)


def _history(options: argparse.Namespace) -> Figure:
    from convlet.viz import plot_history

    return plot_history(_read_history(options.log))


def _read_history(path: str) -> dict[str, list[float]]:
    """Reads what `CSVLogger` has written, but for the number of the epoch.

    Raises:
        OSError: If the file cannot be read.
        ValueError: If it is something else.
    """
    with Path(path).open(newline="", encoding="utf-8") as file:
        names, *rows = list(csv.reader(file)) or [[]]
    try:
        columns = np.array(rows, np.float64).reshape(len(rows), len(names))
    except ValueError:
        columns = np.empty((0, 0))
    if "loss" not in names or not columns.size:
        raise ValueError(f"{path}: not a log of `convlet.callbacks.CSVLogger`.")
    return {
        name: column.tolist()
        for name, column in zip(names, columns.T, strict=True)
        if name != "epoch"
    }
