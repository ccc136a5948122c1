"""Metrics that are means over rows: accuracies, and the losses as metrics."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from convlet.losses import functions as losses
from convlet.metrics import functions
from convlet.metrics.metric import Mean, MeanMetricWrapper
from convlet.utils.validation import check_bool, check_integer, check_real, refuse_unsupported


class RowMean(MeanMetricWrapper):
    """Mean over rows of a function of this package.

    Args:
        fn: The function.
        name: Key in `History`.
        dtype: `None` or `"float32"`.
        **kwargs: The function's options.
    """

    def options(self) -> dict[str, Any]:
        return dict(self._fn_kwargs)

    def get_config(self) -> dict[str, Any]:
        return {"name": self.name, "dtype": self.dtype, **self._fn_kwargs}


class Accuracy(RowMean):
    """Share of predictions that equal their targets.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "accuracy"

    def __init__(self, name: str | None = "accuracy", dtype: str | None = None) -> None:
        super().__init__(functions.accuracy, name, dtype)


class CategoricalAccuracy(RowMean):
    """Share of rows whose class is predicted, for one-hot targets.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "categorical_accuracy"

    def __init__(self, name: str | None = "categorical_accuracy", dtype: str | None = None) -> None:
        super().__init__(functions.categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(RowMean):
    """Share of rows whose class is predicted, for integer targets.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "sparse_categorical_accuracy"
    SPARSE = True

    def __init__(
        self, name: str | None = "sparse_categorical_accuracy", dtype: str | None = None
    ) -> None:
        super().__init__(functions.sparse_categorical_accuracy, name, dtype)


class BinaryAccuracy(RowMean):
    """Share of predictions on their targets' side of a threshold.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
        threshold: What a prediction must exceed to stand for 1.
    """

    IDENTIFIER = "binary_accuracy"

    def __init__(
        self,
        name: str | None = "binary_accuracy",
        dtype: str | None = None,
        threshold: float = 0.5,
    ) -> None:
        threshold = check_real("threshold", threshold)
        super().__init__(functions.binary_accuracy, name, dtype, threshold=threshold)


class TopKCategoricalAccuracy(RowMean):
    """Share of rows whose class is among the k most probable, for one-hot targets.

    Args:
        k: How many classes.
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "top_k_categorical_accuracy"

    def __init__(
        self, k: int = 5, name: str | None = "top_k_categorical_accuracy", dtype: str | None = None
    ) -> None:
        k = check_integer("k", k, 1)
        super().__init__(functions.top_k_categorical_accuracy, name, dtype, k=k)


class SparseTopKCategoricalAccuracy(RowMean):
    """Share of rows whose class is among the k most probable, for integer targets.

    Args:
        k: How many classes.
        name: Key in `History`.
        dtype: `None` or `"float32"`.
        from_sorted_ids: `False`; nothing else is supported.
    """

    IDENTIFIER = "sparse_top_k_categorical_accuracy"
    SPARSE = True

    def __init__(
        self,
        k: int = 5,
        name: str | None = "sparse_top_k_categorical_accuracy",
        dtype: str | None = None,
        from_sorted_ids: bool = False,
    ) -> None:
        refuse_unsupported(type(self).__name__, {"from_sorted_ids": (from_sorted_ids, False)})
        k = check_integer("k", k, 1)
        super().__init__(functions.sparse_top_k_categorical_accuracy, name, dtype, k=k)


class MeanSquaredError(RowMean):
    """Mean of the squared differences.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "mean_squared_error"

    def __init__(self, name: str | None = "mean_squared_error", dtype: str | None = None) -> None:
        super().__init__(losses.mean_squared_error, name, dtype)


class MeanAbsoluteError(RowMean):
    """Mean of the absolute differences.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "mean_absolute_error"

    def __init__(self, name: str | None = "mean_absolute_error", dtype: str | None = None) -> None:
        super().__init__(losses.mean_absolute_error, name, dtype)


class MeanAbsolutePercentageError(RowMean):
    """Mean of the differences in percent of the targets.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "mean_absolute_percentage_error"

    def __init__(
        self, name: str | None = "mean_absolute_percentage_error", dtype: str | None = None
    ) -> None:
        super().__init__(losses.mean_absolute_percentage_error, name, dtype)


class MeanSquaredLogarithmicError(RowMean):
    """Mean of the squared differences of the logarithms of 1 + y.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "mean_squared_logarithmic_error"

    def __init__(
        self, name: str | None = "mean_squared_logarithmic_error", dtype: str | None = None
    ) -> None:
        super().__init__(losses.mean_squared_logarithmic_error, name, dtype)


class LogCoshError(RowMean):
    """Mean of the logarithms of the differences' hyperbolic cosine.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "log_cosh"

    def __init__(self, name: str | None = "logcosh", dtype: str | None = None) -> None:
        super().__init__(losses.log_cosh, name, dtype)


class Poisson(RowMean):
    """The loss of that name as a metric.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "poisson"

    def __init__(self, name: str | None = "poisson", dtype: str | None = None) -> None:
        super().__init__(losses.poisson, name, dtype)


class KLDivergence(RowMean):
    """The loss of that name as a metric.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "kl_divergence"

    def __init__(self, name: str | None = "kl_divergence", dtype: str | None = None) -> None:
        super().__init__(losses.kl_divergence, name, dtype)


class Hinge(RowMean):
    """The loss of that name as a metric.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "hinge"

    def __init__(self, name: str | None = "hinge", dtype: str | None = None) -> None:
        super().__init__(losses.hinge, name, dtype)


class SquaredHinge(RowMean):
    """The loss of that name as a metric.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "squared_hinge"

    def __init__(self, name: str | None = "squared_hinge", dtype: str | None = None) -> None:
        super().__init__(losses.squared_hinge, name, dtype)


class CategoricalHinge(RowMean):
    """The loss of that name as a metric.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "categorical_hinge"

    def __init__(self, name: str | None = "categorical_hinge", dtype: str | None = None) -> None:
        super().__init__(losses.categorical_hinge, name, dtype)


class RootMeanSquaredError(Mean):
    """Root of the mean of the squared differences.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
    """

    IDENTIFIER = "mean_squared_error"

    def __init__(
        self, name: str | None = "root_mean_squared_error", dtype: str | None = None
    ) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]  # as in Keras
        self,
        y_true: npt.ArrayLike,
        y_pred: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> None:
        """Takes in a batch of targets and predictions, with weights of the rows or `None`."""
        targets, predictions = losses.same_rank(
            np.asarray(y_true, np.float32), np.asarray(y_pred, np.float32)
        )
        super().update_state((predictions - targets) ** 2, sample_weight)

    def of_mean(self, mean: float) -> float:
        return math.sqrt(mean)


class CosineSimilarity(RowMean):
    """Cosine of the angle between targets and predictions along the last axis.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
        axis: -1; nothing else is supported.
    """

    IDENTIFIER = "cosine_similarity"

    def __init__(
        self, name: str | None = "cosine_similarity", dtype: str | None = None, axis: int = -1
    ) -> None:
        refuse_unsupported(type(self).__name__, {"axis": (axis, -1)})
        super().__init__(losses.cosine_similarity, name, dtype)

    def of_mean(self, mean: float) -> float:
        return -mean  # the loss is minus the cosine


class BinaryCrossentropy(RowMean):
    """The loss of that name as a metric.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
        from_logits: Whether the predictions are what goes into a sigmoid.
        label_smoothing: Share by which targets move to one half.
    """

    IDENTIFIER = "binary_crossentropy"

    def __init__(
        self,
        name: str | None = "binary_crossentropy",
        dtype: str | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
    ) -> None:
        options = losses.crossentropy_options(type(self).__name__, from_logits, label_smoothing, -1)
        super().__init__(losses.binary_crossentropy, name, dtype, **options)


class CategoricalCrossentropy(RowMean):
    """The loss of that name as a metric.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
        from_logits: Whether the predictions are what goes into a softmax.
        label_smoothing: Share of each target that is spread over all classes.
        axis: -1; nothing else is supported.
    """

    IDENTIFIER = "categorical_crossentropy"

    def __init__(
        self,
        name: str | None = "categorical_crossentropy",
        dtype: str | None = None,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
    ) -> None:
        options = losses.crossentropy_options(
            type(self).__name__, from_logits, label_smoothing, axis
        )
        super().__init__(losses.categorical_crossentropy, name, dtype, **options)


class SparseCategoricalCrossentropy(RowMean):
    """The loss of that name as a metric.

    Args:
        name: Key in `History`.
        dtype: `None` or `"float32"`.
        from_logits: Whether the predictions are what goes into a softmax.
        ignore_class: `None`; nothing else is supported.
        axis: -1; nothing else is supported.
    """

    IDENTIFIER = "sparse_categorical_crossentropy"
    SPARSE = True

    def __init__(
        self,
        name: str | None = "sparse_categorical_crossentropy",
        dtype: str | None = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        refuse_unsupported(
            type(self).__name__, {"ignore_class": (ignore_class, None), "axis": (axis, -1)}
        )
        from_logits = check_bool("from_logits", from_logits)
        super().__init__(
            losses.sparse_categorical_crossentropy, name, dtype, from_logits=from_logits
        )
