"""Writing a file so that it is either whole or not there."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

# What a process that was killed while writing leaves behind matches this pattern.
PART_PATTERN = ".convlet-*.part"


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Opens a temporary file that takes the place of `path` when the block ends.

    The temporary file lies in the directory of `path`. When the block ends it is flushed to the
    disk and renamed, so a reader sees the old file or the new one, never a part. When the block
    raises, or the disk is full, the old file stays as it was and the temporary file is removed.
    A symbolic link is followed: the file it points to is replaced.

    Args:
        path: Path of the file to write.

    Yields:
        A binary file, open for reading and writing.

    Raises:
        ValueError: If `path` exists and is not a regular file.
        OSError: If the file cannot be written.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise ValueError(f"Cannot write to {os.fspath(path)}: it is not a regular file.")
    temporary = target.with_name(PART_PATTERN.replace("*", secrets.token_hex(8)))
    file = temporary.open("x+b")
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)  # Windows wants the file closed first.
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_directory(target.parent)


def _sync_directory(directory: Path) -> None:
    """Makes a rename in `directory` survive a power loss, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        # Some network file systems cannot sync a directory; the file itself is safe by now.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
