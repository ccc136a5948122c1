"""The CIFAR loaders, on a tiny archive with a hash of its own and a server on 127.0.0.1."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convlet.datasets import cifar, cifar10, cifar100
from convlet.datasets.cifar import CifarArchive
from convlet.datasets.errors import DownloadError
from convlet.datasets.mirrors import Patience

HASTY = Patience(timeout=0.5, attempts=2, backoff=0.01)
TINY = CifarArchive(
    name="tiny",
    title="Tiny",
    file_name="tiny.tar.gz",
    size=0,
    sha256="",
    folder="inside",
    train_files=("a.bin", "b.bin"),
    test_files=("t.bin",),
    rows_per_file=4,
    test_rows=3,
    label_classes=(5, 7),
    mirrors=(),
)


def records(rows: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    result = rng.integers(0, 256, (rows, 2 + 3072), dtype=np.uint8)
    result[:, 0], result[:, 1] = rng.integers(0, 5, rows), rng.integers(0, 7, rows)
    return result


FILES = {"a.bin": records(4, 1), "b.bin": records(4, 2), "t.bin": records(3, 3)}


def pack(files: dict[str, bytes], **changes: Any) -> tuple[CifarArchive, bytes]:
    """Returns the description of an archive with these files, and its content."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    content = target.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    return dataclasses.replace(TINY, size=len(content), sha256=digest, **changes), content


ARCHIVE, CONTENT = pack(
    {
        "inside/readme.html": b"text",
        "../t.bin": b"evil",
        **{f"inside/{name}": array.tobytes() for name, array in FILES.items()},
    }
)


def load(archive: CifarArchive, path: Any = None, label: int = 1, download: bool = True) -> Any:
    return cifar.load(archive, path, label, download=download, patience=HASTY)


def assert_loaded(data: Any, label: int = 1) -> None:
    train = np.concatenate([FILES["a.bin"], FILES["b.bin"]])
    for (x, y), rows in zip(data, (train, FILES["t.bin"]), strict=True):
        assert x.dtype == y.dtype == np.uint8
        assert x.flags.c_contiguous
        assert x.flags.writeable
        np.testing.assert_array_equal(y, rows[:, label : label + 1])
        # Planes of red, green and blue, each of 32 rows.
        for channel in range(3):
            plane = rows[:, 2 + 1024 * channel : 2 + 1024 * (channel + 1)].reshape(-1, 32, 32)
            np.testing.assert_array_equal(x[..., channel], plane)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("CONVLET_DATA_DIR", "CONVLET_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CONVLET_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A mirror that has the archive."""
    directory = tmp_path / "server"
    directory.mkdir()
    (directory / "tiny.tar.gz").write_bytes(CONTENT)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None: ...

    handler = functools.partial(Quiet, directory=str(directory))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()
        thread.join()


@pytest.mark.parametrize("label", [0, 1])
def test_explicit_path(tmp_path: Path, label: int) -> None:
    (tmp_path / "tiny.tar.gz").write_bytes(CONTENT)
    assert_loaded(load(ARCHIVE, tmp_path / "tiny.tar.gz", label), label)
    assert_loaded(load(ARCHIVE, str(tmp_path), label), label)


def test_environment_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tiny").mkdir()
    (tmp_path / "tiny" / "tiny.tar.gz").write_bytes(CONTENT)
    monkeypatch.setenv("CONVLET_DATA_DIR", str(tmp_path))
    assert_loaded(load(ARCHIVE))
    monkeypatch.setenv("CONVLET_DATA_DIR", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"Tiny was looked for in .*nowhere"):
        load(ARCHIVE)


def test_download_is_kept(home: Path, server: str, caplog: pytest.LogCaptureFixture) -> None:
    archive = dataclasses.replace(ARCHIVE, mirrors=("http://127.0.0.1:1/", server))
    assert_loaded(load(archive))
    assert "Cannot download http://127.0.0.1:1/tiny.tar.gz" in caplog.text
    assert [path.name for path in (home / "datasets" / "tiny").iterdir()] == ["tiny.tar.gz"]
    assert_loaded(load(archive, download=False))


def test_broken_copy_is_downloaded_anew(
    home: Path, server: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = home / "datasets" / "tiny" / "tiny.tar.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:-1] + b"!")
    assert_loaded(load(dataclasses.replace(ARCHIVE, mirrors=(server,))))
    assert "Ignoring a broken copy of Tiny" in caplog.text
    assert path.read_bytes() == CONTENT


def test_offline_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    archive = dataclasses.replace(ARCHIVE, mirrors=("https://example.com/",))
    with pytest.raises(FileNotFoundError, match=r"network may not be used") as raised:
        load(archive, download=False)
    for text in ("https://example.com/tiny.tar.gz", archive.sha256, "CONVLET_DATA_DIR"):
        assert text in str(raised.value)
    monkeypatch.setenv("CONVLET_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match=r"network may not be used"):
        load(archive)


def test_mirror_that_sends_something_else(server: str, tmp_path: Path) -> None:
    archive = dataclasses.replace(ARCHIVE, mirrors=(server,))
    (tmp_path / "server" / "tiny.tar.gz").write_bytes(CONTENT[:-1] + b"!")
    with pytest.raises(DownloadError, match=r"not the tiny\.tar\.gz of Tiny: its SHA-256 is"):
        load(archive)
    (tmp_path / "server" / "tiny.tar.gz").write_bytes(CONTENT + b"!")
    with pytest.raises(DownloadError, match="too long"):
        load(archive)


def whole(**changes: bytes) -> dict[str, bytes]:
    files = {name: array.tobytes() for name, array in FILES.items()}
    files |= {name.replace("_", "."): content for name, content in changes.items()}
    return {f"inside/{name}": content for name, content in files.items()}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (whole(a_bin=b"short"), "a.bin is not 4 records of 3074 bytes"),
        (whole(t_bin=bytes(3074 * 5)), "t.bin is not 3 records"),
        ({}, "a.bin is not 4 records"),
        (whole(b_bin=b"\x09" * 3074 * 4), "the label 9 is out of range"),
    ],
)
def test_archive_that_is_not_what_it_says(
    tmp_path: Path, files: dict[str, bytes], message: str
) -> None:
    archive, content = pack(files)
    (tmp_path / "tiny.tar.gz").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load(archive, tmp_path)


def test_other_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny.tar.gz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match=f"it has 10 bytes, expected {len(CONTENT)}"):
        load(ARCHIVE, tmp_path)
    content = b"no archive"
    archive = dataclasses.replace(
        ARCHIVE, size=len(content), sha256=hashlib.sha256(content).hexdigest()
    )
    with pytest.raises(ValueError, match="a broken archive"):
        load(archive, tmp_path)


def test_the_real_ones_are_described_and_nowhere_here(tmp_path: Path) -> None:
    for module, rows in ((cifar10, 50_000), (cifar100, 50_000)):
        archive = module.ARCHIVE
        assert archive.rows_per_file * len(archive.train_files) == rows
        with pytest.raises(FileNotFoundError, match=archive.sha256):
            module.load_data(download=False)
        with pytest.raises(FileNotFoundError, match=archive.file_name):
            module.load_data(path=tmp_path)
    with pytest.raises(ValueError, match='`label_mode` must be one of `"fine"`, `"coarse"`'):
        cifar100.load_data("medium")
