"""`convlet predict MODEL IMAGE...`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

import numpy as np

from convlet.cli.arguments import add_command, add_json, add_model, add_threads

if TYPE_CHECKING:
    from convlet.cli.arguments import Commands


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "predict",
        run,
        help_="classify pictures of digits",
        description="Classify pictures of one digit each, of any size, dark on light or light on "
        "dark: they are made grey, cropped, scaled and centred as MNIST's digits were. "
        "Needs Pillow: pip install 'convlet[image]'.",
        examples="convlet predict digits.keras seven.png\n"
        "convlet predict digits.keras *.png --json",
    )
    add_model(parser)
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="a picture (PNG, JPEG, ...)")
    add_threads(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Prints the class and the probabilities of each picture."""
    from convlet.cli.classifier import as_inputs, load_classifier
    from convlet.digits import read_digit

    model = load_classifier(options.model)
    digits = np.stack([read_digit(path) for path in options.images])
    probabilities = np.asarray(model.predict(as_inputs(model, digits), verbose=0))
    if options.json:
        results = [
            {"image": path, "class": int(row.argmax()), "probabilities": row.tolist()}
            for path, row in zip(options.images, probabilities, strict=True)
        ]
        print(json.dumps(results))
        return
    for path, row in zip(options.images, probabilities, strict=True):
        print(f"{path}: {row.argmax()} ({row.max():.1%})")
        print("  " + "  ".join(f"{number}: {share:.1%}" for number, share in enumerate(row)))
