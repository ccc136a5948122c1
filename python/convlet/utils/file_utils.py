"""get_file: downloads a file once."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tarfile
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from convlet._atomic_write import atomic_write
from convlet.datasets.cache import cache_directory
from convlet.utils.validation import check_choice

_LOGGER = logging.getLogger(__name__)

_TIMEOUT_SECONDS = 20.0
_CHUNK_BYTES = 1 << 16
# Length of a hash in hexadecimal, by which "auto" tells them apart.
_HASH_LENGTHS = {"sha256": 64, "md5": 32}
# An archive whose content is larger than this multiple of the archive itself is refused.
_MAX_EXPANSION = 200


def get_file(
    fname: str | None = None,
    origin: str | None = None,
    untar: bool = False,
    md5_hash: str | None = None,
    file_hash: str | None = None,
    cache_subdir: str = "datasets",
    hash_algorithm: str = "auto",
    extract: bool = False,
    archive_format: str = "auto",
    cache_dir: str | os.PathLike[str] | None = None,
    force_download: bool = False,
) -> str:
    """Downloads a file, if it is not in the cache yet, and unpacks it where that is asked for.

    The file appears whole or not at all. With a hash it is compared with it, also when it was in
    the cache; without one a warning is logged. Nothing is unpacked outside of the cache: an archive
    with links, devices, absolute paths or `..` is refused.

    Args:
        fname: Name of the file in the cache; `None` for that of the URL.
        origin: URL, `https:` or `file:`.
        untar: The same as `extract`, from older versions of Keras.
        md5_hash: Hash in hexadecimal, from older versions of Keras; `file_hash` is better.
        file_hash: Hash in hexadecimal.
        cache_subdir: Folder in the cache.
        hash_algorithm: `"auto"`, `"sha256"` or `"md5"`.
        extract: Whether to unpack it.
        archive_format: `"auto"`, `"tar"` or `"zip"`.
        cache_dir: Directory of the cache; `None` for convlet's (`$CONVLET_HOME`,
            `$XDG_CACHE_HOME/convlet`, `~/.cache/convlet`).
        force_download: Whether to download it in any case.

    Returns:
        Path of the file, or of the directory with what was in it.

    Raises:
        ValueError: If an argument has no meaning, the file has another hash, or the archive is
            unsafe.
        OSError: If the file cannot be downloaded or written.
    """
    if not origin:
        raise ValueError('Please specify the "origin" argument (URL of the file to download).')
    check_choice("archive_format", archive_format, ("auto", "tar", "zip"))
    expected = file_hash or md5_hash
    algorithm = _algorithm("md5" if not file_hash and md5_hash else hash_algorithm, expected)
    name = fname or PurePosixPath(urllib.parse.urlsplit(origin).path).name
    root = cache_directory() if cache_dir is None else Path(cache_dir).expanduser()
    folder = root / _inside(cache_subdir)
    path = folder / _inside(name)
    if force_download or not path.is_file() or not _has_hash(path, expected, algorithm):
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(origin, path, expected, algorithm)
    return str(_unpack(path, archive_format) if extract or untar else path)


def _inside(name: str) -> PurePosixPath:
    """Returns a relative path without `..`, or raises ValueError."""
    path = PurePosixPath(name.replace("\\", "/"))
    if not path.parts or path.is_absolute() or ".." in path.parts or ":" in name:
        raise ValueError(f"Paths must be relative and stay in their directory. Received: {name!r}")
    return path


def _algorithm(name: str, expected: str | None) -> str:
    chosen = check_choice("hash_algorithm", name, ("auto", *_HASH_LENGTHS))
    if chosen == "auto":
        chosen = "md5" if expected is not None and len(expected) == 32 else "sha256"
    if expected is not None and len(expected) != _HASH_LENGTHS[chosen]:
        raise ValueError(
            f"`file_hash` must have {_HASH_LENGTHS[chosen]} hexadecimal digits for {chosen}. "
            f"Received: {expected!r}"
        )
    return chosen


def _has_hash(path: Path, expected: str | None, algorithm: str) -> bool:
    if expected is None:
        return True
    digest = hashlib.new(algorithm)
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(_CHUNK_BYTES), b""):
            digest.update(chunk)
    return digest.hexdigest() == expected.lower()


def _download(origin: str, path: Path, expected: str | None, algorithm: str) -> None:
    scheme = urllib.parse.urlsplit(origin).scheme
    if scheme not in {"https", "file"}:
        raise ValueError(f"`origin` must be an https: or a file: URL. Received: {origin}")
    if expected is None:
        _LOGGER.warning("Downloading %s without a `file_hash` to compare it with.", origin)
    digest = hashlib.new(algorithm)
    with (
        urllib.request.urlopen(origin, timeout=_TIMEOUT_SECONDS) as source,
        atomic_write(path) as target,
    ):
        if urllib.parse.urlsplit(source.geturl()).scheme != scheme:
            raise ValueError(f"{origin} leads to {source.geturl()}, which is not {scheme}:")
        for chunk in iter(lambda: source.read(_CHUNK_BYTES), b""):
            digest.update(chunk)
            target.write(chunk)
        if expected is not None and digest.hexdigest() != expected.lower():
            raise ValueError(
                f"{origin}: its {algorithm} is {digest.hexdigest()}, expected {expected}"
            )


def _unpack(path: Path, archive_format: str) -> Path:
    """Unpacks an archive beside itself, into a directory `<name>_extracted`."""
    target = path.with_name(f"{path.name}_extracted")
    members = _members(path, archive_format)
    limit = _MAX_EXPANSION * max(path.stat().st_size, 1 << 20)
    shutil.rmtree(target, ignore_errors=True)
    try:
        target.mkdir()
        for name, size, source in members:
            limit -= size
            if limit < 0:
                raise ValueError(
                    f"{path}: its content is more than {_MAX_EXPANSION} times as large"
                )
            inside = target / _inside(name)
            inside.parent.mkdir(parents=True, exist_ok=True)
            with source, inside.open("wb") as file:
                shutil.copyfileobj(source, file)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return target


def _members(path: Path, archive_format: str) -> Iterator[tuple[str, int, BinaryIO]]:
    """Returns name, size and content of the files of an archive."""
    if archive_format in {"auto", "tar"} and tarfile.is_tarfile(path):
        return _tar_members(path)
    if archive_format in {"auto", "zip"} and zipfile.is_zipfile(path):
        return _zip_members(path)
    kind = "tar or zip" if archive_format == "auto" else archive_format
    raise ValueError(f"{path}: not a {kind} archive")


def _tar_members(path: Path) -> Iterator[tuple[str, int, BinaryIO]]:
    with tarfile.open(path) as archive:
        for member in archive:
            if member.isdir():
                continue
            source = archive.extractfile(member) if member.isreg() else None
            if source is None:
                raise ValueError(f"{path}: {member.name!r} is neither a file nor a directory")
            yield member.name, member.size, source  # type: ignore[misc]


def _zip_members(path: Path) -> Iterator[tuple[str, int, BinaryIO]]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir():
                yield member.filename, member.file_size, archive.open(member)  # type: ignore[misc]
