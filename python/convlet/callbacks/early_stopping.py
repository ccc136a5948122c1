"""EarlyStopping: ends training when a result no longer improves."""

from __future__ import annotations

import warnings
from typing import Any

from convlet.callbacks.callback import Logs
from convlet.callbacks.monitor_callback import MonitorCallback
from convlet.utils.interactive import print_message
from convlet.utils.validation import check_bool, check_integer


class EarlyStopping(MonitorCallback):
    """Ends training when a result no longer improves.

    Args:
        monitor: Key of the logs.
        min_delta: What does not count as an improvement.
        patience: Number of epochs without improvement after which training ends.
        verbose: 0 for silence, 1 for messages.
        mode: `"min"`, `"max"`, or `"auto"` for the direction that goes with the metric.
        baseline: Result that must be beaten for the patience to start anew, or `None`.
        restore_best_weights: Whether to bring back the weights of the best epoch at the end of
            training, also when it was not ended early.
        start_from_epoch: Number of epochs, at the start, that do not count.

    Attributes:
        stopped_epoch: Epoch after which training was ended, counted from 0; 0 if it was not.
        best_epoch: The best epoch, counted from 0.
        best_weights: Its weights, or `None`.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        self.patience = check_integer("patience", patience, 0)
        self.verbose = verbose
        self.baseline = baseline
        self.restore_best_weights = check_bool("restore_best_weights", restore_best_weights)
        self.start_from_epoch = check_integer("start_from_epoch", start_from_epoch, 0)
        self.wait = 0
        self.stopped_epoch = 0
        self.best_epoch = 0
        self.best_weights: list[Any] | None = None

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self.wait = 0
        self.stopped_epoch = 0
        self.best = None
        self.best_epoch = 0
        self.best_weights = None

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.settle_direction()
        current = self.result(logs)
        if current is None:
            warnings.warn(
                f"Early stopping conditioned on metric `{self.monitor}` which is not available. "
                f"Available metrics are: {','.join(logs or {})}",
                stacklevel=2,
            )
        if current is None or epoch < self.start_from_epoch or self.model is None:
            return
        if self.restore_best_weights and self.best_weights is None:
            self.best_weights, self.best_epoch = self.model.get_weights(), epoch
        self.wait += 1
        if self.is_improvement(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            if self.baseline is None or self.is_improvement(current, self.baseline):
                self.wait = 0
        elif self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        if self.stopped_epoch > 0 and self.verbose > 0:
            print_message(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None and self.model is not None:
            if self.verbose > 0:
                print_message(
                    "Restoring model weights from the end of the best epoch: "
                    f"{self.best_epoch + 1}."
                )
            self.model.set_weights(self.best_weights)

    def get_state(self) -> dict[str, Any]:
        return {
            **super().get_state(),
            "wait": self.wait,
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
        }
