"""Automatic names, counted over the whole process: `conv2d`, `conv2d_1`, ..."""

from __future__ import annotations

import re
from collections import Counter

_uses: Counter[str] = Counter()


def auto_name(class_name: str) -> str:
    """Returns the next free name for an object of a class, as Keras gives it."""
    name = to_snake_case(class_name)
    uses = _uses[name]
    _uses[name] += 1
    return f"{name}_{uses}" if uses else name


def clear_session() -> None:
    """Forgets all automatic names: the next `Conv2D` is `conv2d` again."""
    _uses.clear()


def to_snake_case(name: str) -> str:
    """Converts a class name as Keras does: `MaxPooling2D` to `max_pooling2d`, `ReLU` to `re_lu`."""
    name = re.sub(r"\W+", "", name)
    name = re.sub(r"(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()
