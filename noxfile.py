"""The project's jobs, the same by hand and in CI: `nox -s NAME`; `nox -l` lists them."""

from __future__ import annotations

import os
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
    compiler = session.env.get("CXX") or "c++"
    settings = {
        "cmake.build-type": "RelWithDebInfo",
        "cmake.define.CMAKE_CXX_FLAGS_RELWITHDEBINFO": "-O1 -g1",  # keeps assert()
        "cmake.define.CONVLET_SANITIZE": "address,undefined",
        "install.strip": "false",
    }
    options = [option for item in settings.items() for option in ("-C", "=".join(item))]
    session.install(*options, ".[test]")
    # The sanitizer's run-time library has to be in the process before Python, and the C++
    # library with it, or it cannot see exceptions.
    libraries = [
        session.run(compiler, f"-print-file-name={name}", external=True, silent=True).strip()
        for name in ("libasan.so", "libstdc++.so")
    ]
    session.run(
        # Reports are written past Python: only sys-level capture lets them through.
        *("python", "-m", "pytest", "--capture=sys", *(session.posargs or NATIVE_TESTS)),
        env={
            "LD_PRELOAD": " ".join(libraries),
            "ASAN_OPTIONS": "detect_leaks=0",  # the interpreter's own
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "PYTHONMALLOC": "malloc",
        },
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
