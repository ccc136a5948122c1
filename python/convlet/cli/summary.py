"""`convlet summary MODEL`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from convlet.cli.arguments import add_command, add_json, add_model

if TYPE_CHECKING:
    from convlet.cli.arguments import Commands
    from convlet.model import Model


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "summary",
        run,
        help_="print a model's layers and parameters",
        description="Print the layers of a saved model, their output shapes and parameters.",
        examples="convlet summary digits.keras\nconvlet summary digits.keras --json",
    )
    add_model(parser)
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Prints the table, or the same as JSON."""
    from convlet.models import load_model

    model = load_model(options.model, compile=False)
    if options.json:
        print(json.dumps(_figures(model)))
    else:
        model.summary()


def _figures(model: Model) -> dict[str, Any]:
    layers = [
        {
            "name": layer.name,
            "type": type(layer).__name__,
            "output_shape": model.layer_output_shape(index),
            "parameters": layer.count_params(),
        }
        for index, layer in enumerate(model.layers)
    ]
    return {"name": model.name, "parameters": model.count_params(), "layers": layers}
