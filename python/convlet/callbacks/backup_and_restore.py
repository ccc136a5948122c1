"""BackupAndRestore: goes on with a training that was interrupted, as if nothing had happened."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from convlet._atomic_write import atomic_write
from convlet.callbacks.callback import Callback, Logs
from convlet.callbacks.model_checkpoint import BatchCounter
from convlet.utils.random_snapshot import Snapshot, restore_snapshot, take_snapshot
from convlet.utils.validation import check_bool, check_integer

_METADATA = "training_metadata.json"
_PREVIOUS = f"{_METADATA}.bkp"
_OWN_FILES = ("backup-*.weights.h5", "backup-*.npz", _METADATA, _PREVIOUS)


class BackupAndRestore(Callback):
    """Saves all that training depends on, and starts from there when `fit` is called again.

    A process that was killed is simply started anew with the same program and data: it ends with
    the weights, to the bit, that it would have had. Saved are weights and optimizer, epoch and
    batch, random number generators (and so the order of the rows), and what callbacks such as
    `EarlyStopping` count. Only the results so far of an epoch are not: after a backup in mid-epoch
    that epoch's logs are means over the batches since then, which matters to callbacks that look
    at them.

    A backup is complete or not there: a file with everything but the weights names the file with
    the weights, and takes the place of its predecessor at one stroke.

    Args:
        backup_dir: Directory for the backup, which no other training may use.
        save_freq: `"epoch"`, or a number of batches.
        double_checkpoint: Whether to keep the last but one backup too, for when the last one cannot
            be read.
        delete_checkpoint: Whether to remove the backup when training is complete.

    Raises:
        ValueError: If an argument has no meaning.
    """

    # The others have counted the epoch by then.
    COMES_LAST = True

    def __init__(
        self,
        backup_dir: str | os.PathLike[str],
        save_freq: str | int = "epoch",
        double_checkpoint: bool = False,
        delete_checkpoint: bool = True,
    ) -> None:
        super().__init__()
        if not backup_dir:
            raise ValueError("Empty `backup_dir` argument passed")
        if save_freq != "epoch" and (not isinstance(save_freq, int) or isinstance(save_freq, bool)):
            raise ValueError(
                f"Invalid value for argument `save_freq`. Received: save_freq={save_freq}. "
                "Expected either 'epoch' or an integer value."
            )
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq = (
            save_freq if save_freq == "epoch" else check_integer("save_freq", save_freq, 1)
        )
        self.double_checkpoint = check_bool("double_checkpoint", double_checkpoint)
        self.delete_checkpoint = check_bool("delete_checkpoint", delete_checkpoint)
        self._directory = Path(self.backup_dir)
        self._batches = BatchCounter(self.save_freq)
        self._companions: list[Callback] = []
        self._epoch = 0
        self._epoch_random: Snapshot | None = None
        self._number = 0
        self._is_due = False
        # What a backup in mid-epoch leaves to do at the start of the epoch and of the batch.
        self._restored: dict[str, Any] | None = None
        self._random_of_batch: Snapshot | None = None
        if self.save_freq != "epoch":
            # Only now: a batch hook makes training return to Python after every batch.
            self.on_train_batch_begin = self._before_batch  # type: ignore[method-assign]
            self.on_train_batch_end = self._after_batch  # type: ignore[method-assign]

    def set_companions(self, callbacks: Sequence[Callback]) -> None:
        self._companions = [callback for callback in callbacks if callback is not self]

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        try:
            self._load(_METADATA)
        except (OSError, ValueError):
            if not (self._directory / _PREVIOUS).exists():
                raise
            self._load(_PREVIOUS)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._epoch = epoch
        if self._restored is not None:
            self._set_states(self._restored)
            if self._restored["batch"]:
                restore_snapshot(self._restored["epoch_random"])
                self._random_of_batch = self._restored["random"]
            self._restored = None
        if self.save_freq != "epoch":
            self._epoch_random = take_snapshot()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        # An epoch after which training stops is done again, and stops it again.
        due = self.save_freq == "epoch" or self._is_due
        self._is_due = False
        if due and self.model is not None and not self.model.stop_training:
            self._save(epoch + 1, 0)

    def on_train_end(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        if self.delete_checkpoint:
            for pattern in _OWN_FILES:
                for path in self._directory.glob(pattern):
                    path.unlink()
            with contextlib.suppress(OSError):  # not empty, or never made
                self._directory.rmdir()

    def _before_batch(self, batch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        if self._random_of_batch is not None:
            restore_snapshot(self._random_of_batch)
            self._random_of_batch = None

    def _after_batch(self, batch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        if not self._batches.is_due(batch):
            return
        if batch + 1 == (self.params or {}).get("steps"):
            self._is_due = True  # when the other callbacks have seen the epoch
        else:
            self._save(self._epoch, batch + 1)

    # Writing

    def _save(self, epoch: int, batch: int) -> None:
        """Writes a backup from which training goes on at a batch of an epoch."""
        model: Any = self.model
        self._directory.mkdir(parents=True, exist_ok=True)
        self._number += 1
        stem = f"backup-{self._number}"
        states, arrays = self._states()
        model.save_weights(self._directory / f"{stem}.weights.h5", overwrite=True)
        if arrays:
            with atomic_write(self._directory / f"{stem}.npz") as file:
                np.savez(file, **arrays)
        metadata = {
            "epoch": epoch,
            "batch": batch,
            "stem": stem,
            "number": self._number,
            "random": take_snapshot(),
            "epoch_random": self._epoch_random,
            "callbacks": states,
        }
        kept = [stem]
        path = self._directory / _METADATA
        if self.double_checkpoint and path.exists():
            content = path.read_bytes()
            kept.append(json.loads(content)["stem"])
            _write(self._directory / _PREVIOUS, content)
        _write(path, json.dumps(metadata).encode())
        for old in self._directory.glob("backup-*"):
            if not any(old.name.startswith(f"{stem}.") for stem in kept):
                old.unlink()

    def _states(self) -> tuple[list[Any], dict[str, Any]]:
        """Returns class name and state of each callback, and the arrays that they refer to."""
        states: list[Any] = []
        arrays: dict[str, Any] = {}
        for callback in self._companions:
            state = callback.get_state()
            for name, value in state.items():
                if isinstance(value, list):
                    first = len(arrays)
                    arrays |= {f"a{first + i}": array for i, array in enumerate(value)}
                    state[name] = {"arrays": list(range(first, len(arrays)))}
            states.append([type(callback).__name__, state])
        return states, arrays

    # Reading

    def _load(self, name: str) -> None:
        """Reads a backup, if there is one, and sets what must be set before the first epoch."""
        path = self._directory / name
        if not path.exists():
            return
        metadata = _read_metadata(path)
        stem = metadata["stem"]
        arrays_path = self._directory / f"{stem}.npz"
        if arrays_path.exists():
            metadata["arrays"] = _read_arrays(arrays_path)
        model: Any = self.model
        model.prepare_training()  # the optimizer's state needs its place
        model.load_weights(self._directory / f"{stem}.weights.h5")
        model.resume_at = metadata["epoch"], metadata["batch"]
        self._number = metadata["number"]
        self._batches.last = metadata["batch"] - 1
        if not metadata["batch"]:
            restore_snapshot(metadata["random"])
        self._restored = metadata

    def _set_states(self, metadata: dict[str, Any]) -> None:
        waiting = list(metadata["callbacks"])
        arrays = metadata.get("arrays", {})
        for callback in self._companions:
            saved = next((item for item in waiting if item[0] == type(callback).__name__), None)
            if saved is None:
                continue  # it was not there when the backup was made
            waiting.remove(saved)
            callback.set_state(
                {
                    name: [arrays[f"a{i}"] for i in value["arrays"]]
                    if isinstance(value, dict)
                    else value
                    for name, value in saved[1].items()
                }
            )


def _read_metadata(path: Path) -> dict[str, Any]:
    """Reads the description of a backup.

    Raises:
        ValueError: If it is damaged, or names a file elsewhere.
    """
    try:
        metadata = json.loads(path.read_text(encoding="utf-8"))
    except (RecursionError, ValueError) as error:
        raise ValueError(f"{path}: not the description of a backup: {error}") from error
    kinds = {"stem": str, "epoch": int, "batch": int, "number": int, "callbacks": list}
    if not isinstance(metadata, dict) or not all(
        type(metadata.get(key)) is kind for key, kind in kinds.items()
    ):
        raise ValueError(f"{path}: not the description of a backup.")
    if Path(metadata["stem"]).name != metadata["stem"]:
        raise ValueError(f"{path}: names a file elsewhere: {metadata['stem']!r}")
    return metadata


def _read_arrays(path: Path) -> dict[str, Any]:
    """Reads the arrays of a backup.

    Raises:
        ValueError: If the file is damaged.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {key: arrays[key] for key in arrays.files}
    except (
        BadZipFile,
        zlib.error,
        EOFError,
        KeyError,
        MemoryError,
        TypeError,
        ValueError,
    ) as error:
        raise ValueError(f"{path}: not the arrays of a backup: {error}") from error


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)
