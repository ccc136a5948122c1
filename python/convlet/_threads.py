"""How many threads the native engine uses.

The default is what the process may really use: more threads than that only wait for each other.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, SupportsIndex

from convlet.utils.validation import check_integer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_MAX_THREADS = 1024
_TOLD = ("CONVLET_NUM_THREADS", "OMP_NUM_THREADS", "OMP_THREAD_LIMIT")


class ThreadCount(NamedTuple):
    """A number of threads and where it comes from."""

    number: int
    reason: str


_in_use: ThreadCount | None = None


def set_num_threads(num_threads: SupportsIndex) -> None:
    """Set the number of threads that training, evaluation and prediction use from now on.

    Results are the same bits for the same seed and number of threads.

    Args:
        num_threads: An integer from 1 to 1024.

    Raises:
        ValueError: If `num_threads` is anything else.
    """
    from convlet._native import core

    global _in_use  # noqa: PLW0603  (explains the native module's number, which is as global)
    count = check_integer("num_threads", num_threads, 1, _MAX_THREADS)
    core.set_num_threads(count)
    _in_use = ThreadCount(count, "set_num_threads")


def get_num_threads() -> int:
    """Return the number of threads that training, evaluation and prediction use."""
    from convlet._native import core

    return core.get_num_threads()


def num_threads_in_use() -> ThreadCount:
    """Return the number of threads in use with its reason; at first, the default's."""
    global _in_use  # noqa: PLW0603
    if _in_use is None:
        _in_use = default_num_threads()
    return _in_use


def share_cpus(processes: int) -> None:
    """Uses this process's part of CPUs on which so many processes run, unless told otherwise."""
    from convlet._native import core

    global _in_use  # noqa: PLW0603
    count = num_threads_in_use()
    if processes > 1 and count.reason not in ("set_num_threads", *_TOLD):
        number = max(count.number // processes, 1)
        core.set_num_threads(number)
        _in_use = ThreadCount(number, f"{count.reason}, shared by {processes} processes")


def default_num_threads(
    environ: Mapping[str, str] = os.environ, root: Path = Path("/")
) -> ThreadCount:
    """Find how many threads to use when nobody has said so in the program.

    `CONVLET_NUM_THREADS` decides where it is set. Otherwise it is the smallest of the CPUs that
    the process may run on, the CPU quota of its control group (rounded up), `OMP_NUM_THREADS` and
    `OMP_THREAD_LIMIT`. OpenMP variables that are not valid are ignored, as OpenMP does, whose
    run-time library prints a message about them.

    Args:
        environ: The environment variables.
        root: Where `proc` and `sys` are found.

    Raises:
        ValueError: If `CONVLET_NUM_THREADS` is not an integer from 1 to 1024.
    """
    own = environ.get("CONVLET_NUM_THREADS", "").strip()
    if own:
        return ThreadCount(_parsed_own_variable(own), "CONVLET_NUM_THREADS")
    limits = [ThreadCount(_usable_cpus(), "CPUs this process may run on")]
    quota = _cgroup_quota(root)
    if quota is not None:
        limits.append(ThreadCount(max(1, math.ceil(quota)), "control group CPU quota"))
    for name in ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT"):
        count = _parsed_openmp_variable(environ.get(name, ""))
        if count is not None:
            limits.append(ThreadCount(count, name))
    smallest = min(limits, key=lambda limit: limit.number)
    return smallest._replace(number=min(smallest.number, _MAX_THREADS))


def _parsed_own_variable(text: str) -> int:
    try:
        value: int | str = int(text)
    except ValueError:
        value = text
    return check_integer("CONVLET_NUM_THREADS", value, 1, _MAX_THREADS)


def _parsed_openmp_variable(text: str) -> int | None:
    """The number for the outermost parallel region: the first of a comma-separated list."""
    try:
        count = int(text.split(",", maxsplit=1)[0])
    except ValueError:
        return None
    return count if count >= 1 else None


def _usable_cpus() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cgroup_quota(root: Path) -> float | None:
    """The CPU quota of this process's control group, in CPUs; the tightest of its ancestors'."""
    return min(_cgroup_quotas(root), default=None)


def _cgroup_quotas(root: Path) -> Iterator[float]:
    mount = root / "sys/fs/cgroup"
    # A line is "hierarchy:controllers:path"; version 2 is hierarchy 0 without controllers.
    for line in _read(root / "proc/self/cgroup").splitlines():
        fields = line.split(":", 2)
        if len(fields) != 3:
            continue
        _, controllers, path = fields
        # Inside a container the path can be the host's: then only the mount itself is there.
        if not controllers:
            for directory in _with_parents(mount, path):
                yield from _quota(_read(directory / "cpu.max").split())
        elif "cpu" in controllers.split(","):
            for directory in _with_parents(mount / "cpu", path):
                names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
                yield from _quota([_read(directory / name) for name in names])


def _with_parents(mount: Path, path: str) -> Iterator[Path]:
    directory = mount / path.lstrip("/")
    while directory != mount:
        yield directory
        directory = directory.parent
    yield mount


def _quota(fields: list[str]) -> Iterator[float]:
    """Yield quota / period; nothing for "max" (version 2), -1 (version 1) and missing files."""
    try:
        quota, period = (int(field) for field in fields)
    except ValueError:
        return
    if quota > 0 and period > 0:
        yield quota / period


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
