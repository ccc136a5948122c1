"""ReduceLROnPlateau: makes the steps smaller when a result no longer improves."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from convlet.callbacks.callback import Logs
from convlet.callbacks.learning_rate_scheduler import optimizer_of
from convlet.callbacks.monitor_callback import MonitorCallback
from convlet.utils.interactive import print_message
from convlet.utils.validation import check_integer, check_real


class ReduceLROnPlateau(MonitorCallback):
    """Makes the learning rate smaller when a result no longer improves.

    It adds `learning_rate`, as it was in the epoch, to the logs.

    Args:
        monitor: Key of the logs.
        factor: What the learning rate is multiplied by, below 1.
        patience: Number of epochs without improvement after which that happens.
        verbose: 0 for silence, 1 for messages.
        mode: `"min"`, `"max"`, or `"auto"` for the direction that goes with the metric.
        min_delta: What does not count as an improvement.
        cooldown: Number of epochs to wait after a change before counting again.
        min_lr: Smallest learning rate.

    Raises:
        ValueError: If an argument has no meaning.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0.0,
    ) -> None:
        super().__init__(monitor, mode, min_delta=min_delta)
        if check_real("factor", factor, 0.0) >= 1.0:
            raise ValueError(
                f"ReduceLROnPlateau does not support a factor >= 1.0. Received factor={factor}"
            )
        self.factor = factor
        self.patience = check_integer("patience", patience, 0)
        self.verbose = verbose
        self.cooldown = check_integer("cooldown", cooldown, 0)
        self.min_lr = check_real("min_lr", min_lr, 0.0)
        self.cooldown_counter = 0
        self.wait = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self.best = None
        self.cooldown_counter = 0
        self.wait = 0

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.settle_direction()
        logs = {} if logs is None else logs
        logs["learning_rate"] = float(optimizer_of(self).learning_rate)
        current = self.result(logs)
        if current is None:
            warnings.warn(
                f"Learning rate reduction is conditioned on metric `{self.monitor}` which is not "
                f"available. Available metrics are: {','.join(logs)}.",
                stacklevel=2,
            )
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.is_improvement(current, self.best):
            self.best, self.wait = current, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def in_cooldown(self) -> bool:
        """Tells whether the last change was so short a time ago that epochs do not count yet."""
        return self.cooldown_counter > 0

    def get_state(self) -> dict[str, Any]:
        return {
            **super().get_state(),
            "cooldown_counter": self.cooldown_counter,
            "wait": self.wait,
        }

    def _reduce(self, epoch: int) -> None:
        optimizer = optimizer_of(self)
        old = float(optimizer.learning_rate)
        if old <= np.float32(self.min_lr):
            return
        new = max(old * self.factor, self.min_lr)
        optimizer.learning_rate = new
        if self.verbose > 0:
            print_message(
                f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {new}."
            )
        self.cooldown_counter, self.wait = self.cooldown, 0
