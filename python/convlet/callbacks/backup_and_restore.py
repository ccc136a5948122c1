"""BackupAndRestore: goes on with a training that was interrupted, as if nothing had happened."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from convlet._atomic_write import atomic_write, naming, remove_abandoned_parts
from convlet.callbacks.callback import Callback, Logs
from convlet.callbacks.model_checkpoint import BatchCounter
from convlet.utils.random_snapshot import (
    Snapshot,
    check_snapshot,
    restore_snapshot,
    take_snapshot,
)
from convlet.utils.validation import check_bool, check_integer

_METADATA = "training_metadata.json"
_PREVIOUS = f"{_METADATA}.bkp"
# In the order in which they are removed: what names others goes before them.
_OWN_FILES = (_PREVIOUS, _METADATA, "backup-*.weights.h5", "backup-*.npz")


class BackupAndRestore(Callback):
    """Saves all that training depends on, and starts from there when `fit` is called again.

    A process that was killed is simply started anew with the same program and data: it ends with
    the weights, to the bit, that it would have had. Saved are weights and optimizer, epoch and
    batch, the results so far of the epoch, random number generators (and so the order of the rows),
    and what callbacks such as `EarlyStopping` count.

    A backup is complete or not there: a file with everything but the weights names the file with
    the weights, and takes the place of its predecessor at one stroke. Where it cannot be written,
    `fit` raises an OSError that names the file, and the one before is still there.

    Args:
        backup_dir: Directory for the backup, which no other training may use.
        save_freq: `"epoch"`, or a number of batches.
        double_checkpoint: Whether to keep the last but one backup too, for when the last one cannot
            be read.
        delete_checkpoint: Whether to remove the backup when training is complete.

    Raises:
        ValueError: If an argument has no meaning.
    """

    # The others have begun, or counted the epoch, by then.
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
        model: Any = self.model
        metadata = self._load_newest() if model.processes.is_first else None
        if model.processes.size > 1:
            metadata = model.processes.from_first(metadata)
        if metadata is None:
            return
        if model.processes.size > 1:
            model.prepare_training()
            model.share_state()
        self._go_on(metadata)

    def _load_newest(self) -> dict[str, Any] | None:
        try:
            return self._load(_METADATA)
        except (OSError, ValueError):
            previous = self._directory / _PREVIOUS
            if not previous.exists():
                raise
            metadata = self._load(_PREVIOUS)
            # It is the last one from now on, lest the broken one take its place.
            _write(self._directory / _METADATA, previous.read_bytes())
            return metadata

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._epoch = epoch
        if self._restored is not None and self.model is not None:
            restore_snapshot(self._restored["epoch_random"])
            self._random_of_batch = self._restored["random"]
            self.model.resume_results = self._restored["results"]
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
        if self.delete_checkpoint and self._writes():
            for pattern in _OWN_FILES:
                for path in self._directory.glob(pattern):
                    path.unlink()
            remove_abandoned_parts(self._directory, older_than=0)  # no other training uses it
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
        if not self._writes():
            return
        with naming(self._directory):
            self._directory.mkdir(parents=True, exist_ok=True)
        remove_abandoned_parts(self._directory, older_than=0)
        self._number += 1
        try:
            self._write_backup(f"backup-{self._number}", epoch, batch)
        finally:
            self._remove_unnamed()

    def _writes(self) -> bool:
        """Whether this is the one of the processes that train together that writes files."""
        return self.model is None or self.model.processes.is_first

    def _write_backup(self, stem: str, epoch: int, batch: int) -> None:
        model: Any = self.model
        arrays: dict[str, Any] = {}
        states = [
            [type(callback).__name__, _packed(callback.get_state(), arrays)]
            for callback in self._companions
        ]
        results = [_packed(state, arrays) for state in model.results_so_far()] if batch else []
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
            "results": results,
        }
        path = self._directory / _METADATA
        if self.double_checkpoint and path.exists():
            _write(self._directory / _PREVIOUS, path.read_bytes())
        _write(path, json.dumps(metadata).encode())

    def _remove_unnamed(self) -> None:
        """Removes the files of older backups, and of one that could not be completed."""
        named = (_METADATA, _PREVIOUS) if self.double_checkpoint else (_METADATA,)
        paths = [self._directory / name for name in named]
        try:
            stems = [json.loads(path.read_bytes())["stem"] for path in paths if path.exists()]
        except (OSError, ValueError, KeyError):
            return  # what cannot be read may name any of them
        for old in self._directory.glob("backup-*"):
            if not any(old.name.startswith(f"{stem}.") for stem in stems):
                with contextlib.suppress(OSError):
                    old.unlink()

    # Reading

    def _load(self, name: str) -> dict[str, Any] | None:
        """Reads a backup, if there is one, and the model's weights and optimizer in it.

        The model comes last: what is damaged has been noticed by then.

        Returns:
            What else there is in it, for `_go_on`.
        """
        path = self._directory / name
        if not path.exists():
            return None
        metadata = _read_metadata(path)
        stem = metadata["stem"]
        arrays_path = self._directory / f"{stem}.npz"
        arrays = _read_arrays(arrays_path) if arrays_path.exists() else {}
        try:
            for item in metadata["callbacks"]:
                item[1] = _unpacked(item[1], arrays)
            metadata["results"] = [
                _unpacked(state, arrays) for state in metadata.get("results", ())
            ]
            if metadata["batch"]:
                _check_totals(metadata["results"][0])
            self._set_states(metadata["callbacks"])
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: does not fit its arrays: {error!r}") from error
        model: Any = self.model
        model.prepare_training()  # the optimizer's state needs its place
        model.load_weights(self._directory / f"{stem}.weights.h5")
        return metadata

    def _go_on(self, metadata: dict[str, Any]) -> None:
        """Sets what must be set before the first epoch, but for the model's weights."""
        model: Any = self.model
        if not self._writes():
            self._set_states(metadata["callbacks"])
        model.resume_at = metadata["epoch"], metadata["batch"]
        self._number = metadata["number"]
        self._batches.last = metadata["batch"] - 1
        if metadata["batch"]:
            self._restored = metadata
        else:
            restore_snapshot(metadata["random"])

    def _set_states(self, states: list[Any]) -> None:
        waiting = list(states)
        for callback in self._companions:
            saved = next((item for item in waiting if item[0] == type(callback).__name__), None)
            if saved is None:
                continue  # it was not there when the backup was made
            waiting.remove(saved)
            callback.set_state(saved[1])


def _packed(state: Mapping[str, Any], arrays: dict[str, Any]) -> dict[str, Any]:
    """Returns a state as JSON can hold it, and adds its arrays to `arrays`."""

    def kept(array: Any) -> str:
        arrays[key := f"a{len(arrays)}"] = array
        return key

    packed = dict(state)
    for name, value in state.items():
        if isinstance(value, np.ndarray):
            packed[name] = {"array": kept(value)}
        elif isinstance(value, list):
            packed[name] = {"arrays": [kept(array) for array in value]}
        elif isinstance(value, np.generic):
            packed[name] = value.item()
    return packed


def _unpacked(state: Mapping[str, Any], arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what `_packed` was given."""
    unpacked = dict(state)
    for name, value in state.items():
        if isinstance(value, dict):
            listed = [arrays[key] for key in value.get("arrays", ())]
            unpacked[name] = arrays[value["array"]] if "array" in value else listed
    return unpacked


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
    if min(metadata["epoch"], metadata["batch"], metadata["number"]) < 0:
        raise ValueError(f"{path}: not the description of a backup: a number is negative.")
    try:
        for key in ("random", "epoch_random") if metadata["batch"] else ("random",):
            check_snapshot(metadata.get(key))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
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


def _check_totals(results: Mapping[str, Any]) -> None:
    """Raises an error if these are not what a model's `results_so_far` begins with."""
    for name in ("rows", "weight", "loss", "metrics"):
        np.asarray(results[name], np.float64)


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)
