"""`convlet info`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from convlet.cli.arguments import add_command, add_json

if TYPE_CHECKING:
    from convlet.cli.arguments import Commands


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "info",
        run,
        help_="print the instruction set, threads and versions in use",
        description="Print the instruction set, threads, build and versions in use: the first "
        "thing to put into a bug report.",
        examples="convlet info\nconvlet info --json",
    )
    add_json(parser)


def run(options: argparse.Namespace) -> None:
    """Prints what `convlet.show_config` tells."""
    from convlet import show_config

    if options.json:
        print(json.dumps(show_config(mode="dict")))
    else:
        show_config()
