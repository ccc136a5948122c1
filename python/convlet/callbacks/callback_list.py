"""CallbackList: calls the callbacks of a training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from convlet.callbacks.callback import Callback, Logs
from convlet.callbacks.history import History
from convlet.callbacks.progbar_logger import ProgbarLogger
from convlet.distribution.processes import ALONE

if TYPE_CHECKING:
    from convlet.trainer import Trainer


class CallbackList:
    """Calls a hook of every callback of a list, in order.

    Args:
        callbacks: A callback, a list of them, or `None`.
        add_history: Whether to add a `History` if the list has none.
        add_progbar: Whether to add a `ProgbarLogger` if the list has none.
        model: The model that the callbacks see.
        **params: What the callbacks see as `params`.

    Raises:
        ValueError: If something in the list is not a `Callback`.
    """

    def __init__(
        self,
        callbacks: Callback | Iterable[Callback] | None = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Trainer | None = None,
        **params: Any,
    ) -> None:
        self.callbacks = _checked(callbacks)
        histories = [callback for callback in self.callbacks if isinstance(callback, History)]
        self.history = histories[-1] if histories else None
        if self.history is None and add_history:
            self.history = History()
            self.callbacks.append(self.history)
        if add_progbar and not any(isinstance(each, ProgbarLogger) for each in self.callbacks):
            self.callbacks.append(ProgbarLogger())
        if not getattr(model, "processes", ALONE).is_first:
            self.callbacks = [callback for callback in self.callbacks if not callback.ONLY_WRITES]
            for callback in self.callbacks:
                if hasattr(callback, "verbose"):
                    callback.verbose = 0
        self.callbacks.sort(key=lambda callback: callback.COMES_LAST)
        for callback in self.callbacks:
            callback.set_params(params)
            callback.set_companions(self.callbacks)
            if model is not None:
                callback.set_model(model)

    def overrides(self, *names: str) -> bool:
        """Tells whether any callback has a hook of its own under one of the names."""
        return any(
            getattr(getattr(callback, name), "__func__", None) is not getattr(Callback, name)
            for callback in self.callbacks
            for name in names
        )

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        for callback in self.callbacks:
            callback.on_train_begin(dict(logs or {}))

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        logs = _sorted(logs)
        for callback in self.callbacks:
            callback.on_train_end(logs)

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, dict(logs or {}))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> Logs:
        """Returns the logs, with what the callbacks added: later callbacks see it, at the end."""
        logs = _sorted(logs)
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)
        return logs

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        for callback in self.callbacks:
            callback.on_train_batch_begin(batch, logs=dict(logs or {}))

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        logs = _sorted(logs)
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs=logs)

    def on_test_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        for callback in self.callbacks:
            callback.on_test_begin(dict(logs or {}))

    def on_test_end(self, logs: Mapping[str, Any] | None = None) -> None:
        logs = _sorted(logs)
        for callback in self.callbacks:
            callback.on_test_end(logs)

    def on_test_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        for callback in self.callbacks:
            callback.on_test_batch_begin(batch, logs=dict(logs or {}))

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        logs = _sorted(logs)
        for callback in self.callbacks:
            callback.on_test_batch_end(batch, logs=logs)

    def on_predict_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        for callback in self.callbacks:
            callback.on_predict_begin(dict(logs or {}))

    def on_predict_end(self, logs: Mapping[str, Any] | None = None) -> None:
        for callback in self.callbacks:
            callback.on_predict_end(dict(logs or {}))

    def on_predict_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        for callback in self.callbacks:
            callback.on_predict_batch_begin(batch, logs=dict(logs or {}))

    def on_predict_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        logs = dict(logs or {})
        for callback in self.callbacks:
            callback.on_predict_batch_end(batch, logs=logs)


def _checked(callbacks: object) -> list[Callback]:
    if callbacks is None:
        return []
    if isinstance(callbacks, Callback):
        return [callbacks]
    items: list[Any] = list(callbacks) if isinstance(callbacks, Iterable) else [callbacks]
    for item in items:
        if not isinstance(item, Callback):
            raise ValueError(
                "`callbacks` must be a list of `convlet.callbacks.Callback` instances. "
                f"Received: {item!r} (of type {type(item)})"
            )
    return items


def _sorted(logs: Mapping[str, Any] | None) -> Logs:
    return dict(sorted((logs or {}).items()))
