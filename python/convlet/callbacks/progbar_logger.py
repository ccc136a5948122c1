"""ProgbarLogger: a progress bar of its own."""

from __future__ import annotations

from typing import Any

from convlet.callbacks.callback import Callback, Logs
from convlet.progress import Progress, make_progress


class ProgbarLogger(Callback):
    """Shows progress as `verbose` asks for.

    `fit`, `evaluate` and `predict` show it by themselves; this is for a list of callbacks that is
    used without them. It is called after every batch.
    """

    ONLY_WRITES = True

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None
        self._in_fit = False

    def on_train_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._in_fit = True

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._begin(epoch)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self._update(batch, logs)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._end(logs)

    def on_train_end(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._in_fit = False

    def on_test_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        if not self._in_fit:
            self._begin()

    def on_test_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._update(batch, logs)

    def on_test_end(self, logs: Logs | None = None) -> None:
        if not self._in_fit:
            self._end(logs)

    def on_predict_begin(self, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._begin()

    def on_predict_batch_end(self, batch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        self._update(batch, None)

    def on_predict_end(self, logs: Logs | None = None) -> None:
        self._end(logs)

    def _begin(self, epoch: int = 0) -> None:
        params: dict[str, Any] = self.params or {}
        if self._progress is None or epoch == 0:
            self._progress = make_progress(
                params.get("verbose", 1), params.get("steps") or 1, params.get("epochs", 1)
            )
        self._progress.begin(epoch)

    def _update(self, batch: int, logs: Logs | None) -> None:
        if self._progress is not None:
            self._progress.update(batch + 1, logs or {})

    def _end(self, logs: Logs | None) -> None:
        if self._progress is not None:
            self._progress.end(logs or {})
