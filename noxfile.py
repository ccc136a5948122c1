"""The project's jobs, the same by hand and in CI: `nox -s NAME`; `nox -l` lists them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import nox

nox.needs_version = ">=2024.3"
nox.options.sessions = ["lint", "types", "tests"]

PROJECT = nox.project.load_toml("pyproject.toml")["project"]
MAX_WHEEL_MEGABYTES = 3
OLDER_KERAS = ["3.3.3", "3.9.2"]  # beside the newest, which the extra `bench` brings
NATIVE_TESTS = [
    f"tests/test_{name}.py"
    for name in ("native", "ops", "network", "updates", "feeds", "augmentation", "mixed_bfloat16")
]

THREADED_TESTS = ["tests/test_determinism.py", "tests/test_network.py", "-k", "not exact"]


def pinned(*names: str) -> list[str]:
    """The requirements of these tools, as the extra `dev` pins them."""
    extra = PROJECT["optional-dependencies"]["dev"]
    return [requirement for requirement in extra if requirement.split("==")[0] in names]


@nox.session
def lint(session: nox.Session) -> None:
    """Check the style of Python and C++."""
    session.install(*pinned("ruff", "clang-format"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    sources = sorted(str(path) for path in Path("cpp").rglob("*.[ch]pp"))
    session.run("clang-format", "--dry-run", "--Werror", *sources)


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the Python package."""
    session.install(*PROJECT["dependencies"], *pinned("mypy", "types-tqdm"))
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Build, install and run the tests; arguments after -- go to pytest."""
    session.install(".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the source distribution, and a wheel from it with warnings as errors."""
    session.install("build")
    out = Path(session.create_tmp()).resolve()
    session.run(
        *("python", "-m", "build", "--outdir", str(out)),
        *("--config-setting", "cmake.define.CONVLET_WERROR=ON"),
    )
    newest = max(out.glob("*.whl"), key=lambda path: path.stat().st_mtime)
    megabytes = newest.stat().st_size / 1e6
    session.log(f"{newest.name}: {megabytes:.2f} MB")
    if megabytes >= MAX_WHEEL_MEGABYTES:
        session.error(f"the wheel must stay under {MAX_WHEEL_MEGABYTES} MB")


@nox.session
def sanitize(session: nox.Session) -> None:
    """Run the tests of the native code under AddressSanitizer and UndefinedBehaviorSanitizer."""
    install_sanitized(session, "address,undefined")
    run_sanitized(
        session,
        session.posargs or NATIVE_TESTS,
        # The C++ library has to be in the process, too, or exceptions are not seen.
        [compilers_library(session, name) for name in ("libasan.so", "libstdc++.so")],
        {
            "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "PYTHONMALLOC": "malloc",
        },
    )


@nox.session
def races(session: nox.Session) -> None:
    """Run tests of the threads under ThreadSanitizer, with LLVM's OpenMP runtime and its Archer.

    GCC's runtime is not one that ThreadSanitizer can look into; LLVM's has the same interface.
    """
    runtimes = sorted(Path("/usr/lib").glob("llvm-*/lib/libarcher.so"))
    if not runtimes:
        session.error("LLVM's OpenMP runtime is not installed (Debian: libomp-dev)")
    folder = runtimes[-1].parent
    install_sanitized(session, "thread", {"cmake.define.CONVLET_LEVELS": "x86-64-v3"})
    run_sanitized(
        session,
        session.posargs or THREADED_TESTS,
        [compilers_library(session, "libtsan.so"), str(folder / "libomp.so.5")],
        {
            "OMP_TOOL_LIBRARIES": str(folder / "libarcher.so"),
            "TSAN_OPTIONS": "ignore_noninstrumented_modules=1",  # the interpreter, NumPy
        },
        without_random_addresses(),
    )


def without_random_addresses() -> list[str]:
    """A command in front: ThreadSanitizer wants memory at certain places, if that is allowed."""
    command = ["setarch", "-R"]
    if shutil.which(command[0]) is None:
        return []
    allowed = subprocess.run([*command, "true"], check=False).returncode == 0
    return command if allowed else []


def install_sanitized(
    session: nox.Session, sanitizers: str, settings: dict[str, str] | None = None
) -> None:
    """Installs the package built with these sanitizers and further settings."""
    all_settings = {
        "cmake.build-type": "RelWithDebInfo",
        "cmake.define.CMAKE_CXX_FLAGS_RELWITHDEBINFO": "-O1 -g1",  # keeps assert()
        "cmake.define.CONVLET_SANITIZE": sanitizers,
        "install.strip": "false",
        **(settings or {}),
    }
    options = [option for item in all_settings.items() for option in ("-C", "=".join(item))]
    session.install(*options, ".[test]")


def compilers_library(session: nox.Session, name: str) -> str:
    """Where the compiler has this library."""
    compiler = session.env.get("CXX") or "c++"
    found = session.run(compiler, f"-print-file-name={name}", external=True, silent=True)
    return str(Path(str(found).strip()).resolve())


def run_sanitized(
    session: nox.Session,
    tests: list[str],
    libraries: list[str],
    environment: dict[str, str],
    prefix: Sequence[str] = (),
) -> None:
    """Runs tests with the sanitizer's libraries in the process before Python."""
    session.run(
        *prefix,
        *("env", f"LD_PRELOAD={' '.join(libraries)}"),
        # Reports are written past Python: only sys-level capture lets them through.
        *(str(Path(session.bin, "python")), "-m", "pytest", "--capture=sys", *tests),
        env=environment,
        external=True,
    )


@nox.session
def keras(session: nox.Session) -> None:
    """Run the tests that compare with live Keras, and exchange files with older versions of it."""
    session.install(".[test,bench]")
    python = Path(session.bin, "python").absolute()
    pythons = [str(python), *(older_keras(session, python, version) for version in OLDER_KERAS)]
    session.run(
        *("python", "-m", "pytest", "-m", "keras", "-W", "default", *session.posargs),
        env={"CONVLET_KERAS_PYTHONS": os.pathsep.join(pythons)},
    )


def older_keras(session: nox.Session, python: Path, version: str) -> str:
    """Puts an older Keras, which is pure Python, in front of the installed one's TensorFlow.

    Returns:
        The path of a command that is a Python with this Keras.
    """
    folder = Path(session.create_tmp()).resolve()
    packages, command = folder / f"keras-{version}", folder / f"python-keras-{version}"
    session.install("--no-deps", "--upgrade", "--target", str(packages), f"keras=={version}")
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{packages}" exec "{python}" "$@"\n', "utf-8")
    command.chmod(0o755)
    return str(command)
