"""ModelCheckpoint: saves the model, or its weights, while it is trained."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convlet.callbacks.callback import Logs
from convlet.callbacks.monitor_callback import MonitorCallback
from convlet.utils.interactive import print_message
from convlet.utils.validation import check_bool, check_integer


class ModelCheckpoint(MonitorCallback):
    """Saves the model, or its weights, at the end of every epoch or after so many batches.

    Args:
        filepath: Path of the file. It may contain fields that are filled in: `{epoch}`, counted
            from 1, `{batch}` with an integer `save_freq`, and keys of the logs, as in
            `"{epoch:02d}-{val_loss:.2f}.keras"`. Missing directories are made.
        monitor: Key of the logs that tells which model is best.
        verbose: 0 for silence, 1 for messages.
        save_best_only: Whether to save only when the result is better than ever before.
        save_weights_only: Whether to save the weights alone, to a file `.weights.h5`.
        mode: `"min"`, `"max"`, or `"auto"` for the direction that goes with the metric.
        save_freq: `"epoch"`, or a number of batches.
        initial_value_threshold: Result that must be beaten at first, or `None`.

    Raises:
        ValueError: If an argument has no meaning, or the name of the file a wrong ending.
    """

    ONLY_WRITES = True

    def __init__(
        self,
        filepath: str | os.PathLike[str],
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: str | int = "epoch",
        initial_value_threshold: float | None = None,
    ) -> None:
        super().__init__(monitor, mode, initial_value_threshold)
        self.filepath = os.fspath(filepath)
        self.verbose = verbose
        self.save_best_only = check_bool("save_best_only", save_best_only)
        self.save_weights_only = check_bool("save_weights_only", save_weights_only)
        self.save_freq = checked_save_freq(save_freq)
        self._check_ending()
        self._batches = BatchCounter(self.save_freq)
        self._epoch = 0
        if self.save_freq != "epoch":
            # Only now: a batch hook makes training return to Python after every batch.
            self.on_train_batch_end = self._save_after_batch  # type: ignore[method-assign]

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.settle_direction()
        if self.save_freq == "epoch":
            self._save(epoch, None, logs or {})

    def get_state(self) -> dict[str, Any]:
        batches = self._batches
        return {**super().get_state(), "batches": batches.seen, "last_batch": batches.last}

    def set_state(self, state: Mapping[str, Any]) -> None:
        self.best = state["best"]
        self._batches.seen, self._batches.last = state["batches"], state["last_batch"]

    def _save_after_batch(self, batch: int, logs: Logs | None = None) -> None:
        if self._batches.is_due(batch):
            self._save(self._epoch, batch, logs or {})

    def _save(self, epoch: int, batch: int | None, logs: Logs) -> None:
        path = self._path(epoch, batch, logs)
        if self.model is None or not self._is_wanted(epoch, logs, path):
            return
        if Path(path).is_dir():
            raise IsADirectoryError(
                "Please specify a non-directory filepath for ModelCheckpoint. Filepath used is an "
                f"existing directory: {path}"
            )
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        model: Any = self.model
        if self.save_weights_only:
            model.save_weights(path, overwrite=True)
        else:
            model.save(path, overwrite=True)
        if self.verbose > 0:
            print_message(f"\nEpoch {epoch + 1}: finished saving model to {path}")

    def _is_wanted(self, epoch: int, logs: Logs, path: str) -> bool:
        """Tells whether this is a model to save, and in `verbose` mode the user as well."""
        if not self.save_best_only:
            self._say(epoch, f"saving model to {path}")
            return True
        current = self.result(logs)
        if current is None:
            warnings.warn(f"Can save best model only with {self.monitor} available.", stacklevel=4)
            return True
        best = "None" if self.best is None else f"{self.best:.5f}"
        if not self.is_improvement(current, self.best):
            self._say(epoch, f"{self.monitor} did not improve from {best}")
            return False
        self._say(
            epoch, f"{self.monitor} improved from {best} to {current:.5f}, saving model to {path}"
        )
        self.best = current
        return True

    def _say(self, epoch: int, message: str) -> None:
        if self.verbose > 0:
            print_message(f"\nEpoch {epoch + 1}: {message}")

    def _path(self, epoch: int, batch: int | None, logs: Logs) -> str:
        fields: dict[str, Any] = {"epoch": epoch + 1, **logs}
        if batch is not None:
            fields.setdefault("batch", batch + 1)
        try:
            return self.filepath.format(**fields)
        except KeyError as error:
            raise KeyError(
                f'Failed to format this callback filepath: "{self.filepath}". Reason: {error}'
            ) from error

    def _check_ending(self) -> None:
        if self.save_weights_only:
            if not self.filepath.endswith(".weights.h5"):
                raise ValueError(
                    "When using `save_weights_only=True` in `ModelCheckpoint`, the filepath "
                    "provided must end in `.weights.h5` (Keras weights format). Received: "
                    f"filepath={self.filepath}"
                )
        elif not self.filepath.endswith((".keras", ".h5")):
            raise ValueError(
                "The filepath provided must end in `.keras` (Keras model format). Received: "
                f"filepath={self.filepath}"
            )


class BatchCounter:
    """Tells after which batches `save_freq` asks for a file.

    Args:
        save_freq: `"epoch"`, or a number of batches.
    """

    def __init__(self, save_freq: str | int) -> None:
        self._save_freq = save_freq
        # Batches since the last file, and the number of the last one.
        self.seen = 0
        self.last: int | None = None

    def is_due(self, batch: int) -> bool:
        """Counts the batches up to this one, whose number starts at 0 in every epoch."""
        before = -1 if self.last is None or batch <= self.last else self.last
        self.seen += batch - before
        self.last = batch
        if isinstance(self._save_freq, str) or self.seen < self._save_freq:
            return False
        self.seen = 0
        return True


def checked_save_freq(save_freq: Any) -> str | int:
    """Returns `"epoch"` or the number of batches, or raises ValueError."""
    if save_freq == "epoch":
        return "epoch"
    if not isinstance(save_freq, int) or isinstance(save_freq, bool):
        raise ValueError(
            f"Unrecognized save_freq: {save_freq}. Expected save_freq are 'epoch' or integer values"
        )
    return check_integer("save_freq", save_freq, 1)
