"""Loss functions: names and options for `compile`, and the same formulas on numpy arrays.

Formulas as in `keras/src/backend/numpy/nn.py`. During training the compiled code computes them, on
the logits where a softmax comes just before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet.utils.validation import check_bool, look_up, refuse_unsupported, split_config

__all__ = [
    "CategoricalCrossentropy",
    "Loss",
    "SparseCategoricalCrossentropy",
    "categorical_crossentropy",
    "get",
    "sparse_categorical_crossentropy",
]

Array: TypeAlias = npt.NDArray[np.float32]

EPSILON = 1e-7  # keras.config.epsilon()


def categorical_crossentropy(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, from_logits: bool = False
) -> Array:
    """Cross-entropy of one-hot targets, `-sum(y_true * log(y_pred))` over the last axis.

    Probabilities are divided by their sum and clipped to [1e-7, 1 - 1e-7] first.

    Args:
        y_true: One-hot or probability targets, shape (..., classes).
        y_pred: Predictions, shape (..., classes).
        from_logits: Whether `y_pred` is what goes into a softmax rather than what comes out.

    Returns:
        A float32 array of shape (...).

    Raises:
        ValueError: If the shapes differ.
    """
    targets, predictions = np.asarray(y_true, np.float32), np.asarray(y_pred, np.float32)
    if targets.shape != predictions.shape or targets.ndim == 0:
        raise ValueError(
            "Arguments `y_true` and `y_pred` must have the same shape, with at least one axis. "
            f"Received: y_true.shape={targets.shape}, y_pred.shape={predictions.shape}"
        )
    return np.asarray(-(targets * _log_probabilities(predictions, from_logits)).sum(axis=-1))


def sparse_categorical_crossentropy(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, from_logits: bool = False
) -> Array:
    """Cross-entropy of integer targets, `-log(y_pred[y_true])` over the last axis.

    Args:
        y_true: Class indices, shape (...) or (..., 1).
        y_pred: Predictions, shape (..., classes).
        from_logits: Whether `y_pred` is what goes into a softmax rather than what comes out.

    Returns:
        A float32 array of shape (...).

    Raises:
        ValueError: If the shapes do not fit or an index is out of range.
    """
    labels, predictions = np.asarray(y_true), np.asarray(y_pred, np.float32)
    if labels.ndim == predictions.ndim and labels.shape[-1:] == (1,):
        labels = labels[..., 0]
    if predictions.ndim == 0 or labels.shape != predictions.shape[:-1]:
        raise ValueError(
            "Argument `y_true` must have the shape of `y_pred` without its last axis. "
            f"Received: y_true.shape={labels.shape}, y_pred.shape={predictions.shape}"
        )
    labels = labels.astype(np.int64)
    classes = predictions.shape[-1]
    if labels.size and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(
            f"Every value of `y_true` must be in [0, {classes}). "
            f"Received values from {labels.min()} to {labels.max()}"
        )
    logs = _log_probabilities(predictions, from_logits)
    return np.asarray(-np.take_along_axis(logs, labels[..., np.newaxis], axis=-1)[..., 0])


class Loss:
    """Base class of the losses.

    Args:
        from_logits: Whether the predictions are what goes into a softmax.
        reduction: `"sum_over_batch_size"`, the mean over rows; nothing else is supported.
        name: Name of the loss.
    """

    IDENTIFIER: ClassVar[str]  # its name in the compiled code
    SPARSE: ClassVar[bool]  # whether targets are class indices rather than one-hot rows

    def __init__(self, from_logits: bool, reduction: str | None, name: str) -> None:
        refuse_unsupported(
            type(self).__name__,
            {"reduction": (reduction or "none", "sum_over_batch_size")},
        )
        self.from_logits = check_bool("from_logits", from_logits)
        self.reduction = "sum_over_batch_size"
        self.name = name

    def __call__(
        self,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Returns the mean loss over rows, `sum(weight * loss) / rows`.

        Args:
            y_true: Targets.
            y_pred: Predictions.
            sample_weight: Weight of each row, or `None` for 1.
        """
        losses = self.call(y_true, y_pred)
        if sample_weight is not None:
            losses = losses * np.asarray(sample_weight, np.float32)
        return float(losses.mean())

    def call(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
        """Returns the loss of every row."""
        raise NotImplementedError(f"{type(self).__name__} does not define `call`")

    def native_attributes(self) -> dict[str, Any]:
        """Returns the options that the compiled code takes."""
        return {"from_logits": self.from_logits}

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal loss."""
        return {"name": self.name, "reduction": self.reduction, "from_logits": self.from_logits}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Loss:
        """Makes a loss from what `get_config` returned."""
        return cls(**config)


class CategoricalCrossentropy(Loss):
    """Cross-entropy of one-hot targets.

    Args:
        from_logits: Whether the predictions are what goes into a softmax.
        label_smoothing: 0; nothing else is supported.
        axis: -1; nothing else is supported.
        reduction: `"sum_over_batch_size"`; nothing else is supported.
        name: Name of the loss.
        dtype: `None` or `"float32"`.

    Raises:
        ValueError: If an option is not supported.
    """

    IDENTIFIER = "categorical_crossentropy"
    SPARSE = False

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str = "sum_over_batch_size",
        name: str = "categorical_crossentropy",
        dtype: str | None = None,
    ) -> None:
        refuse_unsupported(
            type(self).__name__,
            {
                "label_smoothing": (label_smoothing, 0.0),
                "axis": (axis, -1),
                "dtype": (dtype, "float32"),
            },
        )
        super().__init__(from_logits, reduction, name)

    def call(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
        return categorical_crossentropy(y_true, y_pred, self.from_logits)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "label_smoothing": 0.0, "axis": -1}


class SparseCategoricalCrossentropy(Loss):
    """Cross-entropy of integer targets.

    Args:
        from_logits: Whether the predictions are what goes into a softmax.
        ignore_class: `None`; nothing else is supported.
        reduction: `"sum_over_batch_size"`; nothing else is supported.
        axis: -1; nothing else is supported.
        name: Name of the loss.
        dtype: `None` or `"float32"`.

    Raises:
        ValueError: If an option is not supported.
    """

    IDENTIFIER = "sparse_categorical_crossentropy"
    SPARSE = True

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str = "sum_over_batch_size",
        axis: int = -1,
        name: str = "sparse_categorical_crossentropy",
        dtype: str | None = None,
    ) -> None:
        refuse_unsupported(
            type(self).__name__,
            {
                "ignore_class": (ignore_class, None),
                "axis": (axis, -1),
                "dtype": (dtype, "float32"),
            },
        )
        super().__init__(from_logits, reduction, name)

    def call(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
        return sparse_categorical_crossentropy(y_true, y_pred, self.from_logits)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ignore_class": None}


_CLASSES: dict[str, type[Loss]] = {
    "CategoricalCrossentropy": CategoricalCrossentropy,
    "SparseCategoricalCrossentropy": SparseCategoricalCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
}


def get(identifier: Any) -> Loss:
    """Returns the loss that an identifier stands for.

    Args:
        identifier: Name of a class or function, configuration dictionary, instance, or one of
            this module's functions.

    Raises:
        ValueError: If it stands for none. Unlike Keras, which waits until the first batch, this
            is so already in `compile`.
    """
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, Mapping):
        class_name, config = split_config("a loss", identifier)
        loss: Loss = _class_of(class_name).from_config(config)
    else:
        loss = _class_of(identifier)()
    return loss


def _class_of(identifier: Any) -> Any:
    for function in (categorical_crossentropy, sparse_categorical_crossentropy):
        if identifier is function:
            return _CLASSES[function.__name__]
    return look_up("loss", identifier, _CLASSES)


def _log_probabilities(predictions: Array, from_logits: bool) -> Array:
    if from_logits:
        shifted = predictions - predictions.max(axis=-1, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
    probabilities = predictions / predictions.sum(axis=-1, keepdims=True)
    return np.asarray(np.log(np.clip(probabilities, EPSILON, 1.0 - EPSILON)), np.float32)
