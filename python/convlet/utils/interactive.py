"""Whether messages and progress bars are for people who watch."""

from __future__ import annotations

import logging

from convlet.utils.terminal import write

_LOGGER = logging.getLogger("convlet")


class _Setting:
    interactive = True


def enable_interactive_logging() -> None:
    """Shows progress bars and messages on the standard output: how it is at the start."""
    _Setting.interactive = True


def disable_interactive_logging() -> None:
    """Shows no progress bars; messages go to the logger `convlet`."""
    _Setting.interactive = False


def is_interactive_logging_enabled() -> bool:
    """Tells whether progress bars and messages are shown on the standard output."""
    return _Setting.interactive


def print_message(message: str) -> None:
    """Prints a line, or logs it."""
    if _Setting.interactive:
        write(f"{message}\n")
    else:
        _LOGGER.info(message.strip())
