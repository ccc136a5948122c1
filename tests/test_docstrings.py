"""What an editor shows: every public function, class and method has a signature and a docstring."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import convlet
from convlet._native import core

MODULES = [
    getattr(convlet, name)
    for name in convlet.__all__
    if isinstance(getattr(convlet, name), ModuleType)
]


AS_IN_KERAS = {"Model", "Metric.update_state"}  # takes a subclass's own arguments, or either form


def public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Every function and class that a module offers, and the classes' own public methods."""
    for name in getattr(module, "__all__", ()):
        value = getattr(module, name)
        if not callable(value) or not str(value.__module__).startswith("convlet"):
            continue
        yield name, value
        if inspect.isclass(value):
            for attribute, member in vars(value).items():
                if not attribute.startswith("_") and inspect.isfunction(member):
                    yield f"{name}.{attribute}", member


def says_nothing(value: Any) -> bool:
    """Whether all that a signature says is `*args` or `**kwargs`.

    After named arguments `**kwargs` are Keras's own: name, dtype and trainable of a layer.
    """
    names = {*inspect.signature(value).parameters} - {"self"}
    return bool(names) and names <= {"args", "kwargs"}


@pytest.mark.parametrize("module", [convlet, *MODULES], ids=lambda module: module.__name__)
def test_signatures_and_docstrings(module: ModuleType) -> None:
    members = list(public(module))
    mysteries = {name for name, value in members if says_nothing(value)}
    assert mysteries <= AS_IN_KERAS
    missing = [name for name, value in members if not inspect.getdoc(value)]
    # CallbackList calls the hooks that Callback describes.
    assert [name for name in missing if not name.startswith("CallbackList.on_")] == []


def test_package_says_that_it_is_typed() -> None:
    package = Path(convlet.__file__).parent
    assert (package / "py.typed").is_file()
    assert (package / "_native" / "_core.pyi").is_file()


def test_compiled_module_has_docstrings() -> None:
    members = {**vars(core), **{f"Network.{k}": v for k, v in vars(core.Network).items()}}
    missing = [
        name
        for name, member in members.items()
        # The first line of a function's is its signature.
        if "_" not in (name[0], name.split(".")[-1][0])
        and callable(member)
        and len((member.__doc__ or "").splitlines()) < (1 if inspect.isclass(member) else 3)
    ]
    assert missing == []
