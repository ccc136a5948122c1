"""Faults of a file system, made on purpose."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def full_disk(free: int = 0) -> Iterator[None]:
    """No file becomes larger than this: the limit on a file's size stands for a full disk."""
    resource = pytest.importorskip("resource", reason="Windows has no limits")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, before[1]))  # Python ignores SIGXFSZ
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def failing(function: str, number: int) -> Iterator[None]:
    """A function always raises the OSError of this number."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(function, fail)
        yield


@contextlib.contextmanager
def read_only(directory: Path) -> Iterator[None]:
    """Nothing can be made in a directory."""
    if sys.platform != "win32" and os.geteuid() != 0:
        directory.chmod(0o555)
        try:
            yield
        finally:
            directory.chmod(0o755)
    else:  # permissions do not stop root; see also the test that mounts a file system
        with failing("convlet._atomic_write._Part.__init__", errno.EROFS):
            yield


def contents(directory: Path) -> dict[str, bytes]:
    """Returns name and content of the files in a directory and below."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }
