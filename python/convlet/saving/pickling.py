"""Models for `pickle` and `copy.deepcopy`: the bytes of a `.keras` file, and what goes beyond one.

A pickle is the caller's own and names code by itself. So it also holds, as objects, what a file
cannot: classes of the caller's and what `compile` was given, functions among it. The readers of
files know nothing of this, and never unpickle anything.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from convlet.saveable import Saveable
from convlet.saving import api, archive, weights_h5
from convlet.saving.hdf5 import open_hdf5
from convlet.saving.state import restore_optimizer
from convlet.utils.custom_objects import custom_object_scope
from convlet.variables import assign_all

Reduced = tuple[Callable[..., Any], tuple[Any, ...]]


def reduce_model(model: Any) -> Reduced:
    """Returns what `pickle` makes an equal model from, trained as far as this one.

    Args:
        model: A model, built or not, compiled or not.

    Raises:
        ValueError: If it cannot be described in a file.
    """
    content = io.BytesIO()
    config = api.model_config(model, include_optimizer=False)
    archive.write_archive(content, config, weights_h5.as_hdf5(model), api.KERAS_VERSION)
    seeds = [getattr(layer, "_native_seed", None) for layer, _ in model.leaves()]
    customs = {known.__name__: known for known in _custom_classes(model)}
    return _restored, (content.getvalue(), customs, seeds, _compilation(model))


def _restored(
    content: bytes,
    customs: Mapping[str, Any],
    seeds: list[int | None],
    compilation: dict[str, Any] | None,
) -> Any:
    saved = archive.read_archive(io.BytesIO(content))
    with custom_object_scope(customs):
        model = api.model_from_config(saved.config)
        for (layer, _), seed in zip(model.leaves(), seeds, strict=True):
            if seed is not None:
                layer._native_seed = seed
        with open_hdf5(saved.weights) as file:
            if model.built:
                assign_all(weights_h5.read_weights(model, file))
            if compilation is not None:
                _compile(model, **compilation)
                restore_optimizer(model, weights_h5.read_optimizer(file))
    return model


def _compilation(model: Any) -> dict[str, Any] | None:
    """Returns the arguments of `_compile`, `None` for a model that has not been compiled."""
    if not model.compiled:
        return None
    optimizer = model.optimizer
    indices = [i for i, weight in enumerate(model.weights) if weight in optimizer._undecayed]
    return {
        "optimizer": (type(optimizer), optimizer.get_config()),
        "undecayed": (indices, optimizer._undecayed_names),
        "arguments": {**model._compile_arguments, **model._metric_arguments},
    }


def _compile(
    model: Any,
    optimizer: tuple[Any, dict[str, Any]],
    undecayed: tuple[list[int], Any],
    arguments: dict[str, Any],
) -> None:
    known, config = optimizer
    model.compile(optimizer=known.from_config(config), **arguments)
    indices, names = undecayed
    model.optimizer._undecayed = frozenset(model.weights[i] for i in indices)
    model.optimizer._undecayed_names = names


def _custom_classes(model: Any) -> Iterator[type]:
    """Yields the classes of the caller's that the model is made of."""
    parts = [model, None if model.optimizer is None else model.optimizer._schedule]
    for layer in model.layers:
        if isinstance(layer, Saveable):
            yield from _custom_classes(layer)
        else:
            parts += [layer, *layer.initializers().values()]
    for part in parts:
        if part is not None and not type(part).__module__.startswith("convlet."):
            yield type(part)
