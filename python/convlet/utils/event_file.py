"""EventFile: numbers over time, in the files that TensorBoard reads.

A file is a sequence of records: the length of the data (8 bytes), its checksum, the data, their
checksum. The data are an `Event` in Protocol Buffers' encoding (tensorflow/core/lib/io/
record_writer.cc, util/event.proto, framework/summary.proto); all numbers are little-endian.
"""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path

_FIXED64, _BYTES, _VARINT = 1, 2, 0  # wire types of Protocol Buffers
_DT_FLOAT = _DATA_CLASS_SCALAR = 1

_numbers = itertools.count()


class EventFile:
    """A file of numbers over time. It is opened for the moment of writing only.

    Args:
        directory: Where the file will be; both are made with the first numbers.
    """

    def __init__(self, directory: Path) -> None:
        host, process, number = socket.gethostname(), os.getpid(), next(_numbers)
        name = f"events.out.tfevents.{int(time.time()):010d}.{host}.{process}.{number}.v2"
        self._path = directory / name

    def write(self, numbers: Mapping[str, float], step: int) -> None:
        """Adds numbers at a step.

        Args:
            numbers: By their names.
            step: What they are drawn over.

        Raises:
            OSError: If the file cannot be written.
        """
        now = time.time()
        records = b"".join(
            record(_event(now, step, _bytes(5, _summary(name, value))))
            for name, value in numbers.items()
        )
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            records = record(_event(now, 0, _bytes(3, b"brain.Event:2"))) + records
        with self._path.open("ab") as file:
            file.write(records)


def record(data: bytes) -> bytes:
    """Returns data as a record of the file."""
    length = struct.pack("<Q", len(data))
    return length + _checksum(length) + data + _checksum(data)


def crc32c(data: bytes) -> int:
    """Returns Castagnoli's cyclic redundancy check of data."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _table_entry(byte: int) -> int:
    for _ in range(8):
        byte = (byte >> 1) ^ (0x82F63B78 if byte & 1 else 0)
    return byte


_TABLE = [_table_entry(byte) for byte in range(256)]


def _checksum(data: bytes) -> bytes:
    """The check, turned and shifted so that it differs from that of a record in a record."""
    crc = crc32c(data)
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def _event(wall_time: float, step: int, what: bytes) -> bytes:
    return _key(1, _FIXED64) + struct.pack("<d", wall_time) + _integer(2, step) + what


def _summary(name: str, value: float) -> bytes:
    """A `Summary` of one `Value`: a tensor without axes, for the plug-in that draws scalars."""
    metadata = _bytes(1, _bytes(1, b"scalars")) + _integer(4, _DATA_CLASS_SCALAR)
    tensor = _integer(1, _DT_FLOAT) + _bytes(2, b"") + _bytes(5, struct.pack("<f", value))
    return _bytes(1, _bytes(1, name.encode()) + _bytes(8, tensor) + _bytes(9, metadata))


def _bytes(field: int, data: bytes) -> bytes:
    return _key(field, _BYTES) + _varint(len(data)) + data


def _integer(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + _varint(value)


def _key(field: int, wire_type: int) -> bytes:
    return _varint(field << 3 | wire_type)


def _varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first; the eighth bit says that there are more."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])
