"""Callback: the base class of the callbacks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from convlet.trainer import Trainer

Logs: TypeAlias = dict[str, Any]


class Callback:
    """Base class of the callbacks: override the hooks you need.

    `logs` is a dictionary of Python floats, with its keys in alphabetical order. In a batch hook
    they are the means over the epoch so far. Overriding a batch hook makes training return to
    Python after every batch; without one, batches run many at a time.

    Attributes:
        params: Dictionary with `"verbose"`, `"epochs"` and `"steps"`.
        model: The model.
    """

    # Whether it comes behind all others of a list, whatever its place there.
    COMES_LAST = False
    # Whether it does nothing but write files: where several processes train together, the first
    # one's alone is called.
    ONLY_WRITES = False

    def __init__(self) -> None:
        self.params: dict[str, Any] | None = None
        self._model: Trainer | None = None

    @property
    def model(self) -> Trainer | None:
        return self._model

    def set_params(self, params: dict[str, Any]) -> None:
        """Called once, before everything else."""
        self.params = params

    def set_model(self, model: Trainer) -> None:
        """Called once, before everything else."""
        self._model = model

    def set_companions(self, callbacks: Sequence[Callback]) -> None:
        """Called once, before everything else, with all callbacks of this training."""

    def get_state(self) -> dict[str, Any]:
        """Returns what training has changed and `BackupAndRestore` should save, by name.

        Values may be numbers, `None`, arrays and lists of arrays.
        """
        return {}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Sets what `get_state` has returned."""
        for name, value in state.items():
            setattr(self, name, value)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Called at the start of `fit`; `logs` is empty."""

    def on_train_end(self, logs: Logs | None = None) -> None:
        """Called at the end of `fit`, with the logs of the last epoch."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        """Called at the start of an epoch, counted from 0; `logs` is empty."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Called at the end of an epoch; `logs` has the validation results too (`val_...`)."""

    def on_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of `on_train_batch_begin`, from older versions of Keras."""

    def on_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Another name of `on_train_batch_end`, from older versions of Keras."""

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a batch of `fit`, counted from 0 in each epoch; `logs` is empty."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a batch of `fit`."""
        self.on_batch_end(batch, logs=logs)

    def on_test_begin(self, logs: Logs | None = None) -> None:
        """Called at the start of `evaluate`, also inside `fit`; `logs` is empty."""

    def on_test_end(self, logs: Logs | None = None) -> None:
        """Called at the end of `evaluate`, also inside `fit`."""

    def on_test_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a batch of `evaluate`; `logs` is empty."""

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a batch of `evaluate`."""

    def on_predict_begin(self, logs: Logs | None = None) -> None:
        """Called at the start of `predict`; `logs` is empty."""

    def on_predict_end(self, logs: Logs | None = None) -> None:
        """Called at the end of `predict`; `logs` is empty."""

    def on_predict_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Called before a batch of `predict`; `logs` is empty."""

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Called after a batch of `predict`; `logs["outputs"]` has the predictions."""


HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))
