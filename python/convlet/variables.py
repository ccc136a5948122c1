"""Variable: a weight of a layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet.network import MOVING

if TYPE_CHECKING:
    from convlet._native import core
    from convlet.constraints import Constraint
    from convlet.regularizers import Regularizer

Array: TypeAlias = npt.NDArray[np.float32]


class Variable:
    """A float32 array with a name.

    It holds its own array until a model binds it to its native network; from then on the value
    lives in the network.

    Args:
        value: Initial value.
        name: Name within the layer, e.g. `"kernel"`.
        path: Name within the model, e.g. `"sequential/conv2d/kernel"`.
        trainable: Whether training changes it.
        is_trained: Whether that is for the optimizer to do: false for a moving mean, say, which
            its layer keeps up to date.

    Attributes:
        regularizer: Its penalty, which joins the loss, or `None`.
        constraint: Its bounds after each step of training, or `None`.
    """

    dtype = "float32"

    def __init__(
        self,
        value: npt.ArrayLike,
        name: str,
        path: str,
        trainable: bool = True,
        is_trained: bool = True,
    ) -> None:
        self._view: Array = np.array(value, np.float32, order="C")
        self._view.flags.writeable = False
        self.network: core.Network | None = None
        self._index = 0
        self.name = name
        self.path = path
        self.trainable = trainable
        self.is_trained = is_trained
        self.regularizer: Regularizer | None = None
        self.constraint: Constraint | None = None

    @property
    def value(self) -> Array:
        """The value, as a read-only view: it follows training."""
        return self._view

    @property
    def shape(self) -> tuple[int, ...]:
        return self._view.shape

    @property
    def ndim(self) -> int:
        return self._view.ndim

    @property
    def size(self) -> int:
        return self._view.size

    def numpy(self) -> Array:
        """Returns a copy of the value, from between two steps where it is being trained."""
        return copies([self])[0]

    def assign(self, value: npt.ArrayLike) -> None:
        """Sets the value.

        Args:
            value: Array of numbers of the variable's shape.

        Raises:
            ValueError: If the shape is another one or the values are not real numbers.
        """
        assign_all([(self, value)])

    def _prepared(self, value: npt.ArrayLike) -> Array:
        """Returns a value as it can be set; the caller's array is never kept."""
        array = np.asarray(value)
        self.check(array)
        if self.network is None:
            return np.array(array, np.float32, order="C")
        return np.require(array, np.float32, ["C", "A"])

    def check(self, array: npt.NDArray[Any]) -> None:
        """Raises ValueError if an array cannot be the value."""
        if array.dtype.kind not in "biuf":
            raise ValueError(
                f"Variable '{self.path}' can only be assigned real numbers. "
                f"Received an array of dtype {array.dtype}"
            )
        if array.shape != self.shape:
            raise ValueError(
                f"The shape of the target variable and the shape of the target value in "
                f"`variable.assign(value)` must match. variable.shape={self.shape}, "
                f"Received: value.shape={array.shape}. Target variable: {self.path}"
            )

    def bind(self, network: core.Network, index: int, view: Array) -> None:
        """Moves the value into parameter `index` of a network, which `view` shows."""
        network.set_parameter(index, self.numpy())
        self.network, self._index, self._view = network, index, view

    def __getstate__(self) -> dict[str, Any]:
        # A copy holds its own array, like a variable that no model has bound yet.
        return {**vars(self), "_view": self.numpy(), "network": None, "_index": 0}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._view.flags.writeable = False

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Any:
        if copy is False and dtype not in (None, np.float32):
            raise ValueError(f"A view of variable '{self.path}' has dtype float32, not {dtype}")
        return self._view if copy is False else np.asarray(self.numpy(), dtype)

    def __repr__(self) -> str:
        return (
            f"<Variable path={self.path}, shape={self.shape}, dtype={self.dtype}, "
            f"value={self._view}>"
        )


def assign_all(values: Iterable[tuple[Variable, npt.ArrayLike]]) -> None:
    """Sets values: all of them or, where one is refused or memory runs out, none.

    Raises:
        ValueError: If a shape is another one or something is not a real number.
    """
    with MOVING:
        prepared = [(variable, variable._prepared(value)) for variable, value in values]
        bound: dict[core.Network, dict[int, Array]] = {}
        for variable, array in prepared:
            if variable.network is not None:
                bound.setdefault(variable.network, {})[variable._index] = array
        for network, arrays in bound.items():
            network.write_parameters(list(arrays), list(arrays.values()))
        for variable, array in prepared:
            if variable.network is None:
                array.flags.writeable = False
                variable._view = array


def copies(variables: Sequence[Variable]) -> list[Array]:
    """Returns copies of values; those of one network are from between the same two steps."""
    with MOVING:
        members: dict[core.Network, list[Variable]] = {}
        for variable in variables:
            if variable.network is not None:
                members.setdefault(variable.network, []).append(variable)
        read: dict[Variable, Array] = {}
        for network, its in members.items():
            indices = [variable._index for variable in its]
            read |= zip(its, network.read_parameters(indices), strict=True)
        return [read[v] if v in read else v._view.copy() for v in variables]
