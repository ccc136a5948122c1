"""
convlet's engine, compiled for an instruction set
"""

import collections.abc
import typing

import numpy
import numpy.typing

__all__: list[str] = [
    "ISA",
    "LANES",
    "Network",
    "build_info",
    "criterion",
    "get_fixed_shares",
    "get_num_threads",
    "get_serial_flops",
    "infer_op",
    "optimizer_step",
    "round_bfloat16",
    "set_fixed_shares",
    "set_num_threads",
    "set_serial_flops",
]

class Network:
    """
    A graph of ops with parameters, that trains and predicts.
    """
    @staticmethod
    def _make(
        input_shape: tuple[typing.SupportsInt | typing.SupportsIndex, ...],
        ops: list[tuple[str, dict[str, typing.Any], list[int]]],
    ) -> Network:
        """
        What `__new__` returns.
        """
    def __init__(
        self,
        input_shape: tuple[typing.SupportsInt | typing.SupportsIndex, ...],
        ops: list[tuple[str, dict[str, typing.Any], list[int]]],
    ) -> None:
        """
        Ops are (name, attributes, inputs): tensor 0 is the input, i + 1 what op i makes.
        """
    def configure_training(
        self,
        loss: str,
        loss_attributes: dict[str, typing.Any],
        optimizer: str,
        optimizer_attributes: dict[str, typing.Any],
        metrics: list[tuple[str, dict[str, typing.Any], bool]],
    ) -> None:
        """
        Loss, optimizer and metrics (name, attributes, is_weighted); slots start anew.
        """
    def count(
        self,
        loss: typing.SupportsFloat | typing.SupportsIndex,
        rows: typing.SupportsInt | typing.SupportsIndex,
    ) -> None:
        """
        Adds a batch whose loss the caller has computed to the totals.
        """
    def evaluate(
        self,
        x: numpy.ndarray,
        y: numpy.ndarray,
        begin: typing.SupportsInt | typing.SupportsIndex,
        end: typing.SupportsInt | typing.SupportsIndex,
        batch_size: typing.SupportsInt | typing.SupportsIndex,
        sample_weight: numpy.ndarray | None,
        outputs: numpy.ndarray | None = None,
    ) -> None:
        """
        Adds loss and metrics of rows [begin, end) to the totals.
        """
    def evaluate_forward(
        self,
        x: numpy.ndarray,
        begin: typing.SupportsInt | typing.SupportsIndex,
        end: typing.SupportsInt | typing.SupportsIndex,
        out: numpy.ndarray,
    ) -> None:
        """
        Outputs of rows [begin, end), for a loss that the caller computes.
        """
    def metrics(self) -> list[float]:
        """
        Loss and metrics, as means over what was counted.
        """
    def optimizer_scalars(self) -> list[float]:
        """
        State of the optimizer that is not arrays.
        """
    def optimizer_slots(self) -> list[tuple[str, int, numpy.typing.NDArray[numpy.float32]]]:
        """
        State of the optimizer: (slot, parameter, read-only view).
        """
    def parameters(self) -> list[tuple[int, str, numpy.typing.NDArray[numpy.float32]]]:
        """
        All parameters: (op, name, read-only view).
        """
    def predict(
        self,
        x: numpy.ndarray,
        out: numpy.ndarray,
        begin: typing.SupportsInt | typing.SupportsIndex,
        end: typing.SupportsInt | typing.SupportsIndex,
    ) -> None:
        """
        Writes the outputs of rows [begin, end) into those rows of `out`.
        """
    def predict_as_in_training(
        self,
        x: numpy.ndarray,
        out: numpy.ndarray,
        step: typing.SupportsInt | typing.SupportsIndex,
        trainable: collections.abc.Sequence[bool],
        resting: collections.abc.Sequence[bool] | None = None,
    ) -> None:
        """
        Outputs of all rows as one batch, with dropout and statistics as in a step; ops that rest do what they do in prediction.
        """
    def read_parameters(
        self, indices: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex]
    ) -> list[numpy.typing.NDArray[numpy.float32]]:
        """
        Copies of parameters, between two steps of a training.
        """
    def reset_metrics(self) -> None:
        """
        Forgets the totals.
        """
    def set_group(
        self,
        rank: typing.SupportsInt | typing.SupportsIndex,
        size: typing.SupportsInt | typing.SupportsIndex,
        is_sharded: bool,
        all_reduce: collections.abc.Callable[[numpy.ndarray], None] | None,
    ) -> None:
        """
        Trains together with other processes: `all_reduce` gets an array and puts in the place of each value its sum over all of them. `None`: alone again.
        """
    def set_optimizer_scalar(
        self,
        index: typing.SupportsInt | typing.SupportsIndex,
        value: typing.SupportsFloat | typing.SupportsIndex,
    ) -> None:
        """
        Sets one of them.
        """
    def set_optimizer_slot(
        self, index: typing.SupportsInt | typing.SupportsIndex, value: numpy.ndarray
    ) -> None:
        """
        Copies values into a slot.
        """
    def set_parameter(
        self, index: typing.SupportsInt | typing.SupportsIndex, value: numpy.ndarray
    ) -> None:
        """
        Copies values into a parameter.
        """
    def set_parameter_rules(self, rules: collections.abc.Sequence[dict[str, typing.Any]]) -> None:
        """
        Penalty, constraint and decay of each parameter.
        """
    def set_totals(
        self,
        rows: typing.SupportsFloat | typing.SupportsIndex,
        weight: typing.SupportsFloat | typing.SupportsIndex,
        loss: typing.SupportsFloat | typing.SupportsIndex,
        metrics: list[typing.SupportsFloat | typing.SupportsIndex],
    ) -> None:
        """
        Goes on with totals from another time.
        """
    def set_trainable(self, trainable: collections.abc.Sequence[bool]) -> None:
        """
        Says of each op whether training changes its parameters.
        """
    def totals(self) -> tuple[float, float, float, list[float]]:
        """
        What the means are made of: (rows, weight, loss, metrics).
        """
    def train(
        self,
        x: numpy.ndarray,
        y: numpy.ndarray,
        order: numpy.ndarray | None,
        begin: typing.SupportsInt | typing.SupportsIndex,
        end: typing.SupportsInt | typing.SupportsIndex,
        batch_size: typing.SupportsInt | typing.SupportsIndex,
        sample_weight: numpy.ndarray | None,
        learning_rates: numpy.ndarray | None = None,
        outputs: numpy.ndarray | None = None,
        batches: typing.SupportsInt | typing.SupportsIndex | None = None,
    ) -> None:
        """
        Trains on rows [begin, end) of the order, a step for each batch; adds to the totals.
        """
    def train_backward(
        self,
        dy: numpy.ndarray,
        loss: typing.SupportsFloat | typing.SupportsIndex,
        learning_rate: typing.SupportsFloat | typing.SupportsIndex | None = None,
    ) -> None:
        """
        The second half: gradients from those of the outputs, and the update.
        """
    def train_forward(
        self,
        x: numpy.ndarray,
        order: numpy.ndarray | None,
        begin: typing.SupportsInt | typing.SupportsIndex,
        end: typing.SupportsInt | typing.SupportsIndex,
        out: numpy.ndarray,
        first_row: typing.SupportsInt | typing.SupportsIndex = 0,
        group_rows: typing.SupportsInt | typing.SupportsIndex | None = None,
    ) -> None:
        """
        The first half of a step whose loss the caller computes: outputs of a batch.
        """
    def vector_jacobian_product(
        self,
        x: numpy.ndarray,
        dy: numpy.ndarray,
        training: bool = False,
        step: typing.SupportsInt | typing.SupportsIndex = 0,
    ) -> tuple[numpy.typing.NDArray[numpy.float32], list[numpy.typing.NDArray[numpy.float32]]]:
        """
        Gradients of sum(outputs * dy) by x and by each parameter.
        """
    def write_parameters(
        self,
        indices: collections.abc.Sequence[typing.SupportsInt | typing.SupportsIndex],
        values: list[typing.Annotated[numpy.typing.ArrayLike, numpy.float32]],
    ) -> None:
        """
        Copies values into parameters, all or none.
        """
    @property
    def iterations(self) -> int:
        """
        Steps that were done.
        """
    @iterations.setter
    def iterations(self, arg0: typing.SupportsInt | typing.SupportsIndex) -> None: ...
    @property
    def learning_rate(self) -> float:
        """
        Of the next step.
        """
    @learning_rate.setter
    def learning_rate(self, arg0: typing.SupportsFloat | typing.SupportsIndex) -> None: ...
    @property
    def output_shape(self) -> tuple[int, ...]:
        """
        Shape of a row of the output.
        """

def build_info() -> dict[str, str]:
    """
    Instruction set, compiler and versions of this module.
    """

def criterion(
    name: str, attributes: dict[str, typing.Any], y_true: numpy.ndarray, y_pred: numpy.ndarray
) -> tuple[numpy.typing.NDArray[numpy.float32], numpy.typing.NDArray[numpy.float32]]:
    """
    A loss or metric of each row, and a loss's gradient with respect to y_pred.
    """

def get_fixed_shares() -> int:
    """
    What `set_fixed_shares` set.
    """

def get_num_threads() -> int:
    """
    Threads that a call may use.
    """

def get_serial_flops() -> float:
    """
    What `set_serial_flops` set.
    """

def infer_op(
    name: str,
    attributes: dict[str, typing.Any],
    *args: tuple[typing.SupportsInt | typing.SupportsIndex, ...],
) -> tuple[tuple[int, ...], list[tuple[str, tuple[int, ...], bool]]]:
    """
    Output shape and parameters [(name, shape, is_trained), ...] of an op; shapes are per row.
    """

def optimizer_step(
    name: str,
    attributes: dict[str, typing.Any],
    w: numpy.ndarray,
    g: numpy.ndarray,
    slots: collections.abc.Sequence[numpy.ndarray],
    learning_rate: typing.SupportsFloat | typing.SupportsIndex,
    iteration: typing.SupportsInt | typing.SupportsIndex,
) -> None:
    """
    One step of an optimizer on w and its slots, in place.
    """

def round_bfloat16(x: numpy.ndarray) -> numpy.typing.NDArray[numpy.float32]:
    """
    x with each value rounded to bfloat16.
    """

def set_fixed_shares(shares: typing.SupportsInt | typing.SupportsIndex) -> None:
    """
    Parts of a batch, whatever the number of threads; 0: as many as threads.
    """

def set_num_threads(threads: typing.SupportsInt | typing.SupportsIndex) -> None:
    """
    Sets the number of threads that a call may use, from 1 to 1024.
    """

def set_serial_flops(flops: typing.SupportsFloat | typing.SupportsIndex) -> None:
    """
    Floating-point operations below which a call is not worth a second thread.
    """

ISA: str
LANES: int
