"""TensorBoard: writes the results of training for the program of that name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from convlet.callbacks.callback import Callback, Logs
from convlet.callbacks.learning_rate_scheduler import optimizer_of
from convlet.utils.event_file import EventFile
from convlet.utils.validation import check_integer, refuse_unsupported

if TYPE_CHECKING:
    from convlet.trainer import Trainer


class TensorBoard(Callback):
    """Writes results as curves for TensorBoard: `tensorboard --logdir=logs`.

    Needs tensorboard: `pip install 'convlet[tensorboard]'`.

    Names and steps are Keras's: `epoch_loss` and the learning rate in `train`, results of
    validation in `validation`, and there `evaluation_loss_vs_iterations` after each evaluation.

    Args:
        log_dir: Directory of the files.
        histogram_freq: 0; nothing else is supported.
        write_graph: Accepted, without a meaning here: there is no TensorFlow graph to draw.
        write_images: `False`; nothing else is supported.
        write_steps_per_second: `False`; nothing else is supported.
        update_freq: `"epoch"`; or a number of batches (`"batch"` for 1), after each so many of
            which `batch_loss` and the others are written too.
        profile_batch: 0; nothing else is supported.
        embeddings_freq: 0; nothing else is supported.
        embeddings_metadata: `None`; nothing else is supported.

    Raises:
        ValueError: If an argument is not supported or has no meaning.
        ImportError: If tensorboard is not installed.
    """

    ONLY_WRITES = True

    def __init__(
        self,
        log_dir: str | os.PathLike[str] = "logs",
        histogram_freq: int = 0,
        write_graph: bool = True,
        write_images: bool = False,
        write_steps_per_second: bool = False,
        update_freq: int | str = "epoch",
        profile_batch: Any = 0,
        embeddings_freq: int = 0,
        embeddings_metadata: Any = None,
    ) -> None:
        super().__init__()
        refuse_unsupported(
            "TensorBoard",
            {
                "histogram_freq": (histogram_freq, 0),
                "write_images": (write_images, False),
                "write_steps_per_second": (write_steps_per_second, False),
                "profile_batch": (profile_batch, 0),
                "embeddings_freq": (embeddings_freq, 0),
                "embeddings_metadata": (embeddings_metadata, None),
            },
        )
        del write_graph
        self.log_dir = os.fspath(log_dir)
        if update_freq == "batch":
            update_freq = 1
        self.update_freq = update_freq
        self._batches = 0
        if update_freq != "epoch":
            self.update_freq = check_integer("update_freq", update_freq, 1)
            # Only now: a batch hook makes training return to Python after every batch.
            self.on_train_batch_end = self._write_batch  # type: ignore[method-assign]
        self._files = self._new_files()

    def set_model(self, model: Trainer) -> None:
        super().set_model(model)
        self._files = self._new_files()

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._batches = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        training: Logs = {"learning_rate": float(optimizer_of(self).learning_rate)}
        validation: Logs = {}
        for name, value in (logs or {}).items():
            is_validation = name.startswith("val_")
            (validation if is_validation else training)[name.removeprefix("val_")] = value
        self._write("train", "epoch_{}", training, epoch)
        self._write("validation", "epoch_{}", validation, epoch)

    def on_test_end(self, logs: Logs | None = None) -> None:
        steps = optimizer_of(self).iterations
        self._write("validation", "evaluation_{}_vs_iterations", logs or {}, steps)

    def _new_files(self) -> dict[str, EventFile]:
        return {name: EventFile(Path(self.log_dir) / name) for name in ("train", "validation")}

    def _write_batch(self, batch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._batches += 1
        if self._batches % int(self.update_freq) == 0:
            self._write("train", "batch_{}", logs or {}, self._batches)

    def _write(self, directory: str, name: str, results: Mapping[str, Any], step: int) -> None:
        if not results:
            return
        numbers = {
            name.format(key): float(np.asarray(value).item()) for key, value in results.items()
        }
        self._files[directory].write(numbers, step)
