"""Where a data set is looked for, and in which order."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path

from convlet.datasets import mirrors
from convlet.datasets.cache import (
    cache_directory,
    home_directory,
    process_lock,
)
from convlet.datasets.errors import DownloadError
from convlet.datasets.idx import write_idx
from convlet.datasets.image_dataset import Arrays, ImageDataset, LoadedData
from convlet.datasets.local_files import read_dataset

_LOGGER = logging.getLogger(__name__)

# Another process may well take this long to download over a slow line.
LOCK_TIMEOUT = 900.0


def load(
    dataset: ImageDataset,
    path: str | os.PathLike[str] | None,
    *,
    download: bool,
    patience: mirrors.Patience = mirrors.Patience(),  # noqa: B008 (frozen)
) -> LoadedData:
    """Loads a data set from the first of the places where it can be.

    The places are: `path`; the directory `CONVLET_DATA_DIR`; convlet's cache; Keras's cache; the
    directory of the operating system's package; the mirrors; the data set's last resort. The
    content is compared with its known SHA-256 wherever it comes from. What has been downloaded is
    kept in convlet's cache.

    Args:
        dataset: Description of the data set.
        path: A directory or an `.npz` archive, or `None`. If it is given, or `CONVLET_DATA_DIR`
            is set, no other place is tried.
        download: Whether the network may be used. `CONVLET_OFFLINE=1` forbids it as well.
        patience: Timeouts and attempts for the mirrors.

    Returns:
        `(x_train, y_train), (x_test, y_test)`, uint8.

    Raises:
        FileNotFoundError: If the place that was asked for lacks the files, or they are nowhere
            on this machine and the network may not be used.
        ValueError: If a file in the place that was asked for is broken or is something else.
        DownloadError: If nothing could be downloaded.
    """
    if path is None:
        path = _environment_path(dataset)
    if path is not None:
        return read_dataset(dataset, Path(path).expanduser())
    found = _search(dataset, _places(dataset))
    if found is not None:
        return found
    if not download or is_offline():
        raise FileNotFoundError(_offline_message(dataset))
    try:
        return _download_into_cache(dataset, patience)
    except DownloadError as error:
        raise DownloadError([_failure_message(dataset), *error.failures]) from error


def locate(dataset: ImageDataset) -> Path | None:
    """Returns the place on this machine that `load` reads, `None` if there is none."""
    explicit = _environment_path(dataset)
    if explicit is not None:
        return explicit
    places = _places(dataset)
    return next((place for place in places if _read_if_there(dataset, place)), None)


def _environment_path(dataset: ImageDataset) -> Path | None:
    """Returns the directory CONVLET_DATA_DIR gives: its folder of the data set's name, or itself.

    Different data sets use the same file names; folders let them share one CONVLET_DATA_DIR.
    """
    value = os.environ.get("CONVLET_DATA_DIR")
    if not value:
        return None
    directory = Path(value).expanduser()
    folder = directory / dataset.name
    return folder if folder.is_dir() else directory


def _cache(dataset: ImageDataset) -> Path:
    return cache_directory() / "datasets" / dataset.name


def _places(dataset: ImageDataset) -> Iterator[Path]:
    """Yields the places on this machine, best first."""
    with contextlib.suppress(OSError):
        yield _cache(dataset)
    with contextlib.suppress(OSError):
        keras_home = os.environ.get("KERAS_HOME")
        home = Path(keras_home) if keras_home else home_directory() / ".keras"
        yield home / "datasets" / dataset.keras_cache
    if dataset.system_directory is not None:
        yield Path(dataset.system_directory)


def _search(dataset: ImageDataset, places: Iterator[Path]) -> LoadedData | None:
    """Reads the data set from the first place that has it; broken files are passed over."""
    return next(filter(None, (_read_if_there(dataset, place) for place in places)), None)


def _read_if_there(dataset: ImageDataset, place: Path) -> LoadedData | None:
    try:
        return read_dataset(dataset, place)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        _LOGGER.warning("Ignoring a broken copy of %s: %s", dataset.title, error)
        return None


def _download_into_cache(dataset: ImageDataset, patience: mirrors.Patience) -> LoadedData:
    """Downloads the data set and keeps it, one process at a time."""
    with contextlib.ExitStack() as stack:
        try:
            cache = _cache(dataset)
            cache.mkdir(parents=True, exist_ok=True)
            stack.enter_context(process_lock(cache.with_suffix(".lock"), LOCK_TIMEOUT))
        except OSError as error:
            _warn_not_kept(dataset, error)
            return dataset.arrange(_download(dataset, patience))
        # Another process may have been faster while this one waited for the lock.
        found = _search(dataset, iter([cache]))
        if found is not None:
            return found
        arrays = _download(dataset, patience)
        try:
            for file in dataset.files:
                write_idx(cache / file.name, arrays[file.name])
        except (OSError, ValueError) as error:
            _warn_not_kept(dataset, error)
        return dataset.arrange(arrays)


def _warn_not_kept(dataset: ImageDataset, error: Exception) -> None:
    _LOGGER.warning(
        "%s cannot be kept for the next time: %s. Set CONVLET_HOME to a directory that can be "
        "written to.",
        dataset.title,
        error,
    )


def _download(dataset: ImageDataset, patience: mirrors.Patience) -> Arrays:
    """Downloads from the mirrors or, if they all fail, from the last resort."""
    try:
        return mirrors.download(dataset, patience)
    except DownloadError as error:
        if dataset.last_resort is None:
            raise
        failures = error.failures
    try:
        return dataset.last_resort(dataset)
    except DownloadError as error:
        raise DownloadError([*failures, *error.failures]) from error


def is_offline() -> bool:
    """Tells whether CONVLET_OFFLINE forbids the use of the network."""
    return os.environ.get("CONVLET_OFFLINE", "").lower() not in ("", "0", "false", "no")


def _offline_message(dataset: ImageDataset) -> str:
    return (
        f"{dataset.title} is not on this machine, and the network may not be used "
        f"(CONVLET_OFFLINE, or download=False). {_instructions(dataset)}"
    )


def _failure_message(dataset: ImageDataset) -> str:
    return f"{dataset.title} could not be downloaded. {_instructions(dataset)}\nWhat was tried:"


def _instructions(dataset: ImageDataset) -> str:
    """Tells how to get the files by hand."""
    try:
        directory = f"into {_cache(dataset)}, or any directory that CONVLET_DATA_DIR names"
    except OSError:
        directory = "into a directory that CONVLET_DATA_DIR names"
    files = "\n".join(
        f"  {file.name}.gz (SHA-256 when unzipped: {file.sha256})" for file in dataset.files
    )
    sources = "\n".join(f"  {mirror}" for mirror in dataset.mirrors)
    return (
        f"Put these files, unzipped or not, {directory}:\n{files}\nThey can be had from:\n{sources}"
    )
