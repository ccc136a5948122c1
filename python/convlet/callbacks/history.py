"""History: what `fit` returns."""

from __future__ import annotations

from typing import Any

from convlet.callbacks.callback import Callback, Logs


class History(Callback):
    """Records the logs of every epoch; `fit` returns one.

    Attributes:
        history: Dictionary from each key of the logs to the list of its values.
        epoch: List of the numbers of the epochs, from 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.epoch.append(epoch)
        for key, value in (logs or {}).items():
            self.history.setdefault(key, []).append(value)
