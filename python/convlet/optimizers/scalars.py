"""The numbers of an optimizer that are variables in Keras, and so have the methods of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from convlet.optimizers.optimizer import Optimizer


class LearningRate(float):
    """A learning rate; `assign` changes the optimizer's, this number stays what it is."""

    _optimizer: Optimizer

    @classmethod
    def of(cls, optimizer: Optimizer, value: float) -> LearningRate:
        """Returns the value as a number whose `assign` reaches the optimizer."""
        rate = cls(value)
        rate._optimizer = optimizer
        return rate

    @property
    def value(self) -> float:
        """The same as a plain number."""
        return float(self)

    def numpy(self) -> np.float32:
        """Returns the value as Keras's variable does."""
        return np.float32(self)

    def assign(self, value: float) -> None:
        """Sets the optimizer's learning rate.

        Raises:
            TypeError: If it has a schedule.
            ValueError: If the value has no meaning.
        """
        self._optimizer.learning_rate = value

    def __reduce__(self) -> tuple[Any, ...]:
        return float, (float(self),)  # a copy is a number like any other


class Count(int):
    """A number of steps."""

    @property
    def value(self) -> int:
        """The same as a plain number."""
        return int(self)

    def numpy(self) -> np.int64:
        """Returns the value as Keras's variable does."""
        return np.int64(self)
