"""LearningRateSchedule and Keras's schedules, in float32 as Keras computes them.

Formulas as in `keras/src/optimizers/schedules/learning_rate_schedule.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet.utils.validation import check_bool, check_real

Rates: TypeAlias = npt.NDArray[np.float32]

_ONE = np.float32(1.0)


class LearningRateSchedule:
    """Base class: a function from the number of steps done to the learning rate.

    A schedule of your own overrides `__call__`, and `get_config` if it is to be saved.
    """

    def __call__(self, step: int) -> Any:
        """Returns the learning rate.

        Args:
            step: Number of steps done, from 0.
        """
        raise NotImplementedError(
            f"Learning rate schedule '{type(self).__name__}' must override `__call__(self, step)`."
        )

    def rates(self, first: int, count: int) -> Rates:
        """Returns the learning rates of `count` steps from step `first` on, as float32."""
        return np.array([check_real("learning_rate", self(first + i)) for i in range(count)], "f4")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal schedule."""
        raise NotImplementedError(
            f"Learning rate schedule '{type(self).__name__}' must override `get_config()` in "
            "order to be serializable."
        )

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> LearningRateSchedule:
        """Makes a schedule from what `get_config` returned."""
        return cls(**config)


class _Formula(LearningRateSchedule):
    """A schedule whose rates for many steps are computed at once."""

    def __call__(self, step: int) -> np.float32:
        return np.float32(self.at(np.asarray(step))[()])

    def rates(self, first: int, count: int) -> Rates:
        return np.asarray(self.at(np.arange(first, first + count)), np.float32)

    def at(self, steps: npt.NDArray[Any]) -> Rates:
        """Returns the learning rates at an array of steps."""
        raise NotImplementedError(f"{type(self).__name__} does not define `at`")


class _Decay(_Formula):
    """A schedule that starts at a learning rate and has a number of steps to decay over."""

    def __init__(self, initial_learning_rate: float, decay_steps: float, name: str) -> None:
        self.initial_learning_rate = check_real("initial_learning_rate", initial_learning_rate)
        self.decay_steps = _check_steps("decay_steps", decay_steps)
        self.name = name

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "decay_steps": self.decay_steps,
            "name": self.name,
        }

    def _fraction(self, steps: npt.NDArray[Any], staircase: bool) -> Rates:
        """Returns `steps / decay_steps`, rounded down for a staircase."""
        fraction = steps.astype(np.float32) / np.float32(self.decay_steps)
        return np.floor(fraction) if staircase else fraction


class ExponentialDecay(_Decay):
    """`initial_learning_rate * decay_rate ** (step / decay_steps)`.

    Args:
        initial_learning_rate: First learning rate.
        decay_steps: Number of steps that `decay_rate` is for, greater than 0.
        decay_rate: Factor.
        staircase: Whether to round `step / decay_steps` down.
        name: Name.

    Raises:
        ValueError: If `decay_steps` is not positive or something is not a number.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "ExponentialDecay",
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.decay_rate = check_real("decay_rate", decay_rate)
        self.staircase = check_bool("staircase", staircase)

    def at(self, steps: npt.NDArray[Any]) -> Rates:
        power = np.float32(self.decay_rate) ** self._fraction(steps, self.staircase)
        return np.asarray(np.float32(self.initial_learning_rate) * power)

    def get_config(self) -> dict[str, Any]:
        own = {"decay_rate": self.decay_rate, "staircase": self.staircase}
        return {**super().get_config(), **own}


class InverseTimeDecay(_Decay):
    """`initial_learning_rate / (1 + decay_rate * step / decay_steps)`.

    Args:
        initial_learning_rate: First learning rate.
        decay_steps: Number of steps that `decay_rate` is for, greater than 0.
        decay_rate: Rate.
        staircase: Whether to round `step / decay_steps` down.
        name: Name.

    Raises:
        ValueError: If `decay_steps` is not positive or something is not a number.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        decay_rate: float,
        staircase: bool = False,
        name: str = "InverseTimeDecay",
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.decay_rate = check_real("decay_rate", decay_rate)
        self.staircase = check_bool("staircase", staircase)

    def at(self, steps: npt.NDArray[Any]) -> Rates:
        divisor = _ONE + np.float32(self.decay_rate) * self._fraction(steps, self.staircase)
        return np.asarray(np.float32(self.initial_learning_rate) / divisor)

    def get_config(self) -> dict[str, Any]:
        own = {"decay_rate": self.decay_rate, "staircase": self.staircase}
        return {**super().get_config(), **own}


class PolynomialDecay(_Decay):
    """`(initial - end) * (1 - step / decay_steps) ** power + end`, for steps up to `decay_steps`.

    Args:
        initial_learning_rate: First learning rate.
        decay_steps: Number of steps to the end, greater than 0.
        end_learning_rate: Last learning rate.
        power: Power of the polynomial.
        cycle: Whether to go on behind `decay_steps` with the first multiple of it that is not
            below the step, rather than to stay at the end.
        name: Name.

    Raises:
        ValueError: If `decay_steps` is not positive or something is not a number.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        end_learning_rate: float = 0.0001,
        power: float = 1.0,
        cycle: bool = False,
        name: str = "PolynomialDecay",
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.end_learning_rate = check_real("end_learning_rate", end_learning_rate)
        self.power = check_real("power", power)
        self.cycle = check_bool("cycle", cycle)

    def at(self, steps: npt.NDArray[Any]) -> Rates:
        steps = steps.astype(np.float32)
        span = np.full_like(steps, self.decay_steps)
        if self.cycle:
            span *= np.where(steps == 0, _ONE, np.ceil(steps / np.float32(self.decay_steps)))
        else:
            steps = np.minimum(steps, span)
        end = np.float32(self.end_learning_rate)
        height = np.float32(self.initial_learning_rate) - end
        return np.asarray(height * (_ONE - steps / span) ** np.float32(self.power) + end)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "end_learning_rate": self.end_learning_rate,
            "power": self.power,
            "cycle": self.cycle,
        }


class CosineDecay(_Decay):
    """Half a cosine from the first learning rate to `alpha` times it, after a linear warm-up.

    `rate * ((1 - alpha) * (1 + cos(pi * step / decay_steps)) / 2 + alpha)`, with `rate` the initial
    learning rate, or after a warm-up `warmup_target` (Loshchilov and Hutter, 2016).

    Args:
        initial_learning_rate: First learning rate.
        decay_steps: Number of steps to decay over, greater than 0.
        alpha: Last learning rate as a share.
        name: Name.
        warmup_target: Learning rate at the end of the warm-up; `None` for no warm-up.
        warmup_steps: Number of steps of the warm-up.

    Raises:
        ValueError: If `decay_steps` is not positive or something is not a number.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: float,
        alpha: float = 0.0,
        name: str = "CosineDecay",
        warmup_target: float | None = None,
        warmup_steps: float = 0,
    ) -> None:
        super().__init__(initial_learning_rate, decay_steps, name)
        self.alpha = check_real("alpha", alpha)
        self.warmup_target = (
            None if warmup_target is None else check_real("warmup_target", warmup_target)
        )
        check_real("warmup_steps", warmup_steps, 0.0)
        self.warmup_steps = warmup_steps

    def at(self, steps: npt.NDArray[Any]) -> Rates:
        steps = steps.astype(np.float32)
        initial = np.float32(self.initial_learning_rate)
        if self.warmup_target is None:
            return self._decayed(initial, steps)
        target, warmup = np.float32(self.warmup_target), np.float32(self.warmup_steps)
        with np.errstate(divide="ignore", invalid="ignore"):  # no steps of warm-up
            rising = (target - initial) * (steps / warmup) + initial
        return np.where(steps < warmup, rising, self._decayed(target, steps - warmup))

    def _decayed(self, rate: np.float32, steps: Rates) -> Rates:
        fraction = np.minimum(steps, np.float32(self.decay_steps)) / np.float32(self.decay_steps)
        cosine = np.float32(0.5) * (_ONE + np.cos(np.float32(math.pi) * fraction))
        alpha = np.float32(self.alpha)
        return np.asarray(rate * (np.float32(1.0 - self.alpha) * cosine + alpha))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "alpha": self.alpha,
            "warmup_target": self.warmup_target,
            "warmup_steps": self.warmup_steps,
        }


class CosineDecayRestarts(_Formula):
    """`CosineDecay` again and again, in periods that change by `t_mul` and heights by `m_mul`.

    Args:
        initial_learning_rate: First learning rate.
        first_decay_steps: Length of the first period, greater than 0.
        t_mul: Factor from the length of one period to that of the next.
        m_mul: Factor from the first learning rate of one period to that of the next.
        alpha: Last learning rate of a period as a share of `initial_learning_rate`.
        name: Name.

    Raises:
        ValueError: If `first_decay_steps` is not positive or something is not a number.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        first_decay_steps: float,
        t_mul: float = 2.0,
        m_mul: float = 1.0,
        alpha: float = 0.0,
        name: str = "SGDRDecay",
    ) -> None:
        self.initial_learning_rate = check_real("initial_learning_rate", initial_learning_rate)
        self.first_decay_steps = _check_steps("first_decay_steps", first_decay_steps)
        self.t_mul = check_real("t_mul", t_mul)
        self.m_mul = check_real("m_mul", m_mul)
        self.alpha = check_real("alpha", alpha)
        self.name = name

    def at(self, steps: npt.NDArray[Any]) -> Rates:
        fraction = steps.astype(np.float32) / np.float32(self.first_decay_steps)
        restarts, fraction = self._restarts(fraction)
        height = np.float32(0.5) * np.float32(self.m_mul) ** restarts
        cosine = height * (_ONE + np.cos(np.float32(math.pi) * fraction))
        alpha = np.float32(self.alpha)
        decayed = (_ONE - alpha) * cosine + alpha
        return np.asarray(np.float32(self.initial_learning_rate) * decayed)

    def _restarts(self, fraction: Rates) -> tuple[Rates, Rates]:
        """Returns the number of the period, and how much of it is over."""
        t_mul = np.float32(self.t_mul)
        if t_mul == 1.0:
            whole = np.floor(fraction)
            return whole, fraction - whole
        restarts = np.floor(np.log(_ONE - fraction * (_ONE - t_mul)) / np.log(t_mul))
        before = (_ONE - t_mul**restarts) / (_ONE - t_mul)
        return restarts, (fraction - before) / t_mul**restarts

    def get_config(self) -> dict[str, Any]:
        return {
            "initial_learning_rate": self.initial_learning_rate,
            "first_decay_steps": self.first_decay_steps,
            "t_mul": self.t_mul,
            "m_mul": self.m_mul,
            "alpha": self.alpha,
            "name": self.name,
        }


class PiecewiseConstantDecay(_Formula):
    """`values[i]`, with i the number of boundaries that are below the step.

    Args:
        boundaries: Increasing numbers of steps.
        values: Learning rates, one more than boundaries.
        name: Name.

    Raises:
        ValueError: If the lengths do not fit, boundaries do not increase, or something is not a
            number.
    """

    def __init__(
        self,
        boundaries: Sequence[float],
        values: Sequence[float],
        name: str = "PiecewiseConstant",
    ) -> None:
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "The length of boundaries should be 1 less than the length of values. "
                f"Received: boundaries={boundaries} of length {len(boundaries)}, and "
                f"values={values} of length {len(values)}."
            )
        for value in (*boundaries, *values):
            check_real("boundaries and values", value)
        if any(b <= a for a, b in pairwise(boundaries)):
            raise ValueError(f"`boundaries` must increase. Received: boundaries={boundaries}")
        self.boundaries = boundaries
        self.values = values
        self.name = name

    def at(self, steps: npt.NDArray[Any]) -> Rates:
        # As in Keras, boundaries are cut to whole steps.
        passed = np.searchsorted(np.array(self.boundaries).astype(np.int64), steps, side="left")
        return np.asarray(np.array(self.values, np.float32)[passed])

    def get_config(self) -> dict[str, Any]:
        return {"boundaries": self.boundaries, "values": self.values, "name": self.name}


def _check_steps(name: str, value: Any) -> Any:
    """Returns a number of steps as it came, or raises ValueError in Keras's words."""
    if check_real(name, value) <= 0:
        raise ValueError(f"Argument `{name}` must be > 0. Received: {name}={value}")
    return value
