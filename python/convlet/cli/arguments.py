"""What the commands have in common: options, and checks of their values."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_command(
    commands: Commands,
    name: str,
    run: Callable[[argparse.Namespace], None],
    *,
    help_: str,
    description: str,
    examples: str,
) -> argparse.ArgumentParser:
    """Adds a command.

    Args:
        commands: Where it is added.
        name: Its name.
        run: Called with the options.
        help_: What it does, in a few words, for the list of commands.
        description: What it does, in a sentence, for its own help.
        examples: Command lines, for its own help.

    Returns:
        The command's parser.
    """
    parser = commands.add_parser(
        name,
        help=help_,
        description=description,
        epilog="examples:\n" + "".join(f"  {line}\n" for line in examples.splitlines()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def add_threads(parser: argparse.ArgumentParser) -> None:
    """Adds `--threads`."""
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="threads to use (default: the CPUs this process may use)",
    )


def add_json(parser: argparse.ArgumentParser) -> None:
    """Adds `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON, for programs")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Adds the positional argument MODEL."""
    parser.add_argument("model", metavar="MODEL", help="a whole saved model (.keras, .h5)")


def _integer(text: str, low: int, high: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not an integer: {text!r}") from None
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{value} is not from {low} to {high}")
    return value


def positive(text: str) -> int:
    """Reads an integer above zero."""
    return _integer(text, 1, 2**31 - 1)


def seed(text: str) -> int:
    """Reads a seed."""
    return _integer(text, 0, 2**32 - 1)


def port(text: str) -> int:
    """Reads a TCP port; 0 stands for any free one."""
    return _integer(text, 0, 65_535)


def writable_path(text: str) -> Path:
    """Finds out before the work, not after it, that a file cannot be written."""
    path = Path(text).expanduser()
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"is a directory: {text!r}")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"no such directory: '{path.parent}'")
    if not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"cannot write to directory: '{path.parent}'")
    return path
