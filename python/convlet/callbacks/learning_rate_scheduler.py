"""LearningRateScheduler: sets the learning rate at the start of each epoch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from convlet.callbacks.callback import Callback, Logs
from convlet.utils.interactive import print_message

if TYPE_CHECKING:
    from convlet.optimizers import Optimizer


def optimizer_of(callback: Callback) -> Optimizer:
    """Returns the optimizer of a callback's model.

    Raises:
        ValueError: If the model has none.
    """
    optimizer = None if callback.model is None else callback.model.optimizer
    if optimizer is None:
        raise ValueError(f"{type(callback).__name__} needs a model that has been compiled.")
    return optimizer


class LearningRateScheduler(Callback):
    """Sets the learning rate at the start of each epoch.

    It adds `learning_rate` to the logs.

    Args:
        schedule: Function of the epoch, counted from 0, and the present learning rate, or of the
            epoch alone; it returns a float.
        verbose: 0 for silence, 1 for messages.

    Raises:
        ValueError: If `schedule` is not a function.
    """

    def __init__(self, schedule: Callable[..., float], verbose: int = 0) -> None:
        super().__init__()
        if not callable(schedule):
            raise ValueError(f"`schedule` must be a function. Received: {schedule!r}")
        self.schedule = schedule
        self.verbose = verbose

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        optimizer = optimizer_of(self)
        if _takes_two(self.schedule):
            learning_rate = self.schedule(epoch, float(optimizer.learning_rate))
        else:
            learning_rate = self.schedule(epoch)
        if not isinstance(learning_rate, (float, np.float32, np.float64)):
            raise ValueError(
                f"The output of the `schedule` function should be a float. Got: {learning_rate}"
            )
        optimizer.learning_rate = float(learning_rate)
        if self.verbose > 0:
            print_message(
                f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to "
                f"{learning_rate}."
            )

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:  # noqa: ARG002
        if logs is not None:
            logs["learning_rate"] = float(optimizer_of(self).learning_rate)


def _takes_two(function: Callable[..., float]) -> bool:
    try:
        inspect.signature(function).bind(0, 0.0)
    except TypeError:
        return False
    except ValueError:  # it has no signature, as some built-in functions
        pass
    return True
