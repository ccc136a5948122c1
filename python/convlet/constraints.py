"""Bounds that weights are brought back into after each step: `kernel_constraint` and its like.

Formulas as in `keras/src/constraints/constraints.py`. During training the compiled code applies
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet.utils.native_classes import NativeClasses
from convlet.utils.validation import (
    check_integer,
    check_real,
)

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "max_norm",
    "min_max_norm",
    "non_neg",
    "serialize",
    "unit_norm",
]

Shape: TypeAlias = tuple[int, ...]
Array: TypeAlias = npt.NDArray[np.float32]
Axis: TypeAlias = int | Sequence[int] | None

_EPSILON = np.float32(1e-7)  # keras.config.epsilon()


class Constraint:
    """Base class: a callable that returns the constrained array."""

    def __call__(self, w: npt.ArrayLike) -> Array:
        """Returns what becomes of a weight, as a new float32 array.

        Args:
            w: The weight.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define `__call__`")

    def native_attributes(self, shape: Shape) -> dict[str, Any]:
        """Returns what the compiled code takes for a weight of some shape.

        Raises:
            ValueError: If a weight of that shape cannot be constrained.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define `native_attributes`")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal constraint."""
        return {}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Constraint:
        """Makes a constraint from what `get_config` returned."""
        return cls(**config)


class NonNeg(Constraint):
    """`max(w, 0)`."""

    def __call__(self, w: npt.ArrayLike) -> Array:
        return np.asarray(np.maximum(np.asarray(w, np.float32), np.float32(0.0)))

    def native_attributes(self, shape: Shape) -> dict[str, Any]:  # noqa: ARG002
        return {"constraint": "non_negative"}


class _NormConstraint(Constraint):
    """`w * desired / (1e-7 + norm)`, with `norm = sqrt(sum(w**2))` along some axes and
    `desired = rate * clip(norm, low, high) + (1 - rate) * norm`.

    Args:
        low: Least norm.
        high: Largest norm.
        rate: Share of the way into the bounds, from 0 to 1.
        axis: Axis or axes of the sum, `None` for all.
    """

    def __init__(self, low: float, high: float, rate: float, axis: Axis) -> None:
        self._low, self._high, self._rate = low, high, rate
        self.axis = axis
        for single in (axis,) if isinstance(axis, int) else axis or ():
            check_integer("axis", single, -8, 7)

    def __call__(self, w: npt.ArrayLike) -> Array:
        weight = np.asarray(w, np.float32)
        axes = self._axes(weight.shape)
        norm = np.sqrt(np.square(weight).sum(axis=axes, keepdims=True))
        desired = np.clip(norm, np.float32(self._low), np.float32(self._high))
        if self._rate != 1.0:
            desired = np.float32(self._rate) * desired + np.float32(1.0 - self._rate) * norm
        return np.asarray(weight * (desired / (_EPSILON + norm)))

    def native_attributes(self, shape: Shape) -> dict[str, Any]:
        return {
            "constraint": "norm",
            "low": self._low,
            "high": self._high,
            "rate": self._rate,
            "axes": self._axes(shape),
        }

    def _axes(self, shape: Shape) -> tuple[int, ...]:
        """Returns the axes of the sum, counted from 0."""
        rank = len(shape)
        if self.axis is None:
            return tuple(range(rank))
        given = (self.axis,) if isinstance(self.axis, int) else tuple(self.axis)
        if not all(-rank <= axis < rank for axis in given):
            raise ValueError(
                f"The `axis` of {type(self).__name__} must name axes of the weight, which has "
                f"shape {shape}. Received: axis={self.axis}"
            )
        return tuple(sorted({axis % rank for axis in given}))


class MaxNorm(_NormConstraint):
    """Norms of at most `max_value`.

    Args:
        max_value: Largest norm.
        axis: Axis or axes along which a norm is taken: 0 for the inputs of each unit of a Dense
            layer, `[0, 1, 2]` for those of each filter of a Conv2D; `None` for all.

    Raises:
        ValueError: If an argument has no meaning.
    """

    def __init__(self, max_value: float = 2, axis: Axis = 0) -> None:
        self.max_value = max_value
        super().__init__(0.0, check_real("max_value", max_value, 0.0), 1.0, axis)

    def get_config(self) -> dict[str, Any]:
        return {"max_value": self.max_value, "axis": self.axis}


class UnitNorm(_NormConstraint):
    """Norms of 1.

    Args:
        axis: As in `MaxNorm`.

    Raises:
        ValueError: If it is not an axis.
    """

    def __init__(self, axis: Axis = 0) -> None:
        super().__init__(1.0, 1.0, 1.0, axis)

    def get_config(self) -> dict[str, Any]:
        return {"axis": self.axis}


class MinMaxNorm(_NormConstraint):
    """Norms from `min_value` to `max_value`, reached at once or little by little.

    Args:
        min_value: Least norm.
        max_value: Largest norm.
        rate: Share of the way into the bounds that each step makes, from 0 to 1.
        axis: As in `MaxNorm`.

    Raises:
        ValueError: If an argument has no meaning.
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: Axis = 0,
    ) -> None:
        self.min_value = check_real("min_value", min_value, 0.0)
        self.max_value = check_real("max_value", max_value, self.min_value)
        self.rate = check_real("rate", rate, 0.0, 1.0)
        super().__init__(self.min_value, self.max_value, self.rate, axis)

    def get_config(self) -> dict[str, Any]:
        return {
            "min_value": self.min_value,
            "max_value": self.max_value,
            "rate": self.rate,
            "axis": self.axis,
        }


# Keras exports every class under its snake-case name too.
max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm

_FAMILY: NativeClasses[Constraint] = NativeClasses(
    "constraint",
    "keras.constraints",
    (MaxNorm, MinMaxNorm, NonNeg, UnitNorm),
    "the compiled code applies the constraints",
)


def get(identifier: Any) -> Constraint | None:
    """Returns the constraint that an identifier stands for, `None` for `None`.

    Args:
        identifier: Name of a class, in either spelling; configuration dictionary; class; instance.

    Raises:
        ValueError: If it stands for none. Functions and classes of the caller's own are not
            supported: the compiled code applies the constraints.
    """
    return _FAMILY.get(identifier)


def serialize(constraint: Constraint | None) -> dict[str, Any] | None:
    """Returns class and arguments of a constraint as Keras writes them, `None` for `None`."""
    return _FAMILY.serialize(constraint)


def deserialize(
    config: Mapping[str, Any] | str, custom_objects: Mapping[str, Any] | None = None
) -> Constraint:
    """Makes a constraint from what `serialize` returned, or Keras's equivalent.

    Args:
        config: Dictionary with the keys `"class_name"` and `"config"`, or a name.
        custom_objects: Dictionary from names in it to classes of this module; others of the
            caller's are refused.

    Raises:
        ValueError: If the class is unknown or an argument has no meaning.
    """
    return _FAMILY.deserialize(config, custom_objects)
