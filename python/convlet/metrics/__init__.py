"""Metrics: names and objects for `compile`, and for direct use on numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convlet.losses import (
    Loss,
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    sparse_categorical_crossentropy,
    squared_hinge,
)
from convlet.metrics.confusion import (
    AUC,
    FalseNegatives,
    FalsePositives,
    Precision,
    Recall,
    TrueNegatives,
    TruePositives,
)
from convlet.metrics.f_score import F1Score, FBetaScore
from convlet.metrics.functions import (
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)
from convlet.metrics.means import (
    Accuracy,
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    KLDivergence,
    LogCoshError,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    RootMeanSquaredError,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    SquaredHinge,
    TopKCategoricalAccuracy,
)
from convlet.metrics.metric import Mean, MeanMetricWrapper, Metric, Sum
from convlet.utils.custom_objects import custom_object_scope, find_custom_object
from convlet.utils.naming import to_snake_case
from convlet.utils.validation import look_up, serialized, split_config

__all__ = [
    "AUC",
    "Accuracy",
    "BinaryAccuracy",
    "BinaryCrossentropy",
    "CategoricalAccuracy",
    "CategoricalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "F1Score",
    "FBetaScore",
    "FalseNegatives",
    "FalsePositives",
    "Hinge",
    "KLDivergence",
    "LogCoshError",
    "Mean",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanMetricWrapper",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Metric",
    "Poisson",
    "Precision",
    "Recall",
    "RootMeanSquaredError",
    "SparseCategoricalAccuracy",
    "SparseCategoricalCrossentropy",
    "SparseTopKCategoricalAccuracy",
    "SquaredHinge",
    "Sum",
    "TopKCategoricalAccuracy",
    "TrueNegatives",
    "TruePositives",
    "binary_accuracy",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "deserialize",
    "get",
    "hinge",
    "huber",
    "kl_divergence",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "poisson",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "squared_hinge",
    "top_k_categorical_accuracy",
]

_ALL: tuple[type[Metric], ...] = (
    AUC,
    Accuracy,
    BinaryAccuracy,
    BinaryCrossentropy,
    CategoricalAccuracy,
    CategoricalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    F1Score,
    FBetaScore,
    FalseNegatives,
    FalsePositives,
    Hinge,
    KLDivergence,
    LogCoshError,
    Mean,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    Precision,
    Recall,
    RootMeanSquaredError,
    SparseCategoricalAccuracy,
    SparseCategoricalCrossentropy,
    SparseTopKCategoricalAccuracy,
    SquaredHinge,
    Sum,
    TopKCategoricalAccuracy,
    TrueNegatives,
    TruePositives,
)
_ABBREVIATIONS: dict[str, type[Metric]] = {
    "bce": BinaryCrossentropy,
    "mse": MeanSquaredError,
    "mae": MeanAbsoluteError,
    "mape": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
}
_CLASSES: dict[str, type[Metric]] = {
    **{metric.__name__: metric for metric in _ALL},
    **{to_snake_case(metric.__name__): metric for metric in _ALL},
    **_ABBREVIATIONS,
    **{name.upper(): metric for name, metric in _ABBREVIATIONS.items()},
}
# Functions that are exactly what a class computes.
_CLASS_OF_FUNCTION: dict[Any, type[Metric]] = {
    function: _CLASSES[function.__name__]
    for function in (
        binary_accuracy,
        binary_crossentropy,
        categorical_accuracy,
        categorical_crossentropy,
        categorical_hinge,
        hinge,
        kl_divergence,
        mean_absolute_error,
        mean_absolute_percentage_error,
        mean_squared_error,
        mean_squared_logarithmic_error,
        poisson,
        sparse_categorical_accuracy,
        sparse_categorical_crossentropy,
        sparse_top_k_categorical_accuracy,
        squared_hinge,
        top_k_categorical_accuracy,
    )
}
_ACCURACY = ("accuracy", "acc")


def get(identifier: Any) -> Metric:
    """Returns the metric that an identifier stands for.

    Args:
        identifier: Name of a class, also in snake case, abbreviation ("mse", ...), configuration
            dictionary, class, instance, one of this module's functions, or a function of your own
            (see `MeanMetricWrapper`).

    Raises:
        ValueError: If it stands for none.
    """
    if isinstance(identifier, str):
        identifier = find_custom_object(identifier) or identifier
    if isinstance(identifier, Metric):
        return identifier
    if isinstance(identifier, Mapping):
        class_name, config = split_config("a metric", identifier)
        metric: Metric = _class_of(class_name).from_config(config)
        return metric
    if isinstance(identifier, type) and issubclass(identifier, Metric):
        return identifier()
    if callable(identifier) and not isinstance(identifier, type):
        hashable = type(identifier).__hash__ is not None
        known = _CLASS_OF_FUNCTION.get(identifier) if hashable else None
        return MeanMetricWrapper(identifier) if known is None else known()
    return _class_of(identifier)()  # type: ignore[no-any-return]


def serialize(metric: Metric) -> dict[str, Any]:
    """Returns the configuration of a metric, for `deserialize` and `get`."""
    return serialized("metric", metric, "keras.metrics")


def deserialize(config: Any, custom_objects: Mapping[str, Any] | None = None) -> Metric:
    """Returns the metric that `serialize` was given.

    Args:
        config: What `serialize` returned, or a name.
        custom_objects: Dictionary from names to classes or functions of the caller.

    Raises:
        ValueError: If the configuration is of another form or names no metric of this module
            or of `custom_objects`.
    """
    with custom_object_scope(custom_objects):
        return get(config)


def is_accuracy(identifier: Any) -> bool:
    """Tells whether an identifier is "accuracy" or "acc", whose metric the targets tell."""
    return isinstance(identifier, str) and identifier.lower() in _ACCURACY


def resolve(
    identifier: Any,
    loss: Loss,
    output_shape: tuple[int, ...] = (),
    y_shape: tuple[int, ...] | None = None,
) -> Metric:
    """Returns the metric for an entry of `compile(metrics=[...])`.

    "accuracy" and "acc" become the accuracy for the kind of targets that the loss takes, by Keras's
    rule. A metric given as a string has exactly that string as its name, as in Keras.

    Args:
        identifier: The entry.
        loss: The loss.
        output_shape: Shape of a row of the output, or () where it is not known yet.
        y_shape: Shape of a row of the targets, for a loss that takes them as they come; or `None`.

    Raises:
        ValueError: If the identifier stands for no metric, or for one of other targets.
    """
    if is_accuracy(identifier):
        sparse = loss.SPARSE
        if not loss.is_native and y_shape is not None:
            sparse = len(y_shape) < len(output_shape) or (
                y_shape[-1:] == (1,) and output_shape[-1] > 1
            )
        if output_shape[-1:] == (1,):
            return BinaryAccuracy(identifier)
        return (SparseCategoricalAccuracy if sparse else CategoricalAccuracy)(identifier)
    metric = get(identifier)
    if metric.is_native and loss.is_native and metric.SPARSE != loss.SPARSE:
        raise ValueError(
            f"The metric {type(metric).__name__} and the loss {type(loss).__name__} need different "
            "targets: one takes one-hot rows, the other class indices. Use 'accuracy', which "
            "follows the loss"
        )
    if isinstance(identifier, str):
        metric.name = identifier
    return metric


def _class_of(identifier: Any) -> Any:
    if is_accuracy(identifier) and identifier not in _CLASSES:
        raise ValueError(
            f"{identifier!r} is a metric only inside `compile(metrics=[{identifier!r}])`, where "
            "the targets tell which accuracy it is"
        )
    return look_up("metric", identifier, _CLASSES)
