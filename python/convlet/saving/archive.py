"""Keras's `.keras` files: a zip archive of a configuration and the weights.

    metadata.json       the version of Keras, the date
    config.json         the configuration of the model, and what it was compiled with
    model.weights.h5    see `convlet.saving.weights_h5`

A reader looks at these three alone, in memory; nothing is ever extracted to a disk.
"""

from __future__ import annotations

import datetime as dt
import errno
import io
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from convlet.saving.json_text import LARGEST_TEXT, parse_json

_METADATA, _CONFIG, _WEIGHTS = "metadata.json", "config.json", "model.weights.h5"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_LARGEST_EXPANSION = 100  # of a member that is larger than _SMALL
_SMALL = 2**20  # bytes
_ENCRYPTED = 0x1


@dataclass(frozen=True)
class Archive:
    """What a `.keras` file says."""

    config: Any
    weights: io.BytesIO


def write_archive(
    target: BinaryIO, config: Mapping[str, Any], weights: io.BytesIO, version: str
) -> None:
    """Writes a `.keras` file.

    Args:
        target: A file to write to.
        config: The model's configuration.
        weights: The bytes of its weights file.
        version: The version of Keras whose format this is.
    """
    now = dt.datetime.now().astimezone().strftime("%Y-%m-%d@%H:%M:%S")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        metadata = {"keras_version": version, "date_saved": now}
        archive.writestr(_METADATA, json.dumps(metadata))
        archive.writestr(_CONFIG, json.dumps(config, allow_nan=False))
        with archive.open(_WEIGHTS, "w", force_zip64=True) as member:
            member.write(weights.getbuffer())


def read_archive(path: str | os.PathLike[str] | BinaryIO) -> Archive:
    """Reads a `.keras` file.

    Args:
        path: Its path, or the open file.

    Raises:
        ValueError: If it is not such an archive, is damaged, or is made to harm: a member twice,
            encrypted, or much larger than what it is packed into.
        OSError: If the file cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(archive)
            parse_json(_content(archive, members[_METADATA], LARGEST_TEXT), _METADATA)
            return Archive(
                config=parse_json(_content(archive, members[_CONFIG], LARGEST_TEXT), _CONFIG),
                weights=io.BytesIO(_content(archive, members[_WEIGHTS])),
            )
    # What zipfile raises for a damaged archive depends on the place of the damage.
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        KeyError,
        NotImplementedError,
        OverflowError,
        RuntimeError,
        UnicodeError,
        struct.error,
    ) as error:
        raise ValueError(f"not a readable `.keras` zip file: {error}") from error
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        # A member that is said to begin before the file does.
        raise ValueError(f"not a readable `.keras` zip file: {error}") from error


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    members: dict[str, zipfile.ZipInfo] = {}
    for member in archive.infolist():
        if member.filename in members:
            raise ValueError(f"has two members {member.filename!r}.")
        if member.filename in (_METADATA, _CONFIG, _WEIGHTS):
            members[member.filename] = member
    missing = [name for name in (_METADATA, _CONFIG, _WEIGHTS) if name not in members]
    if missing:
        raise ValueError(f"has no member {', '.join(missing)}.")
    return members


def _content(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, largest: int | None = None
) -> bytes:
    """Returns the bytes of a member, whose promised size has been checked before."""
    if member.flag_bits & _ENCRYPTED or member.compress_type not in _METHODS:
        raise ValueError(f"has a member {member.filename!r} that is encrypted or packed unusually.")
    expanded = max(_SMALL, _LARGEST_EXPANSION * member.compress_size)
    largest = expanded if largest is None else min(largest, expanded)
    if member.file_size > largest:
        raise ValueError(
            f"has a member {member.filename!r} of {member.file_size} bytes, in "
            f"{member.compress_size} packed ones; at most {largest} are read."
        )
    with archive.open(member) as file:
        return file.read(member.file_size + 1)
