"""OptimizerVariable: a part of the state of an optimizer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]


class OptimizerVariable:
    """An array with a name: the step count, the learning rate, or a slot of a weight.

    It holds its own array until the optimizer is attached to a native network; from then on the
    value lives there.

    Args:
        value: Initial value; its dtype and shape stay.
        name: Name within the optimizer, e.g. `"sequential_dense_kernel_velocity"`.
        path: Name with the optimizer's, e.g. `"rm_sprop/sequential_dense_kernel_velocity"`.
        check: Called with a new value; raises ValueError if it has no meaning.
    """

    trainable = False

    def __init__(
        self,
        value: Array | np.generic,
        name: str,
        path: str,
        check: Callable[[Array], object] | None = None,
    ) -> None:
        self._value: Array = np.array(value, order="C")
        self._read: Callable[[], Any] | None = None
        self._write: Callable[[Array], None] | None = None
        self._check = check
        self.name = name
        self.path = path

    @property
    def value(self) -> Array:
        """A copy of the present value."""
        return np.array(self._value if self._read is None else self._read(), self._value.dtype)

    @property
    def dtype(self) -> str:
        return self._value.dtype.name

    @property
    def shape(self) -> tuple[int, ...]:
        return self._value.shape

    @property
    def size(self) -> int:
        return self._value.size

    def numpy(self) -> Array:
        """Returns a copy of the value."""
        return self.value

    def check(self, value: npt.ArrayLike) -> None:
        """Raises ValueError if `value` cannot be assigned."""
        array = np.asarray(value)
        if array.dtype.kind not in "biuf":
            raise ValueError(
                f"Optimizer variable '{self.path}' can only be assigned real numbers. "
                f"Received an array of dtype {array.dtype}"
            )
        if array.shape != self.shape:
            raise ValueError(
                f"Optimizer variable '{self.path}' has shape {self.shape}. "
                f"Received: value.shape={array.shape}"
            )
        if self._check is not None:
            self._check(array)

    def assign(self, value: npt.ArrayLike) -> None:
        """Sets the value.

        Args:
            value: Real numbers in the variable's shape.

        Raises:
            ValueError: If it cannot be the value.
        """
        self.put(self.prepared(value))

    def prepared(self, value: npt.ArrayLike) -> Array:
        """Returns a value for `put`; raises ValueError if it cannot be one."""
        self.check(value)
        return np.array(value, self._value.dtype, order="C")

    def put(self, array: Array) -> None:
        """Sets what `prepared` has returned."""
        if self._write is None:
            self._value = array
        else:
            self._write(array)

    def bind(self, read: Callable[[], Any], write: Callable[[Array], None]) -> None:
        """Moves the value to where the two functions read and write it."""
        write(self.numpy())
        self._read, self._write = read, write

    def release(self) -> None:
        """Takes the value back from there."""
        self._value = self.value
        self._read = self._write = None

    def __getstate__(self) -> dict[str, Any]:
        # A copy holds its own array, wherever the value of this one lives.
        return {**vars(self), "_value": self.value, "_read": None, "_write": None}

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        del copy
        return np.array(self.value, dtype)

    def __repr__(self) -> str:
        return (
            f"<OptimizerVariable path={self.path}, shape={self.shape}, dtype={self.dtype}, "
            f"value={self.value}>"
        )
