"""What this installation is and what it uses: the first thing to put into a bug report."""

from __future__ import annotations

import platform
from typing import Any, Literal, overload

import numpy as np

import convlet
from convlet._native import _cpu, available_levels, core
from convlet._threads import get_num_threads, num_threads_in_use
from convlet.utils.validation import check_choice

Config = dict[str, dict[str, Any]]


@overload
def show_config(mode: Literal["stdout"] = ...) -> None: ...
@overload
def show_config(mode: Literal["dict"]) -> Config: ...
def show_config(mode: Literal["stdout", "dict"] = "stdout") -> Config | None:
    """Show the instruction set, threads, build and versions in use.

    Args:
        mode: `"stdout"` prints, `"dict"` returns the same as a dictionary.

    Returns:
        `None`, or with `mode="dict"` a dictionary of sections, each a dictionary.

    Raises:
        ValueError: If `mode` is neither `"stdout"` nor `"dict"`.
    """
    chosen = check_choice("mode", mode, ("stdout", "dict"))
    config = _config()
    if chosen == "dict":
        return config
    print(_as_text(config))
    return None


def _config() -> Config:
    build = dict(core.build_info())
    return {
        "versions": {
            "convlet": convlet.__version__,
            "python": platform.python_version(),
            "numpy": np.__version__,
        },
        "cpu": {"name": _cpu.cpu_name(), "architecture": platform.machine()},
        "instruction set": {
            "chosen": build.pop("isa"),
            "available": available_levels(),
            "float32 lanes": core.LANES,
        },
        "threads": {"number": get_num_threads(), "because of": num_threads_in_use().reason},
        "build": build,
    }


def _as_text(config: Config) -> str:
    lines = []
    for section, entries in config.items():
        lines.append(f"{section}:")
        lines += [f"  {name}: {_entry_text(value)}" for name, value in entries.items()]
    return "\n".join(lines)


def _entry_text(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)
