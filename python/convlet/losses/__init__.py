"""Losses: names and options for `compile`, and the same formulas as functions of numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convlet.losses.classes import (
    BinaryCrossentropy,
    BinaryFocalCrossentropy,
    CategoricalCrossentropy,
    CategoricalFocalCrossentropy,
    CategoricalHinge,
    CosineSimilarity,
    Hinge,
    Huber,
    KLDivergence,
    LogCosh,
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanSquaredError,
    MeanSquaredLogarithmicError,
    Poisson,
    SparseCategoricalCrossentropy,
    SquaredHinge,
)
from convlet.losses.functions import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    categorical_hinge,
    cosine_similarity,
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
from convlet.losses.loss import Loss, LossFunctionWrapper
from convlet.utils.custom_objects import custom_object_scope, find_custom_object
from convlet.utils.validation import look_up, serialized, split_config

__all__ = [
    "BinaryCrossentropy",
    "BinaryFocalCrossentropy",
    "CategoricalCrossentropy",
    "CategoricalFocalCrossentropy",
    "CategoricalHinge",
    "CosineSimilarity",
    "Hinge",
    "Huber",
    "KLDivergence",
    "LogCosh",
    "Loss",
    "LossFunctionWrapper",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "Poisson",
    "SparseCategoricalCrossentropy",
    "SquaredHinge",
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_hinge",
    "cosine_similarity",
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
    "sparse_categorical_crossentropy",
    "squared_hinge",
]

_CLASS_OF_FUNCTION: dict[Any, type[Loss]] = {
    binary_crossentropy: BinaryCrossentropy,
    binary_focal_crossentropy: BinaryFocalCrossentropy,
    categorical_crossentropy: CategoricalCrossentropy,
    categorical_focal_crossentropy: CategoricalFocalCrossentropy,
    categorical_hinge: CategoricalHinge,
    cosine_similarity: CosineSimilarity,
    hinge: Hinge,
    huber: Huber,
    kl_divergence: KLDivergence,
    log_cosh: LogCosh,
    mean_absolute_error: MeanAbsoluteError,
    mean_absolute_percentage_error: MeanAbsolutePercentageError,
    mean_squared_error: MeanSquaredError,
    mean_squared_logarithmic_error: MeanSquaredLogarithmicError,
    poisson: Poisson,
    sparse_categorical_crossentropy: SparseCategoricalCrossentropy,
    squared_hinge: SquaredHinge,
}
# Keras's abbreviations, and no others; in lower and in upper case.
_ABBREVIATIONS: dict[str, type[Loss]] = {
    "bce": BinaryCrossentropy,
    "kld": KLDivergence,
    "mae": MeanAbsoluteError,
    "mse": MeanSquaredError,
    "mape": MeanAbsolutePercentageError,
    "msle": MeanSquaredLogarithmicError,
}
_CLASSES: dict[str, type[Loss]] = {
    **{loss.__name__: loss for loss in _CLASS_OF_FUNCTION.values()},
    **{function.__name__: loss for function, loss in _CLASS_OF_FUNCTION.items()},
    **_ABBREVIATIONS,
    **{name.upper(): loss for name, loss in _ABBREVIATIONS.items()},
}
_AUTOMATIC = ("crossentropy", "ce")


def get(identifier: Any) -> Loss:
    """Returns the loss that an identifier stands for.

    Args:
        identifier: Name of a class or function, abbreviation ("mse", ...), configuration
            dictionary, class, instance, one of this module's functions, or a function of your own
            (see `LossFunctionWrapper`).

    Raises:
        ValueError: If it stands for none. Unlike Keras, which waits until the first batch, this
            is so already in `compile`.
    """
    if isinstance(identifier, str):
        identifier = find_custom_object(identifier) or identifier
    if isinstance(identifier, Loss):
        return identifier
    if isinstance(identifier, Mapping):
        class_name, config = split_config("a loss", identifier)
        loss: Loss = look_up_class(class_name).from_config(config)
        return loss
    if isinstance(identifier, type) and issubclass(identifier, Loss):
        return identifier()
    if callable(identifier) and not isinstance(identifier, type):
        known = _CLASS_OF_FUNCTION.get(identifier) if _is_hashable(identifier) else None
        return LossFunctionWrapper(identifier) if known is None else known()
    instance: Loss = look_up_class(identifier)()
    return instance


def serialize(loss: Loss) -> dict[str, Any]:
    """Returns the configuration of a loss, for `deserialize` and `get`."""
    return serialized("loss", loss, "keras.losses")


def deserialize(name: Any, custom_objects: Mapping[str, Any] | None = None) -> Loss:
    """Returns the loss that `serialize` was given.

    Args:
        name: What `serialize` returned, or a name.
        custom_objects: Dictionary from names to classes or functions of the caller.

    Raises:
        ValueError: If the configuration is of another form or names no loss of this module
            or of `custom_objects`.
    """
    with custom_object_scope(custom_objects):
        return get(name)


def is_automatic(identifier: Any) -> bool:
    """Tells whether an identifier is "crossentropy" or "ce", whose loss the targets tell."""
    return isinstance(identifier, str) and identifier.lower() in _AUTOMATIC


def automatic(output_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> Loss:
    """Returns the cross-entropy for targets and outputs of the given row shapes, by Keras's rule."""
    if output_shape[-1:] == (1,):
        return BinaryCrossentropy()
    sparse = len(y_shape) < len(output_shape) or y_shape[-1:] == (1,)
    return SparseCategoricalCrossentropy() if sparse else CategoricalCrossentropy()


def look_up_class(identifier: Any) -> Any:
    """Returns the class that a name stands for.

    Raises:
        ValueError: If it stands for none, or only inside `compile`.
    """
    if is_automatic(identifier):
        raise ValueError(
            f"{identifier!r} is a loss only inside `compile(loss={identifier!r})`, where targets "
            "and outputs tell which cross-entropy it is"
        )
    return look_up("loss", identifier, _CLASSES)


def _is_hashable(value: Any) -> bool:
    return type(value).__hash__ is not None
