"""The choice of the compiled module, and that every compiled module is the same from outside."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import convlet
from convlet import _native
from convlet._native import _cpu, available_levels, built_levels, core, load

each_level = pytest.mark.parametrize("level", available_levels())


def import_with_isa(isa: str) -> subprocess.CompletedProcess[str]:
    """What a fresh process says that imports convlet's core under CONVLET_ISA."""
    return subprocess.run(
        [sys.executable, "-c", "from convlet._native import core; print(core.ISA)"],
        env={**os.environ, "CONVLET_ISA": isa},
        capture_output=True,
        text=True,
        check=False,
    )


def test_something_is_available() -> None:
    assert available_levels() != []
    assert set(available_levels()) <= set(built_levels())


@pytest.mark.skipif("CONVLET_ISA" in os.environ, reason="CONVLET_ISA chooses for this run")
def test_core_is_the_best_available() -> None:
    assert available_levels()[0] == core.ISA


@each_level
def test_environment_variable_chooses(level: str) -> None:
    done = import_with_isa(level)
    assert (done.stdout.strip(), done.stderr) == (level, "")


def test_empty_environment_variable_is_unset() -> None:
    assert import_with_isa("").stdout.strip() == available_levels()[0]


@pytest.mark.parametrize("isa", ["x86-64-v9", "X86-64-V3", "x86-64-v3 ", "avx2", "../x"])
def test_unknown_name_is_refused(isa: str) -> None:
    done = import_with_isa(isa)
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert message.startswith(
        f"ImportError: environment variable CONVLET_ISA: instruction set {isa!r}"
    )
    assert "is unknown" in message
    assert ", ".join(available_levels()) in message


def test_level_the_cpu_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    best, *others = [level for level in built_levels() if level != "native"] or [None]
    if best is None:
        pytest.skip("this architecture has one level, which every CPU runs")
    monkeypatch.setattr(_cpu, "available_levels", lambda: others)
    load.cache_clear()
    with pytest.raises(ImportError, match=f"'{best}' is not supported by this CPU .* available"):
        load(best)


def test_level_that_is_not_built_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    level = available_levels()[0]
    monkeypatch.setattr(_native, "find_spec", lambda name: None)
    load.cache_clear()
    with pytest.raises(ImportError, match=f"'{level}' is not built .* available here: none"):
        load(level)


def test_cpu_without_any_built_level_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONVLET_ISA", raising=False)
    monkeypatch.setattr(_native, "available_levels", list)
    with pytest.raises(ImportError, match="no compiled module for this CPU"):
        _native._load_core()


@each_level
def test_module_says_what_it_is(level: str) -> None:
    module = load(level)
    assert level == module.ISA
    assert module.LANES in (4, 8, 16)
    assert set(module.build_info()) == {"isa", "compiler", "build_type", "openmp", "pybind11"}
    assert module.build_info()["isa"] == level
    assert all(isinstance(value, str) and value for value in module.build_info().values())


def test_levels_live_side_by_side() -> None:
    modules = [load(level) for level in available_levels()]
    assert len({module.ISA for module in modules}) == len(modules)
    assert len({module.Network for module in modules}) == len(modules)


def stub_names(stub: str) -> set[str]:
    """Public names that a stub file declares; those of classes as Class.name."""
    path = Path(convlet.__file__).parent / "_native" / stub

    def declared(body: list[ast.stmt], prefix: str = "") -> set[str]:
        names: set[str] = set()
        for node in body:
            if isinstance(node, ast.ClassDef):
                names |= {node.name} | declared(node.body, f"{node.name}.")
            elif isinstance(node, ast.FunctionDef):
                names.add(prefix + node.name)
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                names.add(prefix + node.target.id)
        return names

    names = declared(ast.parse(path.read_text(encoding="utf-8")).body)
    return {name for name in names if not name.split(".")[-1].startswith("_")}


def module_names(module: ModuleType) -> set[str]:
    """The same names of a compiled module."""
    names = {name for name in dir(module) if not name.startswith("_")}
    for name in list(names):
        attribute = getattr(module, name)
        if isinstance(attribute, type):
            names |= {
                f"{name}.{member}" for member in vars(attribute) if not member.startswith("_")
            }
    return names


@each_level
def test_stub_describes_core(level: str) -> None:
    assert module_names(load(level)) == stub_names("_core.pyi")


def test_stub_describes_cpu() -> None:
    assert module_names(_cpu) == stub_names("_cpu.pyi")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/cpuinfo")
def test_cpu_levels_agree_with_the_kernel() -> None:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    flags = set(next((line for line in lines if line.startswith("flags")), "").split())
    if not flags:
        pytest.skip("this architecture has no levels")
    v2 = {"cx16", "lahf_lm", "popcnt", "pni", "sse4_1", "sse4_2", "ssse3"}
    v3 = v2 | {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}
    v4 = v3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
    bf16 = {"x86-64-v4-bf16": v4 | {"avx512_bf16"}}
    levels = {"x86-64-v4": v4, **bf16, "x86-64-v3": v3, "x86-64-v2": v2}
    if any(re.match(r"vendor_id\s*: AuthenticAMD$", line) for line in lines):
        levels = bf16 | levels
    assert _cpu.available_levels() == [name for name, needed in levels.items() if needed <= flags]


@pytest.mark.skipif(
    not sys.platform.startswith("linux") or shutil.which("nm") is None, reason="needs nm"
)
@each_level
def test_module_exports_only_its_entry(level: str) -> None:
    """No template compiled for one level may be offered to the rest of the process."""
    path = load(level).__file__
    assert path is not None
    command = ["nm", "--dynamic", "--defined-only", "--format=posix", path]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = [line.split()[0] for line in listing.splitlines()]
    assert names == [f"PyInit_{load(level).__name__.split('.')[-1]}"]
