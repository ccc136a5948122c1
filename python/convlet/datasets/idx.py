"""IDX files: the format of MNIST and its relatives.

An IDX file is a header and then the array, in C order, all of it big-endian:

    2 bytes      zero
    1 byte       type code: 0x08 uint8, 0x09 int8, 0x0B int16, 0x0C int32, 0x0D float32, 0x0E float64
    1 byte       number of dimensions
    4 bytes each the dimensions, unsigned

Source: http://yann.lecun.com/exdb/mnist/ (the section on file formats).
"""

from __future__ import annotations

import gzip
import math
import os
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from convlet._atomic_write import atomic_write

_DTYPES: dict[int, np.dtype[Any]] = {
    0x08: np.dtype("u1"),
    0x09: np.dtype("i1"),
    0x0B: np.dtype(">i2"),
    0x0C: np.dtype(">i4"),
    0x0D: np.dtype(">f4"),
    0x0E: np.dtype(">f8"),
}
_CODES = {dtype.newbyteorder("="): code for code, dtype in _DTYPES.items()}

# NumPy 1 holds no more dimensions than this.
_MAX_RANK = 32
_MAX_DIMENSION = 2**32 - 1
_MAX_BYTES = 2**63 - 1

_GZIP_MAGIC = b"\x1f\x8b"
# Deflate cannot expand by more than this factor (https://zlib.net/zlib_tech.html).
_MAX_EXPANSION = 1032
_CHUNK_BYTES = 1 << 16


def read_idx(path: str | os.PathLike[str]) -> npt.NDArray[Any]:
    """Reads an IDX file, plain or compressed with gzip.

    A plain file is memory-mapped: only the parts that are used are read from the disk. A
    compressed file is expanded into memory. Whether a file is compressed is told from its first
    bytes, not from its name. The array is read-only either way, with the file's own dtype
    (big-endian); `array.astype("float32")` gives a copy of one's own.

    Args:
        path: Path of the file.

    Returns:
        The array.

    Raises:
        ValueError: If the file is not a regular file or not a valid IDX file. The message names
            the file and what is wrong. No more memory is used than the file can fill.
        OSError: If the file cannot be opened or read.
    """
    name = os.fspath(path)
    with _open_regular(name) as (file, size):
        if _is_gzip(file):
            array = _read_gzip(file, name, size)
            array.flags.writeable = False
            return array
        header = _read_plain_header(file, name, size)
        if header.data_bytes == 0:
            empty: npt.NDArray[Any] = np.empty(header.shape, header.dtype)
            empty.flags.writeable = False
            return empty
        return np.memmap(
            file, dtype=header.dtype, mode="r", offset=header.header_bytes, shape=header.shape
        )


def read_idx_copy(path: str | os.PathLike[str], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Reads an IDX file of known shape into memory, as an array that can be written to.

    Args:
        path: Path of the file, plain or compressed with gzip.
        shape: Shape the array must have.

    Raises:
        ValueError: If the file is not a valid IDX file, or holds an array of another shape.
        OSError: If the file cannot be opened or read.
    """
    name = os.fspath(path)
    with _open_regular(name) as (file, size):
        return read_idx_stream(file, name, size, shape)


def read_idx_stream(
    file: BinaryIO, name: str, size: int, shape: tuple[int, ...]
) -> npt.NDArray[Any]:
    """Does what `read_idx_copy` does with a file that is open already, at its beginning.

    Args:
        file: Seekable binary file.
        name: Name of the file for error messages.
        size: Length of the file in bytes.
        shape: Shape the array must have.

    Raises:
        ValueError: If the content is not a valid IDX file, or holds an array of another shape.
    """
    if _is_gzip(file):
        return _read_gzip(file, name, size, shape)
    header = _read_plain_header(file, name, size, shape)
    array: npt.NDArray[Any] = np.empty(header.shape, header.dtype)
    _fill(array, file, name)
    return array


def write_idx(path: str | os.PathLike[str], array: npt.ArrayLike) -> None:
    """Writes an array as an IDX file.

    The file is written under a temporary name in the same directory and then renamed, so `path`
    holds the old file or the whole new one at any time.

    Args:
        path: Path of the file. A name that ends in `.gz` gives a file compressed with gzip.
        array: Array of dtype uint8, int8, int16, int32, float32 or float64, with 1 to 32
            dimensions.

    Raises:
        ValueError: If IDX has no type for the array's dtype, or the number of dimensions or one
            of them is out of range, or `path` is something other than a regular file.
        OSError: If the file cannot be written.
    """
    values = np.asarray(array)
    header = idx_header(values)
    with atomic_write(path) as file:
        if os.fspath(path).endswith(".gz"):
            # No name and no time in the gzip header: equal arrays give equal files.
            with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as compressed:
                _write(compressed, header, values)
        else:
            _write(file, header, values)


def idx_header(array: npt.NDArray[Any]) -> bytes:
    """Returns the bytes that stand before the values of `array` in an IDX file.

    Raises:
        ValueError: If the array cannot be an IDX file.
    """
    code = _CODES.get(array.dtype.newbyteorder("="))
    if code is None:
        names = ", ".join(dtype.name for dtype in _CODES)
        raise ValueError(
            f"An IDX file holds values of type {names}. Received: array of dtype {array.dtype}."
        )
    if not 1 <= array.ndim <= _MAX_RANK:
        raise ValueError(
            f"An IDX file holds an array of 1 to {_MAX_RANK} dimensions. "
            f"Received: array of shape {array.shape}."
        )
    if max(array.shape) > _MAX_DIMENSION:
        raise ValueError(
            f"No dimension of an IDX file can exceed {_MAX_DIMENSION}. "
            f"Received: array of shape {array.shape}."
        )
    return struct.pack(f">HBB{array.ndim}I", 0, code, array.ndim, *array.shape)


class _Reader(Protocol):
    """Something bytes can be read from."""

    def read(self, size: int, /) -> bytes: ...


@dataclass(frozen=True)
class _Header:
    """What an IDX header says."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    @property
    def header_bytes(self) -> int:
        return 4 + 4 * len(self.shape)

    @property
    def data_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@contextmanager
def _open_regular(name: str) -> Iterator[tuple[BinaryIO, int]]:
    """Opens a regular file and tells its size; anything else is a ValueError."""
    if Path(name).is_dir():
        raise ValueError(f"{name}: not an IDX file but a directory.")
    with open(name, "rb", opener=_open_without_waiting) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError(
                f"{name}: not an IDX file but a special file (FIFO, device or socket)."
            )
        yield file, status.st_size


def _open_without_waiting(name: str, flags: int) -> int:
    """Opens a file; a FIFO is opened too, at once, where a plain open would wait for a writer."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def _is_gzip(file: BinaryIO) -> bool:
    start = file.read(len(_GZIP_MAGIC))
    file.seek(0)
    return start == _GZIP_MAGIC


def _read_plain_header(
    file: BinaryIO, name: str, size: int, shape: tuple[int, ...] | None = None
) -> _Header:
    """Reads the header of a plain file and checks the file's length against it."""
    header = _read_header(file, name, shape)
    promised = header.header_bytes + header.data_bytes
    if size != promised:
        wrong = "truncated" if size < promised else "too long"
        raise ValueError(
            f"{name}: {wrong}: its header promises {promised} bytes "
            f"({header.dtype.name} of shape {header.shape}), the file has {size}."
        )
    return header


def _read_header(file: _Reader, name: str, expected: tuple[int, ...] | None) -> _Header:
    magic = _read_exactly(file, 4, name)
    if magic[:2] != b"\0\0" or magic[2] not in _DTYPES:
        raise ValueError(
            f"{name}: not an IDX file: wrong magic number 0x{magic.hex()} "
            "(expected 0x0000, a type code of 08, 09, 0b, 0c, 0d or 0e, and the rank)."
        )
    rank = magic[3]
    if not 1 <= rank <= _MAX_RANK:
        raise ValueError(
            f"{name}: its header promises {rank} dimensions; 1 to {_MAX_RANK} are supported."
        )
    shape = struct.unpack(f">{rank}I", _read_exactly(file, 4 * rank, name))
    header = _Header(_DTYPES[magic[2]], shape)
    # NumPy leaves zeros out too when it checks that a shape can be addressed.
    if math.prod(size for size in shape if size) * header.dtype.itemsize > _MAX_BYTES:
        raise ValueError(f"{name}: its header promises an impossibly large array, shape {shape}.")
    if expected is not None and shape != expected:
        raise ValueError(f"{name}: holds an array of shape {shape}; expected shape {expected}.")
    return header


def _read_exactly(file: _Reader, size: int, name: str) -> bytes:
    data = b""
    while len(data) < size:
        piece = file.read(size - len(data))
        if not piece:
            raise ValueError(f"{name}: truncated: the file ends inside its header.")
        data += piece
    return data


def _read_gzip(
    file: BinaryIO, name: str, size: int, shape: tuple[int, ...] | None = None
) -> npt.NDArray[Any]:
    stream = _GunzipReader(file, name)
    header = _read_header(stream, name, shape)
    if header.data_bytes > size * _MAX_EXPANSION:
        raise ValueError(
            f"{name}: truncated: its header promises {header.data_bytes} bytes of data "
            f"({header.dtype.name} of shape {header.shape}), more than {size} bytes of gzip can hold."
        )
    array: npt.NDArray[Any] = np.empty(header.shape, header.dtype)
    _fill(array, stream, name)
    stream.expect_end()
    return array


def _fill(array: npt.NDArray[Any], file: _Reader, name: str) -> None:
    """Fills a contiguous array with the next bytes of a file."""
    target = array.reshape(-1).view(np.uint8)
    position = 0
    while position < target.size:
        piece = file.read(min(target.size - position, _CHUNK_BYTES))
        if not piece:
            raise ValueError(
                f"{name}: truncated: its header promises {target.size} bytes of data, "
                f"the file has {position}."
            )
        target[position : position + len(piece)] = np.frombuffer(piece, np.uint8)
        position += len(piece)


class _GunzipReader:
    """Expands one gzip member piece by piece, in bounded memory.

    The standard library's `gzip` goes on with further members and skips zeros behind the last
    one; here both are errors, for a data file has no use for either.
    """

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self._name = name
        self._inflate = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self._pending = b""

    def read(self, size: int, /) -> bytes:
        """Returns 1 to `size` expanded bytes, or none at the end of the member."""
        while not self._inflate.eof:
            source = self._pending or self._file.read(_CHUNK_BYTES)
            try:
                piece = self._inflate.decompress(source, size)
            except zlib.error as error:
                raise ValueError(f"{self._name}: corrupt gzip data: {error}.") from error
            self._pending = self._inflate.unconsumed_tail
            if piece:
                return piece
            if not source and not self._inflate.eof:
                raise ValueError(f"{self._name}: truncated: the gzip data ends too early.")
        return b""

    def expect_end(self) -> None:
        """Raises a ValueError unless the member, and the file with it, ends here."""
        if self.read(1):
            raise ValueError(f"{self._name}: too long: the gzip data expands past its IDX header.")
        rest = self._inflate.unused_data + self._file.read(_CHUNK_BYTES)
        if rest.startswith(_GZIP_MAGIC):
            raise ValueError(f"{self._name}: a second gzip member follows the first.")
        if rest:
            raise ValueError(f"{self._name}: trailing garbage follows the gzip data.")


def _write(file: BinaryIO | gzip.GzipFile, header: bytes, values: npt.NDArray[Any]) -> None:
    """Writes header and values, a few rows at a time to need no second copy of the array."""
    dtype = _DTYPES[header[2]]
    file.write(header)
    row_bytes = max(math.prod(values.shape[1:]) * dtype.itemsize, 1)
    rows = max(_CHUNK_BYTES // row_bytes, 1)
    for begin in range(0, len(values), rows):
        file.write(np.ascontiguousarray(values[begin : begin + rows], dtype).tobytes())
