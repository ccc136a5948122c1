"""Signatures of public functions, classes and methods as plain data, of convlet's and of Keras's.

A parameter is `[name, kind, default]`: kind `"positional"`, `"keyword"`, `"*"` or `"**"`; the
default is absent where there is none, and `"..."` where it is an object.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from types import ModuleType
from typing import Any

MODULES = [
    "",
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets.cifar10",
    "datasets.cifar100",
    "datasets.fashion_mnist",
    "datasets.mnist",
    "distribution",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "optimizers.schedules",
    "preprocessing",
    "preprocessing.image",
    "random",
    "regularizers",
    "saving",
    "utils",
]
_KINDS = {
    inspect.Parameter.POSITIONAL_ONLY: "positional",
    inspect.Parameter.POSITIONAL_OR_KEYWORD: "positional",
    inspect.Parameter.KEYWORD_ONLY: "keyword",
    inspect.Parameter.VAR_POSITIONAL: "*",
    inspect.Parameter.VAR_KEYWORD: "**",
}

Signature = list[list[Any]]


def modules_of(package: str) -> dict[str, ModuleType]:
    """The package's modules of MODULES that there are, by name without the package's."""
    found = {}
    for name in MODULES:
        with suppress(ModuleNotFoundError):
            found[name] = import_module(f"{package}.{name}" if name else package)
    return found


def callables_of(module: ModuleType) -> dict[str, Callable[..., Any]]:
    """A module's public functions and classes."""
    names = getattr(module, "__all__", None) or dir(module)
    values = {name: getattr(module, name) for name in names if not name.startswith("_")}
    return {name: value for name, value in values.items() if callable(value)}


def methods_of(cls: type) -> Iterator[str]:
    """Names of a class's public methods."""
    for name in dir(cls):
        value = inspect.getattr_static(cls, name)
        is_method = inspect.isfunction(value) or isinstance(value, classmethod | staticmethod)
        if is_method and not name.startswith("_"):
            yield name


def signature_of(function: Callable[..., Any]) -> Signature:
    """Its parameters, without `self`."""
    parameters = inspect.signature(function).parameters.values()
    return [_plain(each) for each in parameters if each.name not in ("self", "cls")]


def _plain(parameter: inspect.Parameter) -> list[Any]:
    plain: list[Any] = [parameter.name, _KINDS[parameter.kind]]
    default = parameter.default
    if default is inspect.Parameter.empty:
        return plain
    if isinstance(default, tuple):
        default = json.loads(json.dumps(default))
    is_plain = isinstance(default, bool | int | float | str | list | None)
    return [*plain, default if is_plain else "..."]
