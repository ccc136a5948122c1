"""Automatic names, counted over the whole process: `conv2d`, `conv2d_1`, ..."""

from __future__ import annotations

import gc
import re
from collections import Counter

_uses: Counter[str] = Counter()
_uids: Counter[str] = Counter()


def auto_name(class_name: str) -> str:
    """Returns the next free name for an object of a class, as Keras gives it."""
    name = to_snake_case(class_name)
    uses = _uses[name]
    _uses[name] += 1
    return f"{name}_{uses}" if uses else name


def get_uid(prefix: str = "") -> int:
    """Returns how often it has been called with a prefix, from 1."""
    _uids[prefix] += 1
    return _uids[prefix]


def clear_session(free_memory: bool = True) -> None:
    """Forgets all automatic names: the next `Conv2D` is `conv2d` again; the dtype policy is float32.

    Args:
        free_memory: Whether to collect what models that nobody uses any more have left.
    """
    from convlet import dtype_policies  # imports this package

    dtype_policies.set_dtype_policy("float32")
    _uses.clear()
    _uids.clear()
    if free_memory:
        gc.collect()


def to_snake_case(name: str) -> str:
    """Converts a class name as Keras does: `MaxPooling2D` to `max_pooling2d`, `ReLU` to `re_lu`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
