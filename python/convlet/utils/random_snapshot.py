"""The state of all random number generators of the process, in a form that JSON can hold."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np

from convlet.utils.random_state import generator

Snapshot = dict[str, Any]


def take_snapshot() -> Snapshot:
    """Returns the state of convlet's generator, Python's `random` and numpy's legacy generator."""
    numpy_state: Any = np.random.get_state(legacy=False)  # noqa: NPY002 - the user may draw from it
    inner = {key: np.asarray(value).tolist() for key, value in numpy_state["state"].items()}
    return {
        "convlet": generator().bit_generator.state,
        "python": random.getstate(),
        "numpy": {**numpy_state, "state": inner},
    }


def restore_snapshot(snapshot: Mapping[str, Any]) -> None:
    """Brings all generators back to where they were at a snapshot, also one read from JSON."""
    _restore(snapshot, generator().bit_generator, random, np.random)


def check_snapshot(snapshot: Any) -> None:
    """Raises ValueError if `restore_snapshot` could not take this; changes no generator."""
    others = type(generator().bit_generator)(), random.Random(), np.random.RandomState()
    try:
        _restore(snapshot, *others)
    except (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"not the state of random number generators: {error!r}") from error


def _restore(snapshot: Mapping[str, Any], own: Any, python: Any, legacy: Any) -> None:
    version, numbers, gauss = snapshot["python"]
    numpy_state = dict(snapshot["numpy"])
    inner = dict(numpy_state["state"])
    inner["key"] = np.array(inner["key"], np.uint32)
    if not 0 <= inner["pos"] <= len(inner["key"]):  # numpy would read there
        raise ValueError(f"the place {inner['pos']} is not in the state")
    own.state = snapshot["convlet"]
    python.setstate((version, tuple(numbers), gauss))
    legacy.set_state({**numpy_state, "state": inner})
