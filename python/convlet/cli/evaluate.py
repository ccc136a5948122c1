"""`convlet evaluate MODEL DATASET`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from convlet.cli.arguments import add_command, add_json, add_model, add_threads, positive
from convlet.cli.data import DATASETS

if TYPE_CHECKING:
    from convlet.cli.arguments import Commands


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "evaluate",
        run,
        help_="print a model's loss and accuracy on a test set",
        description="Print the cross-entropy and the accuracy of a saved classifier on a test set.",
        examples="convlet evaluate digits.keras mnist\nconvlet evaluate digits.keras mnist --json",
    )
    add_model(parser)
    parser.add_argument("dataset", choices=list(DATASETS), help="what to evaluate on")
    parser.add_argument("--data", metavar="PATH", help="where the data set is (default: search)")
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=128,
        metavar="N",
        help="images per step (default: %(default)s)",
    )
    add_threads(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Evaluates the model and prints the figures."""
    from convlet.cli.classifier import as_inputs, load_classifier
    from convlet.cli.data import load

    model = load_classifier(options.model)
    _, (images, labels) = load(options.dataset, options.data)
    model.compile(loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    result = model.evaluate(
        as_inputs(model, images),
        labels.reshape(-1),
        batch_size=options.batch_size,
        verbose=0,
        return_dict=True,
    )
    assert isinstance(result, dict)  # that is what return_dict asks for
    if options.json:
        figures = {"images": len(images), "loss": result["loss"], "accuracy": result["accuracy"]}
        print(json.dumps(figures))
        return
    print(f"Test loss: {result['loss']:.4f}")
    print(f"Test accuracy: {result['accuracy']:.2%}")
