"""An ONNX graph in the making.

convlet's tensors have their channels last, ONNX's convolutions and poolings want them behind the
batch axis. A tensor therefore knows in which order it is at the moment; what does not care keeps
that order, and a Transpose is only added where an operation needs the other one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

Array: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, ...]


@dataclass(frozen=True)
class Tensor:
    """A value in the graph.

    Attributes:
        name: Its name in the graph.
        shape: Shape of one row, channels last, whatever the order is now.
        channels_first: Whether the channels lie behind the batch axis now.
    """

    name: str
    shape: Shape
    channels_first: bool = False

    @property
    def channel_axis(self) -> int:
        return 1 if self.channels_first else len(self.shape)


class Graph:
    """Nodes and constants, in the order in which they were added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._in_other_order: dict[str, Tensor] = {}

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node of one output and returns the output's name."""
        name = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def constant(self, value: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Adds a constant and returns its name."""
        name = f"constant_{len(self.constants)}"
        array = np.ascontiguousarray(np.asarray(value, dtype)).reshape(np.shape(value))
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def apply(self, op: str, x: Tensor, *constants: str, **attributes: Any) -> Tensor:
        """Adds an operation that keeps shape and order."""
        return replace(x, name=self.node(op, x.name, *constants, **attributes))

    def channels_first(self, x: Tensor) -> Tensor:
        """Returns a tensor with its channels behind the batch axis."""
        return x if x.channels_first or len(x.shape) < 2 else self._other_order(x)

    def channels_last(self, x: Tensor) -> Tensor:
        """Returns a tensor with its channels last."""
        return self._other_order(x) if x.channels_first else x

    def reshape(self, x: Tensor, shape: Shape) -> Tensor:
        """Gives each row another shape; the order of its values is that with channels last."""
        *spatial, channels = x.shape
        if channels > 1 and math.prod(spatial) > 1:  # else both orders are the same
            x = self.channels_last(x)
        # 0 stands for the size of that axis of the input: the number of rows.
        return Tensor(self.node("Reshape", x.name, self.constant([0, *shape], np.int64)), shape)

    def _other_order(self, x: Tensor) -> Tensor:
        if x.name not in self._in_other_order:
            rank = len(x.shape) + 1
            last_to_first = (0, rank - 1, *range(1, rank - 1))
            first_to_last = (0, *range(2, rank), 1)
            permutation = first_to_last if x.channels_first else last_to_first
            name = self.node("Transpose", x.name, perm=permutation)
            self._in_other_order[x.name] = Tensor(name, x.shape, not x.channels_first)
        return self._in_other_order[x.name]
