"""Picks the compiled module for this CPU, once, at import.

The same C++ sources are built into one extension module per instruction-set level. `core` is the
best one that is built and that the CPU can run. The environment variable `CONVLET_ISA` forces a
level by name; a name that cannot be honoured is an ImportError, never a silent fall-back.
"""

from __future__ import annotations

import importlib
import os
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from convlet._native import _cpu
from convlet._threads import num_threads_in_use

if TYPE_CHECKING:
    from types import ModuleType

    from convlet._native import _core as core

__all__ = ["available_levels", "built_levels", "core", "load"]

_NATIVE = "native"  # the one level of an architecture whose baseline is all that convlet uses
_LEVELS = ("x86-64-v4", "x86-64-v4-bf16", "x86-64-v3", "x86-64-v2", _NATIVE)  # as in CMakeLists.txt


def built_levels() -> list[str]:
    """Instruction-set levels that this installation has a compiled module for."""
    return [level for level in _LEVELS if find_spec(_module_name(level)) is not None]


def available_levels() -> list[str]:
    """Instruction-set levels that are built and that this CPU can run, best first."""
    built = built_levels()
    return [level for level in (*_cpu.available_levels(), _NATIVE) if level in built]


@cache
def load(level: str) -> ModuleType:
    """Import the compiled module of one instruction-set level.

    Modules of several levels can live in one process; their classes are not shared.

    Args:
        level: One of `available_levels()`.

    Raises:
        ImportError: If no such level exists, is built, or runs on this CPU.
    """
    problem = _problem_with(level)
    if problem:
        available = ", ".join(available_levels()) or "none"
        raise ImportError(f"instruction set {level!r} {problem}; available here: {available}")
    module = importlib.import_module(_module_name(level))
    module.set_num_threads(num_threads_in_use().number)
    return module


def _module_name(level: str) -> str:
    return f"{__name__}._core_{level.replace('-', '_')}"


def _problem_with(level: str) -> str | None:
    if level not in _LEVELS:
        return f"is unknown (known: {', '.join(_LEVELS)})"
    if level not in built_levels():
        return "is not built into this installation"
    if level not in available_levels():
        return f"is not supported by this CPU ({_cpu.cpu_name()})"
    return None


def _load_core() -> ModuleType:
    requested = os.environ.get("CONVLET_ISA")
    if requested:
        try:
            return load(requested)
        except ImportError as error:
            raise ImportError(f"environment variable CONVLET_ISA: {error}") from None
    available = available_levels()
    if not available:
        raise ImportError(
            f"convlet has no compiled module for this CPU ({_cpu.cpu_name()}); it needs one of "
            f"{', '.join(built_levels()) or 'none built'}"
        )
    return load(available[0])


if not TYPE_CHECKING:
    core = _load_core()
