"""How inputs with a structure are changed: values in JSON, members of archives.

Bytes changed at random mostly are no JSON any more, and no archive.
"""

from __future__ import annotations

import io
import json
import random
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

# libFuzzer's own change of bytes: to at most so many.
Mutate = Callable[[bytes, int], bytes]

VALUES: list[Any] = [
    *(None, True, False, 0, -1, 1, 2, 1.5, -0.0, 1e308, 2**31, 2**63, 2**64, -(2**63), 10**400),
    *(
        float("nan"),
        float("inf"),
        "",
        "a",
        "same",
        "valid",
        "relu",
        "\0",
        "../a",
        "float16",
        "Dense",
    ),
    *(
        [],
        [0],
        [-1, 2],
        [2**31, 2**31],
        [[[]]],
        {},
        {"a": 1},
        {"class_name": "Dense", "config": {}},
    ),
    {"class_name": "__lambda__", "config": {"value": "a"}},
    {"class_name": "function", "config": "print", "module": "builtins"},
]


# What zipfile says of other bytes.
NO_ARCHIVE = (zipfile.BadZipFile, ValueError, OSError, EOFError, RuntimeError, zlib.error)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every (container, key or index) inside a value of JSON."""
    found = []
    remaining = [value]
    while remaining:
        each = remaining.pop()
        if isinstance(each, dict):
            keys: list[Any] = list(each)
        elif isinstance(each, list):
            keys = list(range(len(each)))
        else:
            continue
        found += [(each, key) for key in keys]
        remaining += [each[key] for key in keys]
    return found


def changed_json(text: bytes, rng: random.Random) -> bytes | None:
    """The text with one or two values changed; None where it is no JSON, or nothing to change."""
    try:
        root = [json.loads(text)]
    except (ValueError, RecursionError):
        return None
    for _ in range(rng.randint(1, 2)):
        all_places = places(root)[1:]
        if not all_places:
            return None
        container, key = rng.choice(all_places)
        other, other_key = rng.choice(all_places)
        match rng.randrange(6):
            case 0 | 1:
                container[key] = rng.choice(VALUES)
            case 2:  # an earlier value may hold this one: a copy, so that nothing holds itself
                container[key] = json.loads(json.dumps(other[other_key]))
            case 3:
                del container[key]
            case 4 if isinstance(container, dict):
                container[rng.choice([*container, "extra"])] = container.pop(key)
            case _ if isinstance(container[key], int | float):
                container[key] = container[key] * rng.choice([-1, 2, 10**9]) + rng.choice([0, 1])
    return json.dumps(root[0]).encode()


def change_config(data: bytes, most: int, seed: int, mutate: Mutate) -> bytes:
    """A configuration with another value, or other bytes."""
    rng = random.Random(seed)
    changed = changed_json(data, rng) if rng.random() < 0.8 else None
    if changed is None or len(changed) > most:
        return mutate(data, most)
    return changed


def change_archive(data: bytes, most: int, seed: int, mutate: Mutate) -> bytes:
    """An archive with another configuration or other weights inside, or other bytes."""
    rng = random.Random(seed)
    if rng.random() < 0.2:
        return mutate(data, most)
    out = io.BytesIO()
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as new:
            chosen = rng.choice([*old.namelist(), None])
            for name in old.namelist():
                content = old.read(name)
                if name == chosen and name.endswith(".json"):
                    content = change_config(content, most, rng.getrandbits(32), mutate)
                elif name == chosen:
                    content = mutate(content, most)
                new.writestr(name, content)
    except NO_ARCHIVE:
        return mutate(data, most)
    return out.getvalue() if len(out.getvalue()) <= most else mutate(data, most)
