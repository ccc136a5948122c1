"""Penalties on weights, which join the loss: `kernel_regularizer` and its like.

Formulas as in `keras/src/regularizers/regularizers.py`. During training the compiled code computes
them, and adds their gradients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from convlet.utils.native_classes import NativeClasses
from convlet.utils.validation import (
    check_choice,
    is_finite,
)

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "serialize",
]


class Regularizer:
    """Base class: a callable that computes the penalty of an array."""

    def __call__(self, x: npt.ArrayLike) -> float:
        """Returns the penalty.

        Args:
            x: A weight.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define `__call__`")

    def check_shape(self, name: str, shape: tuple[int, ...]) -> None:
        """Raises ValueError if a weight of that shape can have no such penalty."""

    def native_attributes(self) -> dict[str, Any]:
        """Returns what the compiled code takes."""
        raise NotImplementedError(f"{type(self).__name__} does not define `native_attributes`")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal regularizer."""
        raise NotImplementedError(f"{self} does not implement get_config()")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Regularizer:
        """Makes a regularizer from what `get_config` returned."""
        return cls(**config)


class L1L2(Regularizer):
    """`l1 * sum(abs(x)) + l2 * sum(x**2)`.

    Args:
        l1: Factor, not negative.
        l2: Factor, not negative.

    Raises:
        ValueError: If a factor is negative or not a number.
    """

    def __init__(self, l1: float | None = 0.0, l2: float | None = 0.0) -> None:
        self.l1 = 0.0 if l1 is None else _factor("l1", l1)
        self.l2 = 0.0 if l2 is None else _factor("l2", l2)

    def __call__(self, x: npt.ArrayLike) -> float:
        return _penalty(x, self.l1, self.l2)

    def native_attributes(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1, "l2": self.l2}


class L1(Regularizer):
    """`l1 * sum(abs(x))`.

    Args:
        l1: Factor, not negative.

    Raises:
        ValueError: If it is negative or not a number.
    """

    def __init__(self, l1: float | None = 0.01) -> None:
        self.l1 = _float32(_factor("l1", 0.01 if l1 is None else l1))

    def __call__(self, x: npt.ArrayLike) -> float:
        return _penalty(x, self.l1, 0.0)

    def native_attributes(self) -> dict[str, Any]:
        return {"l1": self.l1}

    def get_config(self) -> dict[str, Any]:
        return {"l1": self.l1}


class L2(Regularizer):
    """`l2 * sum(x**2)`.

    Args:
        l2: Factor, not negative.

    Raises:
        ValueError: If it is negative or not a number.
    """

    def __init__(self, l2: float | None = 0.01) -> None:
        self.l2 = _factor("l2", 0.01 if l2 is None else l2)

    def __call__(self, x: npt.ArrayLike) -> float:
        return _penalty(x, 0.0, self.l2)

    def native_attributes(self) -> dict[str, Any]:
        return {"l2": self.l2}

    def get_config(self) -> dict[str, Any]:
        return {"l2": self.l2}


class OrthogonalRegularizer(Regularizer):
    """`factor` times the mean of `abs(u @ v)` over all pairs of rows, or columns, made unit vectors.

    For weights that are matrices, such as a Dense kernel (inputs, units).

    Args:
        factor: Factor, not negative.
        mode: `"rows"` or `"columns"`.

    Raises:
        ValueError: If an argument has no meaning.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = _float32(_factor("factor", factor))
        self.mode = check_choice("mode", mode, ("rows", "columns"))

    def __call__(self, x: npt.ArrayLike) -> float:
        vectors = np.asarray(x, np.float64)
        self.check_shape("x", vectors.shape)
        if self.mode == "columns":
            vectors = vectors.T
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        units = vectors / np.maximum(norms, 1e-7)
        products = np.abs(units @ units.T)
        pairs = len(units) * (len(units) - 1)
        return float(self.factor * (products.sum() - np.trace(products)) / pairs)

    def check_shape(self, name: str, shape: tuple[int, ...]) -> None:
        if len(shape) != 2:
            raise ValueError(
                "Inputs to OrthogonalRegularizer must have rank 2. "
                f"Received: inputs.shape={shape} of `{name}`"
            )
        if shape[self.mode == "columns"] < 2:
            raise ValueError(
                f"OrthogonalRegularizer needs at least two {self.mode}. "
                f"Received: inputs.shape={shape} of `{name}`"
            )

    def native_attributes(self) -> dict[str, Any]:
        return {"orthogonal": self.factor, "rows": self.mode == "rows"}

    def get_config(self) -> dict[str, Any]:
        return {"factor": self.factor, "mode": self.mode}


# Keras exports every class under these names too.
l1 = L1
l2 = L2
l1_l2 = L1L2
orthogonal_regularizer = OrthogonalRegularizer

_FAMILY: NativeClasses[Regularizer] = NativeClasses(
    "regularizer",
    "keras.regularizers",
    (L1, L2, L1L2, OrthogonalRegularizer),
    "the compiled code computes the penalties",
    aliases={"l1_l2": L1L2},
)


def get(identifier: Any) -> Regularizer | None:
    """Returns the regularizer that an identifier stands for, `None` for `None`.

    Args:
        identifier: Name of a class, in either spelling; configuration dictionary; class; instance.

    Raises:
        ValueError: If it stands for none. Functions and classes of the caller's own are not
            supported: the compiled code computes the penalties.
    """
    return _FAMILY.get(identifier)


def serialize(regularizer: Regularizer | None) -> dict[str, Any] | None:
    """Returns class and arguments of a regularizer as Keras writes them, `None` for `None`."""
    return _FAMILY.serialize(regularizer)


def deserialize(
    config: Mapping[str, Any] | str, custom_objects: Mapping[str, Any] | None = None
) -> Regularizer:
    """Makes a regularizer from what `serialize` returned, or Keras's equivalent.

    Args:
        config: Dictionary with the keys `"class_name"` and `"config"`, or a name.
        custom_objects: Dictionary from names in it to classes of this module; others of the
            caller's are refused.

    Raises:
        ValueError: If the class is unknown or an argument has no meaning.
    """
    return _FAMILY.deserialize(config, custom_objects)


def _factor(name: str, value: Any) -> float:
    """Returns a factor as a float, or raises ValueError in Keras's words."""
    is_number = isinstance(value, (float, int, np.floating, np.integer))
    if not is_number or isinstance(value, bool) or not is_finite(value) or value < 0:
        raise ValueError(
            f"Invalid value for argument {name}: expected a non-negative float."
            f"Received: {name}={value}"
        )
    return float(value)


def _float32(value: float) -> float:
    return float(np.float32(value))


def _penalty(x: npt.ArrayLike, l1_factor: float, l2_factor: float) -> float:
    values = np.asarray(x, np.float64)
    return float(l1_factor * np.abs(values).sum() + l2_factor * np.square(values).sum())
