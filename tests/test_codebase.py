"""The rules of the house that a compiler does not check, read off the source text."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest

import convlet

REPOSITORY = Path(__file__).parent.parent
CPP = REPOSITORY / "cpp"

# Each room may include itself and the rooms to its left.
ROOMS = ["simd", "kernels", "ops", "engine", "bindings"]
# cpu/ is a module of its own, which is loaded before it is known what the CPU can run.
SEPARATE = "cpu"

OPENMP = re.compile(r"#\s*pragma\s+omp\b|<omp\.h>|\bomp_\w+\s*\(|\b_Pragma\s*\(\s*\"omp\b")
PYBIND11 = re.compile(r"\bpybind11\b|\bPYBIND11_\w+|<Python\.h>")
INSTRUCTION_SET = re.compile(
    r"\b__(?:AVX|SSE|FMA|BMI|F16C|ARM|aarch64|x86_64|i386)\w*"
    r"|\b_mm\d*_\w+|\b__m\d+\w*|\bv\w+q_f32\b|\b__builtin_(?:ia32|neon|cpu)_\w+"
    r"|<(?:\w*intrin|arm_neon|cpuid)\.h>"
)

SOURCES = sorted(path for path in CPP.rglob("*") if path.suffix in {".cpp", ".hpp"})
each_source = pytest.mark.parametrize(
    "path", SOURCES, ids=[path.relative_to(CPP).as_posix() for path in SOURCES]
)


def room_of(path: Path) -> str:
    return path.relative_to(CPP).parts[0]


def code_of(path: Path) -> str:
    """The file's text without comments, with lines kept."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r"/\*.*?\*/", lambda match: "\n" * match[0].count("\n"), text, flags=re.DOTALL)
    return re.sub(r"//[^\n]*", "", text)


def included_rooms(code: str) -> list[str]:
    """The room of each `#include "room/file.hpp"`, in order."""
    return [name.split("/")[0] for name in re.findall(r'#\s*include\s*"([^"]+)"', code)]


def allowed_rooms(room: str) -> list[str]:
    return [SEPARATE] if room == SEPARATE else ROOMS[: ROOMS.index(room) + 1]


def test_rooms_are_known() -> None:
    assert {room_of(path) for path in SOURCES} == {*ROOMS, SEPARATE}


@each_source
def test_includes_only_rooms_to_the_left(path: Path) -> None:
    allowed = allowed_rooms(room_of(path))
    breaches = [room for room in included_rooms(code_of(path)) if room not in allowed]
    assert breaches == [], f"{room_of(path)} may include only {allowed}"


@each_source
@pytest.mark.parametrize(
    ("subject", "rooms"),
    [
        pytest.param(OPENMP, {"engine"}, id="OpenMP"),
        pytest.param(PYBIND11, {"bindings", "cpu"}, id="pybind11"),
        pytest.param(INSTRUCTION_SET, {"simd", "cpu"}, id="instruction-set"),
    ],
)
def test_subject_stays_in_its_rooms(path: Path, subject: re.Pattern[str], rooms: set[str]) -> None:
    if room_of(path) not in rooms:
        assert [match[0] for match in subject.finditer(code_of(path))] == []


@pytest.mark.parametrize(
    ("subject", "line"),
    [
        (OPENMP, "#pragma omp parallel"),
        (OPENMP, "#include <omp.h>"),
        (OPENMP, "int n = omp_get_max_threads();"),
        (PYBIND11, "namespace py = pybind11;"),
        (PYBIND11, "#include <pybind11/numpy.h>"),
        (INSTRUCTION_SET, "#if defined(__AVX512F__)"),
        (INSTRUCTION_SET, "__m256 x = _mm256_setzero_ps();"),
        (INSTRUCTION_SET, "#include <immintrin.h>"),
        (INSTRUCTION_SET, "float32x4_t y = vaddq_f32(a, b);"),
    ],
)
def test_patterns_find_what_they_are_for(subject: re.Pattern[str], line: str) -> None:
    assert subject.search(line)


def test_include_breach_is_found() -> None:
    assert included_rooms('#include "engine/plan.hpp"\n#include <span>\n') == ["engine"]
    assert "engine" not in allowed_rooms("kernels")


def pyproject_value(name: str) -> str:
    # Python 3.10 has no tomllib, and one line does not need a parser.
    text = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(rf'^{name} = "([^"]+)"$', text, flags=re.MULTILINE)
    assert found is not None
    return found[1]


def test_versions_agree() -> None:
    version = pyproject_value("version")
    cmake = (REPOSITORY / "CMakeLists.txt").read_text(encoding="utf-8")
    assert convlet.__version__ == version
    assert importlib.metadata.version("convlet") == version
    assert f"project(convlet VERSION {version} " in cmake
