"""The command `convlet`: `convlet train mnist`, `convlet --help`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

_INTERRUPTED = 130  # what shells report for a process that Ctrl-C has ended: 128 + SIGINT

_EPILOG = """examples:
  convlet train mnist --save digits.keras
  convlet evaluate digits.keras mnist
  convlet predict digits.keras seven.png
  convlet demo
  convlet plot responses digits.keras seven.png

`convlet COMMAND --help` tells more. Exit codes: 0 good, 1 an error, 2 wrong arguments, 130 Ctrl-C.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: The command line without the name of the program; `None` for the process's own.

    Returns:
        The exit code: 0, 1 after an error, 130 after Ctrl-C. Wrong arguments end the process with
        exit code 2, as usual with argparse.
    """
    try:
        parser = make_parser()
        options = parser.parse_args(arguments)
        _set_num_threads(parser, getattr(options, "threads", None))
        options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return _ended(_INTERRUPTED)
    except BrokenPipeError:
        # The reader (`| head`) has had enough. What is still in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError, MemoryError, ImportError) as error:
        print(f"convlet: error: {str(error) or type(error).__name__}", file=sys.stderr)
        return _ended(1)
    return 0


def _ended(code: int) -> int:
    """Ends the other processes too, if this is one of several; else returns the exit code."""
    from convlet.distribution.data_parallel import end_all

    sys.stderr.flush()
    end_all(code)
    return code


def make_parser() -> argparse.ArgumentParser:
    """Returns the parser of the whole command line; each command has set its `run`."""
    from convlet import __version__
    from convlet.cli import (
        bench,
        completion,
        data,
        demo,
        evaluate,
        info,
        plot,
        predict,
        summary,
        train,
    )

    parser = argparse.ArgumentParser(
        prog="convlet",
        description="Train convolutional networks on the CPU and use them.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"convlet {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for command in (
        *(train, evaluate, predict, summary, plot, demo),
        *(data, bench, info, completion),
    ):
        command.register(commands)
    return parser


def _set_num_threads(parser: argparse.ArgumentParser, threads: int | None) -> None:
    import convlet

    if threads is not None:
        try:
            convlet.set_num_threads(threads)
        except ValueError as error:
            parser.error(f"argument --threads: {error}")
