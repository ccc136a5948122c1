"""Metrics: names and objects for `compile`, and running means on numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet.losses import Loss
from convlet.utils.validation import look_up, refuse_unsupported, split_config

__all__ = [
    "CategoricalAccuracy",
    "Metric",
    "SparseCategoricalAccuracy",
    "categorical_accuracy",
    "get",
    "sparse_categorical_accuracy",
]

Array: TypeAlias = npt.NDArray[np.float32]


def categorical_accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Whether the largest prediction is where the largest target is, as 0.0 or 1.0.

    Args:
        y_true: One-hot targets, shape (..., classes).
        y_pred: Predictions, shape (..., classes).

    Returns:
        A float32 array of shape (...).

    Raises:
        ValueError: If the shapes differ.
    """
    targets, predictions = np.asarray(y_true), np.asarray(y_pred)
    if targets.shape != predictions.shape or targets.ndim == 0:
        raise ValueError(
            "Arguments `y_true` and `y_pred` must have the same shape, with at least one axis. "
            f"Received: y_true.shape={targets.shape}, y_pred.shape={predictions.shape}"
        )
    return np.asarray(targets.argmax(axis=-1) == predictions.argmax(axis=-1), np.float32)


def sparse_categorical_accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
    """Whether the largest prediction is that of the right class, as 0.0 or 1.0.

    Args:
        y_true: Class indices, shape (...) or (..., 1).
        y_pred: Predictions, shape (..., classes).

    Returns:
        A float32 array of shape (...).

    Raises:
        ValueError: If the shapes do not fit.
    """
    labels, predictions = np.asarray(y_true), np.asarray(y_pred)
    if labels.ndim == predictions.ndim and labels.shape[-1:] == (1,):
        labels = labels[..., 0]
    if predictions.ndim == 0 or labels.shape != predictions.shape[:-1]:
        raise ValueError(
            "Argument `y_true` must have the shape of `y_pred` without its last axis. "
            f"Received: y_true.shape={labels.shape}, y_pred.shape={predictions.shape}"
        )
    return np.asarray(labels == predictions.argmax(axis=-1), np.float32)


class Metric:
    """Base class of the metrics: a running mean over rows.

    Inside `fit` and `evaluate` the compiled code keeps the mean; an instance's own state is for
    direct use.

    Args:
        name: Key in `History` and in `evaluate(return_dict=True)`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER: ClassVar[str]  # its name in the compiled code
    SPARSE: ClassVar[bool]  # whether targets are class indices rather than one-hot rows

    def __init__(self, name: str, dtype: str | None = None) -> None:
        refuse_unsupported(type(self).__name__, {"dtype": (dtype, "float32")})
        self.name = name
        self.dtype = "float32"
        self.reset_state()

    def reset_state(self) -> None:
        """Forgets all rows."""
        self._total = 0.0
        self._count = 0.0

    def update_state(
        self,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> None:
        """Adds rows to the mean.

        Args:
            y_true: Targets.
            y_pred: Predictions.
            sample_weight: Weight of each row, or `None` for 1.
        """
        values = self.values(y_true, y_pred)
        weights = np.ones_like(values)
        if sample_weight is not None:
            weights = np.broadcast_to(np.asarray(sample_weight, np.float32), values.shape)
        self._total += float((values * weights).sum(dtype=np.float64))
        self._count += float(weights.sum(dtype=np.float64))

    def result(self) -> float:
        """Returns the mean, 0.0 before the first row."""
        return self._total / self._count if self._count else 0.0

    def __call__(
        self,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> float:
        """Adds rows and returns the mean."""
        self.update_state(y_true, y_pred, sample_weight)
        return self.result()

    def values(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
        """Returns the metric of every row."""
        raise NotImplementedError(f"{type(self).__name__} does not define `values`")

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments that make an equal metric."""
        return {"name": self.name, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Metric:
        """Makes a metric from what `get_config` returned."""
        return cls(**config)


class CategoricalAccuracy(Metric):
    """Share of rows whose class is predicted, for one-hot targets.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "categorical_accuracy"
    SPARSE = False

    def __init__(self, name: str = "categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(name, dtype)

    def values(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
        return categorical_accuracy(y_true, y_pred)


class SparseCategoricalAccuracy(Metric):
    """Share of rows whose class is predicted, for integer targets.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "sparse_categorical_accuracy"
    SPARSE = True

    def __init__(self, name: str = "sparse_categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(name, dtype)

    def values(self, y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> Array:
        return sparse_categorical_accuracy(y_true, y_pred)


_CLASSES: dict[str, type[Metric]] = {
    "CategoricalAccuracy": CategoricalAccuracy,
    "SparseCategoricalAccuracy": SparseCategoricalAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
}
_ACCURACY = ("accuracy", "acc")


def get(identifier: Any) -> Metric:
    """Returns the metric that an identifier stands for.

    Args:
        identifier: Name of a class or function, configuration dictionary, instance, or one of
            this module's functions.

    Raises:
        ValueError: If it stands for none.
    """
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, Mapping):
        class_name, config = split_config("a metric", identifier)
        metric: Metric = _class_of(class_name).from_config(config)
    else:
        metric = _class_of(identifier)()
    return metric


def resolve(identifier: Any, loss: Loss) -> Metric:
    """Returns the metric for an entry of `compile(metrics=[...])`.

    "accuracy" and "acc" become the accuracy for the kind of targets that the loss takes. A metric
    given as a string has exactly that string as its name, as in Keras.

    Raises:
        ValueError: If the identifier stands for no metric, or for one of other targets.
    """
    if isinstance(identifier, str) and identifier.lower() in _ACCURACY:
        return (SparseCategoricalAccuracy if loss.SPARSE else CategoricalAccuracy)(identifier)
    metric = get(identifier)
    if metric.SPARSE != loss.SPARSE:
        raise ValueError(
            f"The metric {metric.IDENTIFIER!r} and the loss {loss.IDENTIFIER!r} need different "
            "targets: one takes one-hot rows, the other class indices. Use 'accuracy', which "
            "follows the loss"
        )
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


def _class_of(identifier: Any) -> Any:
    for function in (categorical_accuracy, sparse_categorical_accuracy):
        if identifier is function:
            return _CLASSES[function.__name__]
    known = {**_CLASSES, **dict.fromkeys(_ACCURACY)}
    metric = look_up("metric", identifier, known)
    if metric is None:
        raise ValueError(
            f"{identifier!r} is a metric only inside `compile(metrics=[{identifier!r}])`, where "
            "the targets tell which accuracy it is"
        )
    return metric
