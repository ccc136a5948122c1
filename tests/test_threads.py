"""How many threads are used, and why."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import convlet
from convlet import _threads
from convlet._threads import ThreadCount, default_num_threads

NO_CGROUP = Path("/nonexistent")
MACHINE_CPUS = 8


@pytest.fixture
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_threads, "_usable_cpus", lambda: MACHINE_CPUS)


@pytest.fixture
def keep_num_threads() -> Iterator[None]:
    before = _threads.num_threads_in_use()
    yield
    convlet.set_num_threads(before.number)
    _threads._in_use = before


def cgroup(root: Path, line: str, files: dict[str, str]) -> Path:
    """A root directory with this line in /proc/self/cgroup and these files below /sys/fs/cgroup."""
    contents = {"proc/self/cgroup": line + "\n"}
    contents |= {f"sys/fs/cgroup/{name}": text for name, text in files.items()}
    for name, text in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


def in_fresh_process(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    names = ("CONVLET_NUM_THREADS", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT")
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**kept, **environ},
        capture_output=True,
        text=True,
        check=False,
    )


PRINT_NUM_THREADS = "import convlet; print(convlet.get_num_threads())"


# ---- The environment ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["1", "3", " 5 ", "1024"])
@pytest.mark.usefixtures("eight_cpus")
def test_own_variable_decides(text: str) -> None:
    environ = {"CONVLET_NUM_THREADS": text, "OMP_NUM_THREADS": "2"}
    expected = ThreadCount(int(text), "CONVLET_NUM_THREADS")
    assert default_num_threads(environ, NO_CGROUP) == expected


@pytest.mark.parametrize("text", ["0", "-1", "1025", "two", "1.5", "2,4", "0x4", "9" * 5000])
def test_own_variable_must_make_sense(text: str) -> None:
    with pytest.raises(ValueError, match="`CONVLET_NUM_THREADS` must be an integer from 1 to 1024"):
        default_num_threads({"CONVLET_NUM_THREADS": text}, NO_CGROUP)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("OMP_NUM_THREADS", "3", 3),
        ("OMP_NUM_THREADS", " 4 , 2", 4),
        ("OMP_NUM_THREADS", "2,1", 2),
        ("OMP_NUM_THREADS", "1000", MACHINE_CPUS),
        ("OMP_NUM_THREADS", "0", MACHINE_CPUS),
        ("OMP_NUM_THREADS", "-2", MACHINE_CPUS),
        ("OMP_NUM_THREADS", "many", MACHINE_CPUS),
        ("OMP_NUM_THREADS", "", MACHINE_CPUS),
        ("OMP_THREAD_LIMIT", "3", 3),
        ("CONVLET_NUM_THREADS", "", MACHINE_CPUS),
    ],
)
@pytest.mark.usefixtures("eight_cpus")
def test_openmp_variables_limit(name: str, text: str, expected: int) -> None:
    found = default_num_threads({name: text}, NO_CGROUP)
    limited = expected < MACHINE_CPUS
    assert found == (expected, name if limited else "CPUs this process may run on")


@pytest.mark.parametrize("variable", ["CONVLET_NUM_THREADS", "OMP_NUM_THREADS"])
def test_environment_is_applied_to_the_engine(variable: str) -> None:
    done = in_fresh_process(PRINT_NUM_THREADS, **{variable: "1"})
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_bad_own_variable_stops_a_program() -> None:
    done = in_fresh_process(PRINT_NUM_THREADS, CONVLET_NUM_THREADS="lots")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "ValueError: `CONVLET_NUM_THREADS` must be an integer from 1 to 1024. "
        "Received: CONVLET_NUM_THREADS='lots'"
    )


# ---- CPUs and control groups --------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no CPU affinity here")
def test_affinity_limits() -> None:
    one = min(os.sched_getaffinity(0))
    done = in_fresh_process(f"import os; os.sched_setaffinity(0, {{{one}}}); {PRINT_NUM_THREADS}")
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.parametrize(
    ("line", "files", "expected"),
    [
        pytest.param("0::/", {"cpu.max": "300000 100000"}, 3, id="v2"),
        pytest.param("0::/", {"cpu.max": "max 100000"}, MACHINE_CPUS, id="v2 without a limit"),
        pytest.param("0::/", {}, MACHINE_CPUS, id="v2 without the file"),
        pytest.param("0::/", {"cpu.max": "150000 100000"}, 2, id="rounded up"),
        pytest.param("0::/", {"cpu.max": "10000 100000"}, 1, id="less than one CPU"),
        pytest.param("0::/", {"cpu.max": "9900000 100000"}, MACHINE_CPUS, id="more than there are"),
        pytest.param("0::/", {"cpu.max": "garbage"}, MACHINE_CPUS, id="garbage"),
        pytest.param("0::/", {"cpu.max": "0 0"}, MACHINE_CPUS, id="zero"),
        pytest.param(
            "0::/a/b",
            {"cpu.max": "max 1", "a/cpu.max": "200000 100000", "a/b/cpu.max": "400000 100000"},
            2,
            id="tightest ancestor",
        ),
        pytest.param("0::/../../x", {"cpu.max": "200000 100000"}, 2, id="outside the namespace"),
        pytest.param(
            "4:cpu,cpuacct:/job",
            {"cpu/job/cpu.cfs_quota_us": "250000\n", "cpu/job/cpu.cfs_period_us": "100000\n"},
            3,
            id="v1",
        ),
        pytest.param(
            "4:cpu,cpuacct:/docker/123",
            {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            1,
            id="v1 with the host's path",
        ),
        pytest.param(
            "4:cpu:/",
            {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"},
            MACHINE_CPUS,
            id="v1 without a limit",
        ),
        pytest.param(
            "5:cpuset:/",
            {"cpu/cpu.cfs_quota_us": "100000\n", "cpu/cpu.cfs_period_us": "100000\n"},
            MACHINE_CPUS,
            id="another controller",
        ),
        pytest.param("not a cgroup line", {}, MACHINE_CPUS, id="unknown format"),
    ],
)
@pytest.mark.usefixtures("eight_cpus")
def test_cgroup_quota_limits(
    tmp_path: Path, line: str, files: dict[str, str], expected: int
) -> None:
    found = default_num_threads({}, cgroup(tmp_path, line, files))
    assert found.number == expected
    assert (found.reason == "control group CPU quota") == (expected < MACHINE_CPUS)


@pytest.fixture
def one_cpu_group() -> Iterator[Path]:
    """The file that takes a process into a real control group with a quota of one CPU."""
    root = Path("/sys/fs/cgroup")
    v1 = (root / "cpu").is_dir()
    group = root / ("cpu" if v1 else "") / f"convlet-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"control groups cannot be made here: {error}")
    try:
        if v1:
            (group / "cpu.cfs_period_us").write_text("100000")
            (group / "cpu.cfs_quota_us").write_text("90000")
        else:
            (group / "cpu.max").write_text("90000 100000")
        yield group / "cgroup.procs"
    except OSError as error:
        pytest.skip(f"a control group has no quota here: {error}")
    finally:
        group.rmdir()


def test_real_control_group(one_cpu_group: Path) -> None:
    enter = f"import os, pathlib; pathlib.Path({str(one_cpu_group)!r}).write_text(str(os.getpid()))"
    done = in_fresh_process(f"{enter}\n{PRINT_NUM_THREADS}")
    assert (done.stdout, done.stderr) == ("1\n", "")


@pytest.mark.usefixtures("eight_cpus")
def test_smallest_limit_wins(tmp_path: Path) -> None:
    root = cgroup(tmp_path, "0::/", {"cpu.max": "400000 100000"})
    assert default_num_threads({"OMP_NUM_THREADS": "5"}, root).number == 4
    assert default_num_threads({"OMP_NUM_THREADS": "3"}, root) == (3, "OMP_NUM_THREADS")


# ---- The program --------------------------------------------------------------------------------


@pytest.mark.parametrize("num_threads", [1, 3, 1024, np.int64(2)])
@pytest.mark.usefixtures("keep_num_threads")
def test_set_is_what_get_returns(num_threads: int) -> None:
    convlet.set_num_threads(num_threads)
    assert convlet.get_num_threads() == num_threads
    assert _threads.num_threads_in_use() == (num_threads, "set_num_threads")


@pytest.mark.parametrize(
    "num_threads", [0, -1, 1025, 10**30, 2.0, "2", None, True, np.float32(2), [2]]
)
@pytest.mark.usefixtures("keep_num_threads")
def test_anything_else_is_refused(num_threads: object) -> None:
    before = convlet.get_num_threads()
    with pytest.raises(ValueError, match="`num_threads` must be an integer from 1 to 1024"):
        convlet.set_num_threads(num_threads)
    assert convlet.get_num_threads() == before
