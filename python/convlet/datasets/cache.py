"""The directory in which downloaded data sets are kept, and the lock on it."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_LOGGER = logging.getLogger(__name__)

_POLL_SECONDS = 0.1


def cache_directory() -> Path:
    """Returns convlet's cache directory, which need not exist.

    It is `$CONVLET_HOME`, else `$XDG_CACHE_HOME/convlet`, else (on Windows)
    `%LOCALAPPDATA%\\convlet`, else `~/.cache/convlet`.

    Raises:
        OSError: If none of the variables is set and there is no home directory.
    """
    if home := os.environ.get("CONVLET_HOME"):
        return Path(home).expanduser().absolute()
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification: relative paths in these variables are ignored.
    if xdg.is_absolute():
        return xdg / "convlet"
    local = os.environ.get("LOCALAPPDATA") if sys.platform == "win32" else None
    if local:
        return Path(local) / "convlet"
    return home_directory() / ".cache" / "convlet"


def home_directory() -> Path:
    """Returns the user's home directory; an OSError if the system knows none."""
    try:
        return Path.home()
    except RuntimeError as error:
        raise OSError(f"No home directory ({error}); set CONVLET_HOME.") from error


@contextlib.contextmanager
def process_lock(path: Path, timeout: float) -> Iterator[None]:
    """Keeps other processes out of the block.

    The operating system holds the lock and drops it when the process ends, however it ends, so
    a lock file that a killed process has left behind locks nobody out. The lock only saves work
    (two processes that download at once would both end with a whole file), so after `timeout`
    seconds, or on a file system without locks, the block is entered without it.

    Args:
        path: Path of the lock file, created if missing.
        timeout: Seconds to wait for another process.

    Raises:
        OSError: If the lock file cannot be created.
    """
    # Closing the file gives the lock back.
    with path.open("ab") as file:
        _acquire(file, path, timeout)
        yield


def _acquire(file: BinaryIO, path: Path, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    announced = False
    while not _try_lock(file):
        if not announced:
            _LOGGER.warning("Waiting for another process that holds %s.", path)
            announced = True
        if time.monotonic() > deadline:
            _LOGGER.warning("Not waiting any longer for %s.", path)
            return
        time.sleep(_POLL_SECONDS)


if sys.platform == "win32":
    import msvcrt

    def _try_lock(file: BinaryIO) -> bool:
        """Locks the file's first byte; returns False if another process holds it."""
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try_lock(file: BinaryIO) -> bool:
        """Locks the file; returns False if another process holds it."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            _LOGGER.debug("This file system has no locks; going on without.", exc_info=True)
        return True
