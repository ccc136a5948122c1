"""Writing a file so that it is either whole or not there."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

# What a process that was killed while writing leaves behind matches this pattern.
PART_PATTERN = ".convlet-*.part"
# A temporary file that nobody has written to for so long belongs to such a process.
_ABANDONED_AFTER_SECONDS = 3600


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Opens a temporary file that takes the place of `path` when the block ends.

    The temporary file lies in the directory of `path`. When the block ends it is flushed to the
    disk and renamed, so a reader sees the old file or the new one, never a part. When the block
    raises, or the disk is full, the old file stays as it was and the temporary file is removed.
    One that a killed process has left there is removed by a later write.
    A symbolic link is followed: the file it points to is replaced.

    Args:
        path: Path of the file to write.

    Yields:
        A binary file, open for reading and writing.

    Raises:
        ValueError: If `path` exists and is not a regular file.
        OSError: If the file cannot be written; it names `path`.
    """
    target = Path(os.path.realpath(path))
    if target.exists() and not target.is_file():
        raise ValueError(f"Cannot write to {os.fspath(path)}: it is not a regular file.")
    remove_abandoned_parts(target.parent)
    temporary = target.with_name(PART_PATTERN.replace("*", secrets.token_hex(8)))
    try:
        with naming(path):
            part = _Part(temporary, os.fspath(path))
        with io.BufferedRandom(part) as file:
            yield file
            with naming(path):
                file.flush()
                os.fsync(file.fileno())
        with naming(path):
            temporary.replace(target)  # Windows wants the file closed first.
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    _sync_directory(target.parent)


def remove_abandoned_parts(directory: Path, older_than: float = _ABANDONED_AFTER_SECONDS) -> None:
    """Removes the temporary files that killed processes have left in `directory`.

    Args:
        directory: A directory, which need not exist.
        older_than: Seconds since they were written to.
    """
    for part in directory.glob(PART_PATTERN):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime >= older_than:
                part.unlink()


@contextlib.contextmanager
def naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Makes an OSError of the block name the file that the caller knows."""
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


class _Part(io.FileIO):
    """A new file whose errors name the one that it is to become.

    Args:
        path: Path of the new file.
        target: What its errors name.
    """

    def __init__(self, path: Path, target: str) -> None:
        super().__init__(path, "x+")
        self._target = target

    def write(self, data: Any) -> int:
        with naming(self._target):
            return super().write(data)


def _sync_directory(directory: Path) -> None:
    """Makes a rename in `directory` survive a power loss, where the system can.

    Some network file systems cannot sync a directory, and one that may be written to need not be
    readable; the file itself is safe by now.
    """
    if os.name != "posix":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
