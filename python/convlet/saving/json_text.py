"""Reading JSON that comes from anywhere: bounded, finite, unambiguous."""

from __future__ import annotations

import json
import math
from typing import Any

LARGEST_TEXT = 16 * 2**20  # bytes
_DEEPEST = 100
# Brackets and commas: each can stand for an object of a hundred bytes. A layer has some 50.
_MOST_VALUES = 500_000
_LONGEST_NUMBER = 40  # characters; a float64 needs 24


def parse_json(text: str | bytes, what: str) -> Any:
    """Returns what a JSON text says.

    Args:
        text: The text, UTF-8 if it is bytes.
        what: What to call it in error messages.

    Raises:
        ValueError: If it is not JSON, longer than 16 MB, of more than 500,000 values or nested
            deeper than 100, or if it holds a number that is not finite or a dictionary with the same key twice.
    """
    if len(text) > LARGEST_TEXT:
        raise ValueError(f"{what} has {len(text)} bytes; at most {LARGEST_TEXT} are read.")
    try:
        decoded = text.decode("utf-8") if isinstance(text, bytes) else text
        values = sum(decoded.count(mark) for mark in ",[{")
        if values > _MOST_VALUES:
            raise ValueError(f"{values} values; at most {_MOST_VALUES} are read")
        value = json.loads(
            decoded,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_integer,
            object_pairs_hook=_dictionary,
        )
    except RecursionError:
        raise ValueError(f"{what} is nested deeper than {_DEEPEST}.") from None
    except ValueError as error:
        raise ValueError(f"{what} cannot be read: {error}") from error
    _check_depth(value, what)
    return value


def _check_depth(value: Any, what: str) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for item in level
            if isinstance(item, (dict, list))
            for inner in (item.values() if isinstance(item, dict) else item)
        ]
        if not level:
            return
    raise ValueError(f"{what} is nested deeper than {_DEEPEST}.")


def _refuse_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a finite number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:_LONGEST_NUMBER]} is not a finite number")
    return number


def _integer(text: str) -> int:
    if len(text) > _LONGEST_NUMBER:
        raise ValueError(f"an integer of {len(text)} digits")
    return int(text)


def _dictionary(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a dictionary has the same key twice")
    return result
