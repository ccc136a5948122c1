"""What the standard output can show."""

from __future__ import annotations

import io
import sys


def can_encode(text: str) -> bool:
    """Tells whether the encoding of the standard output has all characters of a text."""
    try:
        text.encode(_encoding())
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def is_live() -> bool:
    """Tells whether a line already written to the standard output can be written again.

    That is so in a terminal and in a Jupyter cell, and not in a file or a pipe.
    """
    stream = sys.stdout
    if type(stream).__module__.startswith("ipykernel."):
        return True
    return bool(getattr(stream, "isatty", lambda: False)())


def write(text: str) -> None:
    """Writes a text to the standard output at once, with `?` for what its encoding lacks."""
    if sys.stdout is None:  # pythonw and some services have none
        return
    if not can_encode(text):
        encoding = _encoding()
        text = text.encode(encoding, "replace").decode(encoding)
    sys.stdout.write(text)
    sys.stdout.flush()


def _encoding() -> str:
    # A StringIO holds any text, and names no encoding.
    default = "utf-8" if isinstance(sys.stdout, io.StringIO) else "ascii"
    return getattr(sys.stdout, "encoding", None) or default
