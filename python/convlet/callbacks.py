"""Callbacks: the caller's own code inside `fit`, `evaluate` and `predict`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from convlet.utils.validation import suggestion

if TYPE_CHECKING:
    from convlet.trainer import Trainer

__all__ = ["Callback", "CallbackList", "History", "LambdaCallback"]

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


_HOOKS = tuple(name for name in vars(Callback) if name.startswith("on_"))


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


class LambdaCallback(Callback):
    """A callback made of functions.

    Args:
        on_epoch_begin: Called with `(epoch, logs)`.
        on_epoch_end: Called with `(epoch, logs)`.
        on_train_begin: Called with `(logs)`.
        on_train_end: Called with `(logs)`.
        on_train_batch_begin: Called with `(batch, logs)`.
        on_train_batch_end: Called with `(batch, logs)`.
        **kwargs: Functions for other hooks of `Callback`, by name.

    Raises:
        ValueError: If a name is not that of a hook, or a value cannot be called.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        on_train_batch_begin: Callable[..., Any] | None = None,
        on_train_batch_end: Callable[..., Any] | None = None,
        **kwargs: Callable[..., Any],
    ) -> None:
        super().__init__()
        functions = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **kwargs,
        }
        for name, function in functions.items():
            if name not in _HOOKS:
                hint = suggestion(name, _HOOKS)
                raise ValueError(f"Unrecognized hook passed to LambdaCallback: {name}{hint}")
            if function is None:
                continue
            if not callable(function):
                raise ValueError(f"`{name}` must be a function. Received: {function!r}")
            setattr(self, name, function)


class CallbackList:
    """Calls a hook of every callback of a list, in order.

    Args:
        callbacks: A callback, a list of them, or `None`.
        add_history: Whether to add a `History` if the list has none.
        model: The model that the callbacks see.
        **params: What the callbacks see as `params`.

    Raises:
        ValueError: If something in the list is not a `Callback`.
    """

    def __init__(
        self,
        callbacks: Callback | Iterable[Callback] | None = None,
        add_history: bool = False,
        model: Trainer | None = None,
        **params: Any,
    ) -> None:
        self.callbacks = _checked(callbacks)
        histories = [callback for callback in self.callbacks if isinstance(callback, History)]
        self.history = histories[-1] if histories else None
        if self.history is None and add_history:
            self.history = History()
            self.callbacks.append(self.history)
        for callback in self.callbacks:
            callback.set_params(params)
            if model is not None:
                callback.set_model(model)

    def overrides(self, *names: str) -> bool:
        """Tells whether any callback has a hook of its own under one of the names."""
        return any(
            getattr(getattr(callback, name), "__func__", None) is not getattr(Callback, name)
            for callback in self.callbacks
            for name in names
        )

    def on_train_begin(self) -> None:
        for callback in self.callbacks:
            callback.on_train_begin({})

    def on_train_end(self, logs: Mapping[str, Any] | None) -> None:
        logs = _sorted(logs)
        for callback in self.callbacks:
            callback.on_train_end(logs)

    def on_epoch_begin(self, epoch: int) -> None:
        for callback in self.callbacks:
            callback.on_epoch_begin(epoch, {})

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any]) -> Logs:
        """Returns the logs, with what the callbacks added: later callbacks see it, at the end."""
        logs = _sorted(logs)
        for callback in self.callbacks:
            callback.on_epoch_end(epoch, logs)
        return logs

    def on_train_batch_begin(self, batch: int) -> None:
        for callback in self.callbacks:
            callback.on_train_batch_begin(batch, logs={})

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any]) -> None:
        logs = _sorted(logs)
        for callback in self.callbacks:
            callback.on_train_batch_end(batch, logs=logs)

    def on_test_begin(self) -> None:
        for callback in self.callbacks:
            callback.on_test_begin({})

    def on_test_end(self, logs: Mapping[str, Any]) -> None:
        logs = _sorted(logs)
        for callback in self.callbacks:
            callback.on_test_end(logs)

    def on_test_batch_begin(self, batch: int) -> None:
        for callback in self.callbacks:
            callback.on_test_batch_begin(batch, logs={})

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any]) -> None:
        logs = _sorted(logs)
        for callback in self.callbacks:
            callback.on_test_batch_end(batch, logs=logs)

    def on_predict_begin(self) -> None:
        for callback in self.callbacks:
            callback.on_predict_begin({})

    def on_predict_end(self) -> None:
        for callback in self.callbacks:
            callback.on_predict_end({})

    def on_predict_batch_begin(self, batch: int) -> None:
        for callback in self.callbacks:
            callback.on_predict_batch_begin(batch, logs={})

    def on_predict_batch_end(self, batch: int, logs: Mapping[str, Any]) -> None:
        logs = dict(logs)
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
