"""Checks of arguments. Every message names the argument, what came and what was expected."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

from convlet.utils.custom_objects import (
    class_name_of,
    find_custom_object,
    get_registered_name,
)


def check_integer(name: str, value: Any, minimum: int, maximum: int | None = None) -> int:
    """Returns `value` as an int within the bounds (both inclusive), or raises ValueError."""
    expected = (
        f"an integer from {minimum} to {maximum}"
        if maximum is not None
        else f"an integer of at least {minimum}"
    )
    try:
        # True and 2.0 are not sizes, even where Python would take them for one.
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < minimum or (maximum is not None and number > maximum):
        raise ValueError(f"`{name}` must be {expected}. Received: {name}={value!r}")
    return number


def check_real(
    name: str, value: Any, minimum: float = -math.inf, maximum: float = math.inf
) -> float:
    """Returns `value` as a finite float within the bounds (both inclusive), or raises ValueError."""
    try:
        number = math.nan if isinstance(value, (bool, str)) else float(value)
    except (OverflowError, TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and minimum <= number <= maximum):
        bounds = (
            "" if (minimum, maximum) == (-math.inf, math.inf) else f" {_range(minimum, maximum)}"
        )
        raise ValueError(f"`{name}` must be a finite number{bounds}. Received: {name}={value!r}")
    return number


def is_finite(value: float) -> bool:
    """Whether a number, an integer of any size among them, is a finite float."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def check_rate(name: str, value: Any) -> float:
    """Returns `value` as a float from 0 to 1, or raises ValueError in Keras's words."""
    try:
        return check_real(name, value, 0.0, 1.0)
    except ValueError:
        raise ValueError(
            f"Invalid value received for argument `{name}`. Expected a float value between 0 and 1. "
            f"Received: {name}={value}"
        ) from None


def check_bool(name: str, value: Any) -> bool:
    """Returns `value` if it is a bool, or raises ValueError."""
    if not isinstance(value, bool):
        raise ValueError(
            f"Expected `{name}` to be a boolean. Received: {name}={value} (of type {type(value)})"
        )
    return value


def check_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Returns `value`, in lower case, if it is one of the strings, or raises ValueError."""
    if isinstance(value, str) and value.lower() in choices:
        return value.lower()
    raise ValueError(
        f"The `{name}` argument must be one of {', '.join(map(repr, choices))}. "
        f"Received: {name}={value!r}{suggestion(value, choices)}"
    )


def check_tuple(name: str, value: Any, length: int, minimum: int = 1) -> tuple[int, ...]:
    """Returns an integer, or a sequence of `length` of them, as a tuple.

    Args:
        name: Name of the argument.
        value: What came.
        length: Length of the tuple.
        minimum: The least that each may be, 1 or 0.

    Raises:
        ValueError: In Keras's words, if `value` is neither.
    """
    message = f"The `{name}` argument must be a tuple of {length} integers. Received {name}={value}"
    items = tuple(value) if isinstance(value, Iterable) else (value,) * length
    try:
        numbers = tuple(operator.index(item) for item in items)
    except TypeError:
        raise ValueError(message) from None
    if len(numbers) != length or isinstance(value, bool):
        raise ValueError(message)
    wrong = {number for number in numbers if number < minimum}
    if wrong:
        bound = "> 0" if minimum == 1 else ">= 0"
        raise ValueError(f"{message}, including values {wrong} that do not satisfy `value {bound}`")
    return numbers


def refuse_unsupported(owner: str, given: Mapping[str, tuple[Any, Any]]) -> None:
    """Raises ValueError for the first argument whose value is not the one supported.

    Args:
        owner: What the arguments were passed to, e.g. a class name.
        given: Name of each argument, with the value that came and the value that is supported.
    """
    for name, (value, supported) in given.items():
        if value is not None and not _is_same(value, supported):
            raise ValueError(
                f"{owner} does not support `{name}={value!r}`; "
                f"the only supported value is {supported!r}"
            )


def suggestion(word: Any, known: Iterable[str]) -> str:
    """Returns ". Did you mean 'x'?" if one of the known strings is close to `word`, else ""."""
    if not isinstance(word, str):
        return ""
    from difflib import get_close_matches

    by_lower_case = {choice.lower(): choice for choice in known}
    close = get_close_matches(word.lower(), by_lower_case, n=1)
    return f". Did you mean {by_lower_case[close[0]]!r}?" if close else ""


def look_up(kind: str, identifier: Any, known: Mapping[str, Any]) -> Any:
    """Returns the object that a string or a known object itself stands for.

    A class that the caller has put into `custom_object_scope` under a name goes first.

    Raises:
        ValueError: In Keras's words, with the closest known name, if there is none.
    """
    if isinstance(identifier, str):
        custom = find_custom_object(identifier)
        if isinstance(custom, type):
            return custom
        if identifier in known:
            return known[identifier]
    elif any(identifier is value for value in known.values()):
        return identifier
    raise ValueError(
        f"Could not interpret {kind} identifier: {identifier}{suggestion(identifier, known)}"
    )


def check_configurable(name: str, value: Any) -> None:
    """Raises ValueError unless `value` is an object with `get_config`."""
    if not hasattr(value, "get_config") or isinstance(value, type):
        raise ValueError(
            f"`{name}` must be an object with a configuration. "
            f"Received: {name}={value!r} (of type {type(value)})"
        )


def serialized(name: str, value: Any, module: str) -> dict[str, Any]:
    """Returns class and arguments of an object as Keras writes them.

    Args:
        name: What errors call it.
        value: The object, which needs a `get_config`.
        module: Name of Keras's module.
    """
    check_configurable(name, value)
    known = type(value)
    own = known.__module__.startswith("convlet.")
    return {
        "module": module if own else known.__module__,
        "class_name": known.__name__,
        "config": value.get_config(),
        "registered_name": None if own else get_registered_name(known),
    }


def serialized_function(function: Any) -> dict[str, Any]:
    """Returns how Keras names a function of the caller's."""
    return {
        "module": "builtins",
        "class_name": "function",
        "config": function.__name__,
        "registered_name": get_registered_name(function),
    }


def split_config(kind: str, identifier: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Returns class name and arguments of an object's configuration, `{"class_name", "config"}`."""
    is_mapping = isinstance(cast("Any", identifier), Mapping)
    class_name = class_name_of(identifier) if is_mapping else None
    config = identifier.get("config", {}) if is_mapping else None
    if not isinstance(class_name, str) or not isinstance(config, Mapping):
        raise ValueError(
            f"The configuration of {kind} must be a dictionary with keys 'class_name' (a string) "
            f"and 'config' (a dictionary). Received: {identifier}"
        )
    return class_name, dict(cast("Mapping[str, Any]", config))


def _is_same(value: Any, supported: Any) -> bool:
    try:
        return bool(value == supported)
    except ValueError:  # an array, which is neither true nor false
        return False


def _range(minimum: float, maximum: float) -> str:
    if maximum == math.inf:
        return f"of at least {minimum:g}"
    return f"from {minimum:g} to {maximum:g}"
