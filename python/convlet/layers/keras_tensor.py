"""KerasTensor: a tensor that is not there yet, and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from convlet.utils.naming import auto_name

if TYPE_CHECKING:
    from convlet.layers.layer import Layer

BatchShape: TypeAlias = tuple[int | None, ...]


class KerasTensor:
    """A symbolic tensor: what a layer will return for inputs that are symbolic, too.

    `a + b`, `a - b` and `a * b` of two symbolic tensors are the layers Add, Subtract and Multiply.

    Args:
        shape: Shape, batch axis first.
        layer: The layer that was called, or `None`.
        inputs: What it was called on.
        is_list: Whether that was a list.
        node_index: How often the layer had been called before.
        name: Name, or `None` for an automatic one.
    """

    dtype = "float32"

    def __init__(
        self,
        shape: BatchShape,
        layer: Layer | None = None,
        inputs: Sequence[KerasTensor] = (),
        is_list: bool = False,
        node_index: int = 0,
        name: str | None = None,
    ) -> None:
        self.shape = shape
        self.layer = layer
        self.inputs = tuple(inputs)
        self.is_list = is_list
        self.node_index = node_index
        self.name = auto_name("KerasTensor") if name is None else name

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def __add__(self, other: object) -> Any:
        return self._merged("Add", other)

    def __sub__(self, other: object) -> Any:
        return self._merged("Subtract", other)

    def __mul__(self, other: object) -> Any:
        return self._merged("Multiply", other)

    def _merged(self, layer: str, other: object) -> Any:
        from convlet.layers import merge  # which imports this module

        if not isinstance(other, KerasTensor):
            return NotImplemented
        return getattr(merge, layer)()([self, other])

    def __repr__(self) -> str:
        return f"<KerasTensor shape={self.shape}, dtype={self.dtype}, name={self.name}>"


def is_symbolic(inputs: Any) -> bool:
    """Tells whether what a layer is called on is a symbolic tensor, or a list with one."""
    if isinstance(inputs, (list, tuple)):
        return any(isinstance(item, KerasTensor) for item in inputs)
    return isinstance(inputs, KerasTensor)
