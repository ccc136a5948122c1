"""What CIFAR-10 and CIFAR-100 have in common: the archive, where it is looked for, its records.

Both are taken from their "binary version": files of records, each one or two label bytes and the
red, green and blue plane of an image, 1024 bytes each (https://www.cs.toronto.edu/~kriz/cifar.html).
The "python version" is pickled, and unpickling can run any code.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convlet._atomic_write import atomic_write
from convlet.datasets.cache import cache_directory, process_lock
from convlet.datasets.errors import DownloadError
from convlet.datasets.image_dataset import ImageArray, LoadedData
from convlet.datasets.loader import LOCK_TIMEOUT, is_offline
from convlet.datasets.mirrors import CappedBytesIO, Patience, fetch, with_patience

_LOGGER = logging.getLogger(__name__)

_IMAGE_BYTES = 3 * 32 * 32


@dataclass(frozen=True)
class CifarArchive:
    """One of the two archives.

    Args:
        name: Name of its folder in the cache.
        title: Name for people to read.
        file_name: Name of the archive.
        size: Its length in bytes.
        sha256: Its SHA-256, in hexadecimal.
        folder: Folder inside of it.
        train_files: Names of the files with training records.
        test_files: Names of the files with test records.
        rows_per_file: Number of records in one of the training files.
        test_rows: Number of records in one of the test files.
        label_classes: Number of classes of each label byte of a record.
        mirrors: URLs of folders that hold the archive, best first.
    """

    name: str
    title: str
    file_name: str
    size: int
    sha256: str
    folder: str
    train_files: tuple[str, ...]
    test_files: tuple[str, ...]
    rows_per_file: int
    test_rows: int
    label_classes: tuple[int, ...]
    mirrors: tuple[str, ...]


def load(
    archive: CifarArchive,
    path: str | os.PathLike[str] | None,
    label: int,
    *,
    download: bool,
    patience: Patience = Patience(),  # noqa: B008 (frozen)
) -> LoadedData:
    """Loads a data set from the first of the places where its archive can be.

    Args:
        archive: Description of the archive.
        path: The archive, or a directory that holds it; `None` for `CONVLET_DATA_DIR`, then
            convlet's cache, then the mirrors.
        label: Which label byte of a record to return.
        download: Whether the network may be used. `CONVLET_OFFLINE=1` forbids it as well.
        patience: Timeouts and attempts for the mirrors.

    Returns:
        `(x_train, y_train), (x_test, y_test)`, uint8; labels have the shape (n, 1).

    Raises:
        FileNotFoundError: If the archive is not there and the network may not be used.
        ValueError: If the archive in the place that was asked for is broken or another one.
        DownloadError: If it could not be downloaded.
    """
    explicit = path if path is not None else os.environ.get("CONVLET_DATA_DIR") or None
    if explicit is not None:
        return _read(
            archive, _file_content(archive, _find(archive, Path(explicit).expanduser())), label
        )
    content = _from_cache(archive)
    if content is None:
        if not download or is_offline():
            raise FileNotFoundError(
                f"{archive.title} is not on this machine, and the network may not be used "
                f"(CONVLET_OFFLINE, or download=False). {_instructions(archive)}"
            )
        content = _download_into_cache(archive, patience)
    return _read(archive, content, label)


def locate(archive: CifarArchive) -> Path | None:
    """Returns the archive on this machine that `load` reads, `None` if there is none."""
    explicit = os.environ.get("CONVLET_DATA_DIR")
    if explicit:
        return _find(archive, Path(explicit).expanduser())
    with contextlib.suppress(OSError):
        path = _cached_file(archive)
        if path.is_file():
            return path
    return None


def _find(archive: CifarArchive, path: Path) -> Path:
    """Returns the path of the archive: the given one, or one in the given directory."""
    if path.is_file():
        return path
    for candidate in (path / archive.name / archive.file_name, path / archive.file_name):
        if candidate.is_file():
            return candidate
    raise FileNotFoundError(
        f"{archive.title} was looked for in {path}, which is not, and does not hold, "
        f"{archive.file_name}."
    )


def _file_content(archive: CifarArchive, path: Path) -> bytes:
    size = path.stat().st_size
    if size != archive.size:
        raise ValueError(
            f"{path}: not the {archive.file_name} of {archive.title}: it has {size} bytes, "
            f"expected {archive.size}."
        )
    return _checked(archive, path.read_bytes(), path)


def _checked(archive: CifarArchive, content: bytes, source: object) -> bytes:
    digest = hashlib.sha256(content).hexdigest()
    if digest != archive.sha256:
        raise ValueError(
            f"{source}: not the {archive.file_name} of {archive.title}: its SHA-256 is {digest}, "
            f"expected {archive.sha256}."
        )
    return content


def _cached_file(archive: CifarArchive) -> Path:
    return cache_directory() / "datasets" / archive.name / archive.file_name


def _from_cache(archive: CifarArchive) -> bytes | None:
    """Returns the archive in the cache; `None` if there is none or it is broken."""
    with contextlib.suppress(OSError):
        path = _cached_file(archive)
        try:
            return _file_content(archive, path)
        except ValueError as error:
            _LOGGER.warning("Ignoring a broken copy of %s: %s", archive.title, error)
    return None


def _download_into_cache(archive: CifarArchive, patience: Patience) -> bytes:
    """Downloads the archive and keeps it, one process at a time."""
    with contextlib.ExitStack() as stack:
        try:
            path = _cached_file(archive)
            path.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(process_lock(path.parent.with_suffix(".lock"), LOCK_TIMEOUT))
        except OSError as error:
            _warn_not_kept(archive, error)
            return _download(archive, patience)
        # Another process may have been faster while this one waited for the lock.
        content = _from_cache(archive)
        if content is None:
            content = _download(archive, patience)
            try:
                with atomic_write(path) as file:
                    file.write(content)
            except (OSError, ValueError) as error:
                _warn_not_kept(archive, error)
        return content


def _warn_not_kept(archive: CifarArchive, error: Exception) -> None:
    _LOGGER.warning(
        "%s cannot be kept for the next time: %s. Set CONVLET_HOME to a directory that can be "
        "written to.",
        archive.title,
        error,
    )


def _download(archive: CifarArchive, patience: Patience) -> bytes:
    """Downloads the archive from the first mirror that has it unharmed."""
    failures: list[str] = []
    for mirror in archive.mirrors:
        url = f"{mirror}{archive.file_name}"

        def get(url: str = url) -> bytes:
            content = CappedBytesIO(archive.file_name, limit=archive.size)
            fetch(url, content, patience.timeout)
            return _checked(archive, content.getvalue(), archive.file_name)

        try:
            return with_patience(url, get, patience)
        except DownloadError as error:
            _LOGGER.warning("Cannot download %s", error)
            failures += error.failures
    raise DownloadError(
        [
            f"{archive.title} could not be downloaded. {_instructions(archive)}",
            "What was tried:",
            *failures,
        ]
    )


def _instructions(archive: CifarArchive) -> str:
    """Tells how to get the archive by hand."""
    try:
        directory = f"into {_cached_file(archive).parent}, or any directory CONVLET_DATA_DIR names"
    except OSError:
        directory = "into a directory that CONVLET_DATA_DIR names"
    sources = "".join(f"\n  {mirror}{archive.file_name}" for mirror in archive.mirrors)
    return (
        f"Put {archive.file_name} (SHA-256 {archive.sha256}) {directory}. "
        f"It can be had from:{sources}"
    )


def _read(archive: CifarArchive, content: bytes, label: int) -> LoadedData:
    """Reads the records out of an archive that has the right hash."""
    files = dict(_members(archive, content))
    splits = (
        (archive.train_files, archive.rows_per_file),
        (archive.test_files, archive.test_rows),
    )
    (x_train, y_train), (x_test, y_test) = (
        _split(archive, files, names, rows, label) for names, rows in splits
    )
    return (x_train, y_train), (x_test, y_test)


def _members(archive: CifarArchive, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yields the files that are wanted, by exact name; nothing is written to the disk."""
    wanted = {f"{archive.folder}/{name}": name for name in archive.train_files + archive.test_files}
    largest = max(archive.rows_per_file, archive.test_rows) * _record_bytes(archive)
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as tar:
            for member in tar:
                name = wanted.get(member.name)
                file = tar.extractfile(member) if name and member.isreg() else None
                if name is not None and file is not None and member.size <= largest:
                    yield name, file.read()
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise ValueError(f"{archive.file_name}: a broken archive: {error}") from error


def _record_bytes(archive: CifarArchive) -> int:
    return len(archive.label_classes) + _IMAGE_BYTES


def _split(
    archive: CifarArchive, files: dict[str, bytes], names: tuple[str, ...], rows: int, label: int
) -> tuple[ImageArray, ImageArray]:
    record = _record_bytes(archive)
    for name in names:
        if len(files.get(name, b"")) != rows * record:
            raise ValueError(f"{archive.file_name}: {name} is not {rows} records of {record} bytes")
    records = np.frombuffer(b"".join(files[name] for name in names), np.uint8).reshape(-1, record)
    labels = records[:, label : label + 1].copy()
    if labels.max() >= archive.label_classes[label]:
        raise ValueError(f"{archive.file_name}: the label {labels.max()} is out of range")
    planes = records[:, len(archive.label_classes) :].reshape(-1, 3, 32, 32)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels
