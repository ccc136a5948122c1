"""Putting what a file holds into the variables of a model and of its optimizer."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

from convlet.saveable import Saveable
from convlet.saving.hdf5 import Array, Mismatch, read
from convlet.variables import Variable

if TYPE_CHECKING:
    import h5py

Weights: TypeAlias = list[tuple[Variable, Array]]


def read_matching(
    variables: Sequence[Variable],
    saved: Sequence[h5py.Dataset],
    where: str,
    skipped: list[str] | None,
) -> Weights:
    """Reads the weights of one layer.

    Args:
        variables: The layer's variables.
        saved: The file's, in the same order.
        where: What to call the layer in error messages.
        skipped: Collects the message if they do not fit, and nothing is returned; `None` to raise.

    Raises:
        Mismatch: If number or shapes differ.
        ValueError: If the file is unsafe.
    """
    try:
        if len(saved) != len(variables):
            raise Mismatch(
                f"has {len(saved)} variables in {where!r}, where the model has {len(variables)}."
            )
        values = [
            read(each, variable.shape) for each, variable in zip(saved, variables, strict=True)
        ]
    except Mismatch as mismatch:
        if skipped is None:
            raise
        skipped.append(f"{where}: {mismatch}")
        return []
    return list(zip(variables, values, strict=True))


def read_optimizer_state(model: Saveable, saved: Sequence[h5py.Dataset]) -> list[Array] | None:
    """Reads the state of a model's optimizer.

    Args:
        model: A compiled model.
        saved: The file's variables, in the order of `optimizer.variables` of some version of Keras.

    Returns:
        Arrays for `optimizer.set_state`; `None`, with a warning as in Keras, if the file has the
        state of another optimizer or the model's has not been trained yet.

    Raises:
        ValueError: If a variable has another shape or the file is unsafe.
    """
    if model.optimizer is None or not saved:
        return None
    variables = model.optimizer.variables
    layouts = model.optimizer.layouts()
    shapes = [each.shape for each in saved]
    layout = next((each for each in layouts if [v.shape for v in each] == shapes), variables)
    if len(saved) != len(layout):
        warnings.warn(
            f"Not loading the state of optimizer '{model.optimizer.name}', because it has "
            f"{len(variables)} variables whereas the saved optimizer has {len(saved)}.",
            stacklevel=5,
        )
        return None
    values = {v: read(each, v.shape) for v, each in zip(layout, saved, strict=True)}
    return [values[v] if v in values else v.numpy() for v in variables]


def restore_optimizer(model: Saveable, saved: Sequence[h5py.Dataset]) -> None:
    """Gives a newly compiled model the optimizer state of a file.

    Raises:
        ValueError: If the file's state has no meaning or is unsafe.
    """
    if model.optimizer is None:
        return
    if any(each.shape for each in saved):
        model.prepare_training()  # a trained optimizer: slots are needed
    state = read_optimizer_state(model, saved)
    if state is not None:
        model.optimizer.set_state(state)


def warn_of_skipped(skipped: Sequence[str]) -> None:
    """Warns of what `skip_mismatch=True` has left as it was."""
    if skipped:
        listed = "\n".join(skipped)
        warnings.warn(
            f"A total of {len(skipped)} objects could not be loaded. The file\n{listed}",
            stacklevel=5,
        )


def check_built(model: Saveable, doing: str) -> None:
    """Refuses a model that has no weights yet.

    Raises:
        ValueError: In Keras's words; or if it is no model at all.
    """
    if not isinstance(model, Saveable):
        raise ValueError(f"Expected `model` argument to be a model. Received: model={model!r}")
    if not model.built:
        raise ValueError(
            f"You are {doing} the weights of a model that has not yet been built. Try building "
            "the model first by calling it on some data or by using `build()`."
        )
