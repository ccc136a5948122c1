"""`convlet completion SHELL`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from convlet.cli.arguments import add_command

if TYPE_CHECKING:
    from convlet.cli.arguments import Commands

_PATHS = ("CSV", "IMAGE", "MODEL", "PATH")
_SHELLS = ("bash", "zsh", "tcsh")


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "completion",
        run,
        help_="print what makes a shell complete this command",
        description="Print a script that makes a shell complete commands, options and data sets. "
        "Needs shtab: pip install 'convlet[completion]'.",
        examples='eval "$(convlet completion bash)"   # in ~/.bashrc\n'
        "convlet completion zsh > ~/.zfunc/_convlet",
    )
    parser.add_argument("shell", choices=_SHELLS, help="the shell")


def run(options: argparse.Namespace) -> None:
    """Prints the script."""
    from convlet.cli import make_parser

    try:
        import shtab
    except ImportError as error:
        raise ImportError(
            "`convlet completion` needs shtab: pip install 'convlet[completion]'"
        ) from error
    parser = make_parser()
    _complete_files(parser, shtab.FILE)
    print(shtab.complete(parser, options.shell))


def _complete_files(parser: argparse.ArgumentParser, how: object) -> None:
    """Marks the arguments that are paths, in all commands."""
    for action in parser._actions:
        if action.metavar in _PATHS:
            action.complete = how  # type: ignore[attr-defined]
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_files(command, how)
