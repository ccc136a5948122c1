"""Reading a data set from files on this machine: IDX files, plain or .gz, or Keras's archive."""

from __future__ import annotations

import errno
import struct
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from convlet.datasets.idx import read_idx_copy
from convlet.datasets.image_dataset import Arrays, IdxFile, ImageArray, ImageDataset, LoadedData


def read_dataset(dataset: ImageDataset, path: Path) -> LoadedData:
    """Reads a data set from a directory or from an `.npz` archive.

    Args:
        dataset: Description of the data set.
        path: A directory that holds the four IDX files, plain or with `.gz` added, or
            `<name>.npz`; or such an archive itself.

    Returns:
        `(x_train, y_train), (x_test, y_test)`.

    Raises:
        FileNotFoundError: If the path or one of the files does not exist.
        ValueError: If a file is broken or holds something else.
    """
    if not path.exists():
        raise FileNotFoundError(f"{dataset.title} was looked for in {path}, which does not exist.")
    archive = path / f"{dataset.name}.npz" if path.is_dir() else path
    if archive.exists() and not any(_find(path, file) for file in dataset.files):
        return dataset.arrange(_read_archive(dataset, archive))
    return dataset.arrange(_read_directory(dataset, path))


def _find(directory: Path, file: IdxFile) -> Path | None:
    """Returns the path of a file, plain or compressed, in a directory."""
    candidates = (directory / file.name, directory / f"{file.name}.gz")
    return next((path for path in candidates if path.exists()), None)


def _read_directory(dataset: ImageDataset, directory: Path) -> Arrays:
    paths = {file: _find(directory, file) for file in dataset.files}
    missing = [file.name for file, path in paths.items() if path is None]
    if missing:
        raise FileNotFoundError(
            f"{dataset.title} was looked for in {directory}, which lacks {', '.join(missing)} "
            f"(plain or with .gz added) and has no {dataset.name}.npz either. {_listing(directory)}"
        )
    arrays: Arrays = {}
    for file, path in paths.items():
        if path is not None:
            array = read_idx_copy(path, file.shape)
            dataset.check(file, array, path)
            arrays[file.name] = array
    return arrays


def _listing(directory: Path, limit: int = 8) -> str:
    names = sorted(entry.name for entry in directory.iterdir())
    more = ", ..." if len(names) > limit else ""
    return f"It holds: {', '.join(names[:limit])}{more}." if names else "It is empty."


def _read_archive(dataset: ImageDataset, path: Path) -> Arrays:
    if not path.is_file():
        raise ValueError(f"{path}: not an .npz archive but a special file.")
    import zipfile

    arrays: Arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for file in dataset.files:
                with archive.open(f"{file.npz_key}.npy") as member:
                    arrays[file.name] = _read_npy(member, file, f"{path}[{file.npz_key}]")
    except KeyError as error:
        raise ValueError(f"{path}: not the .npz archive of {dataset.title}: {error}.") from error
    # RuntimeError: encrypted. NotImplementedError: an unknown compression method. The others: a
    # damaged directory of the archive.
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        OverflowError,
        RuntimeError,
        UnicodeError,
        struct.error,
    ) as error:
        raise ValueError(f"{path}: a broken .npz archive: {error}.") from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # A member that is said to begin before the file does.
        raise ValueError(f"{path}: a broken .npz archive: {error}.") from error
    for file in dataset.files:
        dataset.check(file, arrays[file.name], f"{path}[{file.npz_key}]")
    return arrays


def _read_npy(member: IO[bytes], file: IdxFile, source: str) -> ImageArray:
    """Reads a `.npy` member whose shape is known, so that no header can ask for more memory."""
    try:
        version = np.lib.format.read_magic(member)
        if version != (1, 0):
            raise ValueError(f"unsupported version {version} of the .npy format")
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(member)
    # What NumPy raises for a damaged header depends on the damage.
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"{source}: not a readable .npy array: {error}.") from error
    if shape != file.shape or dtype != np.uint8 or fortran_order:
        raise ValueError(
            f"{source}: holds {dtype} values of shape {shape}; expected uint8 values of shape "
            f"{file.shape} in C order."
        )
    array = np.empty(shape, np.uint8)
    if member.readinto(array.data.cast("B")) != array.size or member.read(1):  # type: ignore[attr-defined]
        raise ValueError(f"{source}: its length does not match its shape {shape}.")
    return array
