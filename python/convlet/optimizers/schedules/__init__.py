"""Learning rates that change from step to step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convlet.optimizers.schedules.learning_rate_schedule import (
    CosineDecay,
    CosineDecayRestarts,
    ExponentialDecay,
    InverseTimeDecay,
    LearningRateSchedule,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from convlet.utils.custom_objects import custom_object_scope
from convlet.utils.validation import look_up, serialized, split_config

__all__ = [
    "CosineDecay",
    "CosineDecayRestarts",
    "ExponentialDecay",
    "InverseTimeDecay",
    "LearningRateSchedule",
    "PiecewiseConstantDecay",
    "PolynomialDecay",
    "deserialize",
    "serialize",
]

# The only classes that a configuration can name.
_CLASSES: dict[str, type[LearningRateSchedule]] = {
    known.__name__: known
    for known in (
        CosineDecay,
        CosineDecayRestarts,
        ExponentialDecay,
        InverseTimeDecay,
        PiecewiseConstantDecay,
        PolynomialDecay,
    )
}


def serialize(learning_rate_schedule: LearningRateSchedule) -> dict[str, Any]:
    """Returns class and arguments of a schedule as Keras writes them.

    Args:
        learning_rate_schedule: A schedule.

    Raises:
        NotImplementedError: If it is of a class of the caller's own without `get_config`.
    """
    return serialized(
        "learning_rate_schedule", learning_rate_schedule, "keras.optimizers.schedules"
    )


def deserialize(
    config: Mapping[str, Any], custom_objects: Mapping[str, Any] | None = None
) -> LearningRateSchedule:
    """Makes a schedule from what `serialize` returned, or Keras's equivalent.

    Args:
        config: Dictionary with the keys `"class_name"` and `"config"`.
        custom_objects: Dictionary from names in it to classes of the caller.

    Raises:
        ValueError: If the class is unknown or an argument has no meaning.
    """
    with custom_object_scope(custom_objects):
        class_name, arguments = split_config("a learning rate schedule", config)
        known: type[LearningRateSchedule] = look_up("learning rate schedule", class_name, _CLASSES)
        return known.from_config(arguments)
