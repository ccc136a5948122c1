"""Files that cannot be written: an error that names them, the old ones as they were, and no rest."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convlet import Input, Sequential, callbacks, layers, utils
from convlet._atomic_write import PART_PATTERN, atomic_write
from convlet.datasets import write_idx
from faults import contents, failing, full_disk, read_only

X = np.random.default_rng(0).normal(size=(16, 40)).astype(np.float32)
Y = (np.arange(16) % 3).astype(np.int32)


def make_model() -> Sequential:
    model = Sequential([Input((40,)), layers.Dense(20), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def fit(callback: callbacks.Callback, epochs: int = 2) -> None:
    make_model().fit(X, Y, epochs=epochs, verbose=0, callbacks=[callback])


def save_whole(path: Path) -> None:
    make_model().save(path)


def save_weights(path: Path) -> None:
    make_model().save_weights(path)


def export(path: Path) -> None:
    """The bytes need not be ONNX's: it is about how they are written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("convlet.export.onnx_file._as_onnx", lambda _: os.urandom(20_000))
        make_model().export(path, format="onnx", verbose=False)


def save_checkpoint(path: Path) -> None:
    fit(callbacks.ModelCheckpoint(path))


def save_backup(path: Path) -> None:
    """A training that goes on where the one before ended."""
    done = len(list(path.parent.glob("backup-*.h5")))
    backup = callbacks.BackupAndRestore(path.parent, delete_checkpoint=False)
    fit(backup, epochs=4 if done else 2)


def save_data(path: Path) -> None:
    write_idx(path, np.random.default_rng().integers(0, 255, 20_000).astype(np.uint8))


def download(path: Path) -> None:
    utils.get_file(
        path.name,
        Path(__file__).as_uri(),
        cache_dir=path.parent.parent,
        cache_subdir=path.parent.name,
        force_download=True,
    )


WRITERS: list[tuple[Callable[[Path], None], str]] = [
    (save_whole, "a.keras"),
    (save_whole, "a.h5"),
    (save_weights, "a.weights.h5"),
    (export, "a.onnx"),
    (save_checkpoint, "b.keras"),
    (save_backup, "backup-3.weights.h5"),
    (save_data, "images-idx1-ubyte"),
    (download, "file"),
]
FAULTS: dict[str, Callable[[Path], AbstractContextManager[None]]] = {
    "disk full at once": lambda _: full_disk(),
    "disk full later": lambda _: full_disk(3000),
    "disk full when flushed": lambda _: failing("os.fsync", errno.ENOSPC),
    "rename fails": lambda _: failing("pathlib.Path.replace", errno.EIO),
    "read-only": read_only,
}
writers = pytest.mark.parametrize(("write", "name"), WRITERS, ids=[name for _, name in WRITERS])


@writers
@pytest.mark.parametrize("fault", FAULTS)
def test_failed_write(write: Callable[[Path], None], name: str, fault: str, tmp_path: Path) -> None:
    path = tmp_path / "directory" / name
    path.parent.mkdir()
    write(path)
    before = contents(path.parent)
    with FAULTS[fault](path.parent), pytest.raises(OSError, match=name) as caught:
        write(path)
    assert caught.value.filename == str(path)
    assert contents(path.parent) == before
    write(path)  # and once there is room again, it works
    assert contents(path.parent) != before or write is download


@writers
def test_directory_that_has_vanished(
    write: Callable[[Path], None], name: str, tmp_path: Path
) -> None:
    """Callbacks and downloads make it again, the others name it."""
    path = tmp_path / "directory" / name
    path.parent.mkdir()
    write(path)
    shutil.rmtree(path.parent)
    if write in (save_checkpoint, save_backup, download):
        write(path)
        assert path.parent.is_dir()
        return
    with pytest.raises(FileNotFoundError, match=name) as caught:
        write(path)
    assert caught.value.filename == str(path)
    assert not path.parent.exists()


def test_backup_survives_each_file_that_fails(tmp_path: Path) -> None:
    """It consists of three; whichever fails, the one before is there and the next one works."""

    class Fails(callbacks.Callback):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            """A directory in place of a file: it cannot be replaced."""
            if epoch == 2:
                (tmp_path / self.name).unlink(missing_ok=True)
                (tmp_path / self.name).mkdir()

    def train(*extra: callbacks.Callback) -> Sequential:
        utils.clear_session()
        utils.set_random_seed(1)
        model = make_model()
        backup = callbacks.BackupAndRestore(tmp_path, delete_checkpoint=False)
        early = callbacks.EarlyStopping("loss", patience=9, restore_best_weights=True)
        model.fit(X, Y, epochs=4, verbose=0, callbacks=[backup, early, *extra])
        return model

    whole = train().get_weights()
    for name in ("backup-3.weights.h5", "backup-3.npz"):
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        with pytest.raises(ValueError, match=f"{name}: it is not a regular file"):
            train(Fails(name))
        (tmp_path / name).rmdir()
        names = ["backup-2.npz", "backup-2.weights.h5", "training_metadata.json"]
        assert sorted(contents(tmp_path)) == names
        assert all(map(np.array_equal, train().get_weights(), whole))


# ---- CSVLogger: a file that grows --------------------------------------------------------------


def test_rows_of_a_log_are_whole(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    fit(callbacks.CSVLogger(path))
    before = path.read_bytes()
    logger = callbacks.CSVLogger(path, append=True)
    with full_disk(len(before) + 3), pytest.raises(OSError, match=r"log\.csv") as caught:
        fit(logger)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before
    fit(logger)
    assert len(path.read_bytes().splitlines()) == 5
    with pytest.raises(FileNotFoundError, match=r"log\.csv"):
        fit(callbacks.CSVLogger(tmp_path / "nowhere" / "log.csv"))


# ---- What lies under all of them ---------------------------------------------------------------


def test_part_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    """Once it is old: a young one may be another process's."""
    old, young = (tmp_path / PART_PATTERN.replace("*", name) for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"half a file")
    os.utime(old, (0, 0))
    with atomic_write(tmp_path / "a") as file:
        file.write(b"whole")
    assert contents(tmp_path) == {"a": b"whole", young.name: b"half a file"}


def test_directory_that_cannot_be_listed(tmp_path: Path) -> None:
    """Or synced: the file is written all the same."""
    with failing("os.open", errno.EACCES), atomic_write(tmp_path / "a") as file:
        file.write(b"whole")
    assert contents(tmp_path) == {"a": b"whole"}


def test_errors_of_the_block_keep_their_names(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=r"\[Errno 104\] reset: 'elsewhere'"),
        atomic_write(tmp_path / "a"),
    ):
        raise OSError(104, "reset", "elsewhere")
    assert contents(tmp_path) == {}


ON_A_SMALL_DISK = """
import os, sys
import numpy as np
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_full_disk as t
from faults import contents
disk = Path(sys.argv[2])
for write, name in t.WRITERS:
    path = disk / name
    for is_full in (True, False):
        write(path)
        before = contents(disk)
        if is_full:
            blocks = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            (disk / "rest").write_bytes(bytes(blocks))
            before["rest"] = bytes(blocks)
        else:
            os.system(f"mount -o remount,ro {disk}")
        try:
            write(path)
            sys.exit(f"{name} was written")
        except OSError as error:
            assert error.filename == str(path), error
        os.system(f"mount -o remount,rw {disk}")
        assert contents(disk) == before, (name, set(contents(disk)) ^ set(before))
        for each in disk.iterdir():
            each.unlink()
"""


def in_a_name_space(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs a command whose mounts nobody else sees."""
    return subprocess.run(["unshare", "-m", *command], capture_output=True, text=True, check=False)


def test_real_file_system(tmp_path: Path) -> None:
    """A file system of a few blocks, filled up, and then read-only."""
    mount = f"mount -t tmpfs -o size=256k none {tmp_path}"
    if shutil.which("unshare") is None or in_a_name_space("sh", "-c", mount).returncode != 0:
        pytest.skip("only root may mount a file system")
    program = [sys.executable, "-c", ON_A_SMALL_DISK, Path(__file__).parent, tmp_path]
    done = in_a_name_space("sh", "-c", f'{mount} && exec "$@"', "sh", *program)
    assert done.returncode == 0, done.stderr


def test_a_file_written_over_a_device(tmp_path: Path) -> None:
    """`/dev/full` is no place for a model, nor is any other device."""
    (tmp_path / "a.keras").symlink_to("/dev/full")
    with pytest.raises(ValueError, match="not a regular file"):
        make_model().save(tmp_path / "a.keras")
