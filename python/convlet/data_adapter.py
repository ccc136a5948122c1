"""From what the caller passes as data to arrays that the compiled code reads in place.

uint8 and float32 arrays in C order are used as they are, never copied; every other real type is
converted to float32, once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from convlet.losses import Loss
from convlet.utils.random_state import generator
from convlet.utils.validation import check_integer, check_real

Shape: TypeAlias = tuple[int, ...]
Float32: TypeAlias = npt.NDArray[np.float32]
Input: TypeAlias = Float32 | npt.NDArray[np.uint8]
Target: TypeAlias = Float32 | npt.NDArray[np.int32]
Order: TypeAlias = npt.NDArray[np.int64]

# Losses whose last axis is one of classes.
_CATEGORICAL = ("categorical_crossentropy", "categorical_focal_crossentropy")
_NOT_ELEMENTWISE = (*_CATEGORICAL, "categorical_hinge", "kl_divergence", "cosine_similarity")

_Scalar = TypeVar("_Scalar", bound=np.generic)


@dataclass(frozen=True)
class LabelledRows:
    """Checked data for training or evaluation.

    Attributes:
        x: Rows of the input, uint8 or float32.
        y: Targets for the compiled code: float32, of the shape of the outputs, or int32 class
            indices; `None` if it does not compute the loss.
        sample_weight: float32 weights, one a row or one for each position of the axes but the
            last; or `None`.
        y_given: The targets as the caller passed them; `None` without targets.
    """

    x: Input
    y: Target | None
    sample_weight: Float32 | None
    y_given: npt.NDArray[Any] | None

    @property
    def y_shape(self) -> Shape | None:
        """Shape of one row of the targets, as they were passed; `None` without targets."""
        return None if self.y_given is None else self.y_given.shape[1:]

    def __len__(self) -> int:
        return len(self.x)


def as_labelled_rows(
    x: Any,
    y: Any,
    sample_weight: Any,
    class_weight: Any,
    *,
    input_shape: Shape,
    output_shape: Shape,
    loss: Loss,
) -> LabelledRows:
    """Checks and converts data for training or evaluation.

    Args:
        x: Input, shape (n, *input_shape).
        y: Targets as the loss takes them.
        sample_weight: Weights of the rows, shape (n,) or (n, 1), or for outputs of more axes of the
            positions, shape (n, *output_shape[:-1]); or `None`.
        class_weight: Dictionary from class index to weight, 1 for a missing class; or `None`.
        input_shape: Shape of one row of the input.
        output_shape: Shape of one row of the model's output.
        loss: The loss.

    Raises:
        ValueError: If something does not fit.
    """
    x = as_array("x", x)
    y = as_array("y", y)
    arrays = {"x": x, "y": y}
    if sample_weight is not None:
        if class_weight is not None:
            raise ValueError("You cannot `class_weight` and `sample_weight` at the same time.")
        arrays["sample_weight"] = as_array("sample_weight", sample_weight)
    check_cardinality(arrays)
    rows = as_rows("x", x, input_shape)
    targets: Target | None = None
    if loss.is_native:
        targets = (as_labels if loss.SPARSE else as_targets)(y, output_shape, loss)
    if class_weight is not None:
        weights: Float32 | None = weights_of_classes(y, class_weight)
    else:
        weights = _as_weights(arrays.get("sample_weight"), output_shape)
    return LabelledRows(rows, targets, weights, y)


def as_array(name: str, data: Any) -> npt.NDArray[Any]:
    """Returns data as an array of rows of real numbers, without changing the type.

    Args:
        name: Name of the argument, for messages.
        data: Array, or anything that numpy makes one of; or a list of one array, as Keras takes
            for a model's only input or output.

    Raises:
        ValueError: If it is not such an array.
    """
    if data is None:
        raise ValueError(f"`{name}` is missing: expected an array, received None")
    if _lists_one_array(name, data):
        (data,) = data
    try:
        array = np.asarray(data)
    except (ValueError, TypeError) as error:
        raise ValueError(f"`{name}` cannot be converted to an array: {error}") from error
    if array.dtype.kind not in "biuf":
        raise ValueError(
            f"`{name}` must be an array of real numbers. Received: {type(data)} "
            f"with values of dtype {array.dtype}"
        )
    if array.ndim == 0:
        raise ValueError(f"`{name}` must be an array of rows. Received a single number: {data}")
    return array


def as_rows(name: str, x: Any, row_shape: Shape) -> Input:
    """Checks and converts an input.

    A last axis of length 1 may be missing, or be one too many, as in Keras.

    Args:
        name: Name of the argument, for messages.
        x: Array of shape (n, *row_shape).
        row_shape: Shape of one row.

    Returns:
        A uint8 or float32 array in C order; `x` itself where that is possible.

    Raises:
        ValueError: If `x` is not a non-empty array of real numbers of that shape.
    """
    array = as_array(name, x)
    shape = array.shape
    if shape[1:] != row_shape:
        if (*shape[1:], 1) != row_shape and shape[1:] != (*row_shape, 1):
            raise ValueError(_shape_message(name, shape, row_shape))
        array = array.reshape(shape[0], *row_shape)
    if not len(array):
        raise ValueError(f"`{name}` is empty: it has shape {shape}")
    if array.dtype == np.uint8:
        return _convert(array, np.uint8)
    return _convert(array, np.float32)


def as_targets(y: npt.NDArray[Any], output_shape: Shape, loss: Loss) -> Float32:
    """Checks and converts targets like the outputs.

    A last axis of length 1 may be missing, or be one too many, as in Keras.

    Raises:
        ValueError: If they do not have the shape of the model's output.
    """
    if loss.IDENTIFIER in _CATEGORICAL:
        _check_classes(output_shape)
    expected = (len(y), *output_shape)
    if y.shape == (*expected, 1) or ((*y.shape, 1) == expected and _may_expand(y, loss)):
        y = y.reshape(expected)
    if y.ndim != len(expected):
        hint = (
            ". For integer labels use the loss 'sparse_categorical_crossentropy', or encode them "
            "with convlet.utils.to_categorical"
            if y.shape in ((len(y),), (len(y), 1)) and loss.IDENTIFIER in _CATEGORICAL
            else ""
        )
        raise ValueError(
            "Arguments `target` and `output` must have the same rank (ndim). "
            f"Received: target.shape={y.shape}, output.shape={(None, *output_shape)}{hint}"
        )
    if y.shape != expected:
        raise ValueError(
            "Arguments `target` and `output` must have the same shape. "
            f"Received: target.shape={y.shape}, output.shape={(None, *output_shape)}"
        )
    return _convert(y, np.float32)


def as_labels(y: npt.NDArray[Any], output_shape: Shape, loss: Loss) -> npt.NDArray[np.int32]:
    """Checks and converts integer labels of shape (n, *output_shape[:-1]) or (..., 1).

    Raises:
        ValueError: If they are not class indices of the model's output.
    """
    _check_classes(output_shape)
    *positions, classes = output_shape
    expected = (len(y), *positions)
    if y.shape == (*expected, 1):
        y = y.reshape(expected)
    if y.shape != expected:
        hint = (
            ". For one-hot labels use the loss 'categorical_crossentropy'"
            if y.shape == (*expected, classes)
            else ""
        )
        shapes = f"({', '.join(map(str, ('n', *positions)))}{'' if positions else ','})"
        raise ValueError(
            f"The loss 'sparse_categorical_crossentropy' needs labels of shape {shapes} or "
            f"{shapes[:-1].rstrip(',')}, 1). Received: y.shape={y.shape}{hint}"
        )
    if y.dtype.kind == "f" and not np.array_equal(y, np.trunc(y)):
        raise ValueError("Labels must be whole numbers")
    ignored = loss.options().get("ignore_class")
    counted = y if ignored is None else y[y != ignored]
    if counted.size and not (counted.min() >= 0 and counted.max() < classes):
        wrong = counted.min() if counted.min() < 0 else counted.max()
        raise ValueError(
            f"Received a label value of {wrong} which is outside the valid range of [0, {classes})"
        )
    return _convert(y, np.int32)


def weights_of_classes(y: npt.NDArray[Any], class_weight: Any) -> Float32:
    """Returns the weight of each row from the weights of the classes.

    Args:
        y: One-hot targets (n, classes), or class indices (n,) or (n, 1).
        class_weight: Dictionary from class index to weight; a missing class has weight 1.

    Raises:
        ValueError: If it is not such a dictionary.
    """
    if not isinstance(class_weight, Mapping):
        raise ValueError(
            "`class_weight` must be a dictionary from class index to weight. "
            f"Received: {class_weight!r}"
        )
    if y.ndim > 2:
        raise ValueError(
            f"`class_weight` needs one label per row. Received targets of shape {y.shape}"
        )
    labels = y.argmax(axis=-1) if y.ndim == 2 and y.shape[1] != 1 else np.round(y.reshape(len(y)))
    weights = np.ones(len(labels), np.float32)
    for label, weight in class_weight.items():
        index = check_integer("class_weight key", label, 0)
        weights[labels == index] = check_real(f"class_weight[{label}]", weight)
    return weights


def split_off_validation(
    arrays: Sequence[Any], validation_split: float
) -> tuple[list[Any], list[Any]]:
    """Splits the last rows off, before any shuffling.

    Args:
        arrays: Arrays with equally many rows; `None` stays `None`.
        validation_split: Share of the rows to split off.

    Returns:
        The arrays without those rows, and those rows; both are views.

    Raises:
        ValueError: If one side would be empty.
    """
    names = ("x", "y", "sample_weight")
    if not is_array(arrays[0]):
        raise ValueError(
            "Argument `validation_split` is only supported for tensors or NumPy arrays."
            f"Found incompatible type in the input: {[type(arrays[0])]}"
        )
    converted = [
        None if array is None else as_array(name, array)
        for name, array in zip(names, arrays, strict=True)
    ]
    given = {name: a for name, a in zip(names, converted, strict=True) if a is not None}
    check_cardinality(given)
    rows = len(given["x"])
    # math.floor, and not round, as in Keras: 10 rows and 0.25 give 7 and 3.
    split = math.floor(rows * (1.0 - validation_split))
    if split in (0, rows):
        raise ValueError(
            f"Training data contains {rows} samples, which is not sufficient to split it into a "
            f"validation and training set as specified by `validation_split={validation_split}`. "
            "Either provide more data, or a different value for the `validation_split` argument."
        )
    first = [None if array is None else array[:split] for array in converted]
    last = [None if array is None else array[split:] for array in converted]
    return first, last


def is_array(data: Any) -> bool:
    """Tells whether data are rows in one array, or in a list, rather than batches to iterate over.

    `None` counts as an array too: one that is missing.

    Raises:
        ValueError: For a dictionary, in which Keras names several inputs.
    """
    if isinstance(data, Mapping):
        raise ValueError(
            "A model with one input takes an array, not a dictionary. "
            f"Received: a dictionary with the keys {list(data)}"
        )
    if data is None or isinstance(data, (str, bytes, Sequence)) or hasattr(data, "__array__"):
        return True
    return not hasattr(data, "__iter__") and not hasattr(data, "__getitem__")


def check_cardinality(arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Raises ValueError if the arrays do not all have equally many rows."""
    if len({len(array) for array in arrays.values()}) > 1:
        sizes = " | ".join(f"'{name}' sizes: {len(array)}" for name, array in arrays.items())
        raise ValueError(
            "Data cardinality is ambiguous. "
            f"Make sure all arrays contain the same number of samples. {sizes}"
        )


def epoch_order(rows: int, batch_size: int, shuffle: bool | str) -> Order | None:
    """Returns the order in which an epoch takes the rows.

    Args:
        rows: Number of rows.
        batch_size: Rows per batch.
        shuffle: `True` for a permutation of all rows; `"batch"` for one inside each batch, the
            batches staying in order; `False` for no change.

    Returns:
        Row indices, or `None` for no change.
    """
    if shuffle == "batch":
        order = np.arange(rows)
        for begin in range(0, rows, batch_size):
            generator().shuffle(order[begin : begin + batch_size])
        return order
    return generator().permutation(rows) if shuffle else None


def _lists_one_array(name: str, data: Any) -> bool:
    if not isinstance(data, (list, tuple)) or len(data) != 1:
        return False
    # A single vector in `x` is a row, as every other list of rows.
    fewest_axes = 2 if name in ("x", "inputs") else 1
    return isinstance(data[0], np.ndarray) and data[0].ndim >= fewest_axes


def _as_weights(sample_weight: npt.NDArray[Any] | None, output_shape: Shape) -> Float32 | None:
    if sample_weight is None:
        return None
    rows = len(sample_weight)
    positions = (rows, *output_shape[:-1])
    if sample_weight.shape in (positions, (*positions, 1)):
        return _convert(sample_weight.reshape(positions), np.float32)
    if sample_weight.shape not in ((rows,), (rows, 1)):
        by_position = (
            "" if len(positions) == 1 else f", or per position, shape (n, *{positions[1:]})"
        )
        raise ValueError(
            f"`sample_weight` must have one weight per row, shape (n,){by_position}. "
            f"Received: shape {sample_weight.shape}"
        )
    return _convert(sample_weight.reshape(rows), np.float32)


def _may_expand(y: npt.NDArray[Any], loss: Loss) -> bool:
    # What is no mean over the last axis would be another number over another axis.
    return y.ndim == 1 or loss.IDENTIFIER not in _NOT_ELEMENTWISE


def _check_classes(output_shape: Shape) -> None:
    # Keras warns. The softmax of one number is 1, so there is nothing to train.
    if output_shape[-1] == 1:
        raise ValueError(
            "A crossentropy of categories needs a model with more than one output. "
            f"Received: output.shape={(None, *output_shape)}"
        )


def _convert(array: npt.NDArray[Any], dtype: type[_Scalar]) -> npt.NDArray[_Scalar]:
    """Returns the array itself if the compiled code can read it in place, else a copy."""
    if array.dtype == dtype and array.flags.c_contiguous and array.flags.aligned:
        return array
    return np.array(array, dtype, order="C")


def _shape_message(name: str, shape: Shape, row_shape: Shape) -> str:
    message = (
        f"`{name}` has a shape that the model cannot take. "
        f"Expected shape {(None, *row_shape)}, received shape {shape}"
    )
    if shape == row_shape:
        message += f". For a single row, add the batch axis: {name}[None]"
    return message
