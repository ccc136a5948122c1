"""The compiled module, the same for every instruction set. `convlet._native.core` is one of them."""

from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

_Shape: TypeAlias = tuple[int, ...]
_Float32: TypeAlias = npt.NDArray[np.float32]
_Input: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.uint8]
_Target: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.int32]
_Order: TypeAlias = npt.NDArray[np.int64]

ISA: Final[str]
LANES: Final[int]

def build_info() -> dict[str, str]: ...
def set_num_threads(threads: int) -> None: ...
def get_num_threads() -> int: ...
def set_serial_flops(flops: float) -> None: ...
def get_serial_flops() -> float: ...
def infer_op(
    name: str, attributes: dict[str, Any], *input_shapes: _Shape
) -> tuple[_Shape, list[tuple[str, _Shape, bool]]]: ...
def criterion(
    name: str, attributes: dict[str, Any], y_true: _Target, y_pred: _Float32
) -> tuple[_Float32, _Float32]: ...
def optimizer_step(
    name: str,
    attributes: dict[str, Any],
    w: _Float32,
    g: _Float32,
    slots: list[_Float32],
    learning_rate: float,
    iteration: int,
) -> None: ...
def round_bfloat16(x: _Float32) -> _Float32: ...

class Network:
    learning_rate: float
    iterations: int

    def __init__(
        self, input_shape: _Shape, ops: list[tuple[str, dict[str, Any], list[int]]]
    ) -> None: ...
    @property
    def output_shape(self) -> _Shape: ...
    def parameters(self) -> list[tuple[int, str, _Float32]]: ...
    def set_parameter(self, index: int, value: _Float32) -> None: ...
    def configure_training(
        self,
        loss: str,
        loss_attributes: dict[str, Any],
        optimizer: str,
        optimizer_attributes: dict[str, Any],
        metrics: list[tuple[str, dict[str, Any], bool]],
    ) -> None: ...
    def set_trainable(self, trainable: list[bool]) -> None: ...
    def optimizer_slots(self) -> list[tuple[str, int, _Float32]]: ...
    def set_optimizer_slot(self, index: int, value: _Float32) -> None: ...
    def optimizer_scalars(self) -> list[float]: ...
    def set_optimizer_scalar(self, index: int, value: float) -> None: ...
    def set_parameter_rules(self, rules: list[dict[str, Any]]) -> None: ...
    def train(
        self,
        x: _Input,
        y: _Target,
        order: _Order | None,
        begin: int,
        end: int,
        batch_size: int,
        sample_weight: _Float32 | None,
        learning_rates: _Float32 | None = None,
        outputs: _Float32 | None = None,
    ) -> None: ...
    def evaluate(
        self,
        x: _Input,
        y: _Target,
        begin: int,
        end: int,
        batch_size: int,
        sample_weight: _Float32 | None,
        outputs: _Float32 | None = None,
    ) -> None: ...
    def train_forward(
        self, x: _Input, order: _Order | None, begin: int, end: int, out: _Float32
    ) -> None: ...
    def train_backward(
        self, dy: _Float32, loss: float, learning_rate: float | None = None
    ) -> None: ...
    def evaluate_forward(self, x: _Input, begin: int, end: int, out: _Float32) -> None: ...
    def count(self, loss: float, rows: int) -> None: ...
    def reset_metrics(self) -> None: ...
    def metrics(self) -> list[float]: ...
    def predict(self, x: _Input, out: _Float32, begin: int, end: int) -> None: ...
    def predict_as_in_training(
        self,
        x: _Input,
        out: _Float32,
        step: int,
        trainable: list[bool],
        resting: list[bool] | None = None,
    ) -> None: ...
    def vector_jacobian_product(
        self, x: _Input, dy: _Float32, training: bool = False, step: int = 0
    ) -> tuple[_Float32, list[_Float32]]: ...
