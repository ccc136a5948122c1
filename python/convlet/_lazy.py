"""Packages whose names are imported at their first use (PEP 562): importing them costs little."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any


class LazyNames(Mapping[str, Any]):
    """What names stand for; each is imported when it is asked for.

    Args:
        package: Name of a package.
        modules: Dictionary from modules in it to the names that they define.
    """

    def __init__(self, package: str, modules: Mapping[str, tuple[str, ...]]) -> None:
        self._homes = {
            name: (f"{package}.{module}", name)
            for module, names in modules.items()
            for name in names
        }

    def under(self, others: Mapping[str, str]) -> LazyNames:
        """Returns the same objects under other names, as a dictionary from those to these."""
        renamed = LazyNames("", {})
        renamed._homes = {other: self._homes[name] for other, name in others.items()}
        return renamed

    def __contains__(self, name: object) -> bool:
        return name in self._homes

    def __getitem__(self, name: str) -> Any:
        module, name_there = self._homes[name]
        return getattr(import_module(module), name_there)

    def __iter__(self) -> Iterator[str]:
        return iter(self._homes)

    def __len__(self) -> int:
        return len(self._homes)


def attach(
    package: str, *names: Mapping[str, Any], submodules: Iterable[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Returns `__getattr__` and `__dir__` of a package with such names and modules besides its own.

    Args:
        package: Its name.
        names: Dictionaries from names to what they stand for.
        submodules: Names of modules in it.
    """
    scope = vars(sys.modules[package])
    modules = frozenset(submodules)

    def get_attribute(name: str) -> Any:
        if name in modules:
            return import_module(f"{package}.{name}")  # which makes it an attribute
        for known in names:
            if name in known:
                scope[name] = known[name]
                return scope[name]
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def list_names() -> list[str]:
        return sorted({*scope, *modules}.union(*names))

    return get_attribute, list_names
