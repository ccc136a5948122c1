"""What all benchmarks share: contenders in processes, statistics, and the record of a run."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from _roofline import compiler

BENCH = Path(__file__).parent
RESULTS = BENCH / "results"

# Thread pools spin for a moment after their work; nobody is timed meanwhile.
SETTLE_SECONDS = 0.3
# CPU time that a contender may use during a long wait, as a share of that wait.
MAX_IDLE_SHARE = 0.05
LONG_WAIT_SECONDS = 1.0


# ---- Contenders ---------------------------------------------------------------------------------


class Peer(NamedTuple):
    """A package, and which of its ways to run a model."""

    package: str
    variant: str = ""


class Contender:
    """A long-lived worker process that answers one JSON request at a time."""

    def __init__(self, name: str, command: Sequence[str]) -> None:
        self.name = name
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        self._answered = time.monotonic()
        self.idle_share = 0.0  # the worst so far

    def ask(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Sends one request and waits for its answer."""
        waited = time.monotonic() - self._answered
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} died in {do!r} with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        idle_share = answer.pop("idle_cpu") / waited
        if waited > LONG_WAIT_SECONDS:
            self.idle_share = max(self.idle_share, idle_share)
        self._answered = time.monotonic()
        return answer

    def close(self) -> None:
        """Ends the process by ending its input."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=60)


@contextlib.contextmanager
def start_contenders(
    peers: dict[str, Peer], *, peer_python: str, threads: int, data: Path
) -> Iterator[dict[str, tuple[Contender, dict[str, str]]]]:
    """Workers of those peers that are installed, by name, each with its versions.

    convlet runs in this Python, the others in `peer_python`.
    """
    with contextlib.ExitStack() as stack:
        contenders = {}
        for name, (package, variant) in peers.items():
            python = sys.executable if package == "convlet" else peer_python
            contender = Contender(name, [python, str(BENCH / "worker.py")])
            stack.callback(contender.close)
            answer = contender.ask(
                "setup", package=package, variant=variant, threads=threads, data=str(data)
            )
            if "missing" in answer:
                print(f"not installed: {name} ({answer['missing']})", flush=True)
            else:
                contenders[name] = contender, answer["versions"]
        yield contenders


def interleave(
    contenders: Sequence[Contender],
    repeats: int,
    do: str,
    own: dict[str, dict[str, Any]] | None = None,
    **arguments: Any,
) -> dict[str, list[float]]:
    """Seconds of `repeats` rounds A B A B ..., each contender idle while the other one works.

    `own` holds, by contender, the arguments in which their requests differ.
    """
    seconds: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for _ in range(repeats):
        for contender in contenders:
            request = arguments | (own or {}).get(contender.name, {})
            time.sleep(SETTLE_SECONDS)
            seconds[contender.name].append(contender.ask(do, **request)["seconds"])
    return seconds


def check_idle(contenders: Sequence[Contender]) -> dict[str, float]:
    """Fails if one used the CPU while it waited; the worst share of one CPU in any long wait."""
    for contender in contenders:
        check(
            contender.idle_share <= MAX_IDLE_SHARE,
            f"{contender.name} was idle while it waited (used {contender.idle_share:.1%} of a CPU)",
        )
    return {contender.name: contender.idle_share for contender in contenders}


# ---- Statistics ---------------------------------------------------------------------------------


class Timing(NamedTuple):
    """Median and range of some seconds."""

    median: float
    minimum: float
    maximum: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Timing:
        return cls(statistics.median(seconds), min(seconds), max(seconds))

    def text(self, unit: float, digits: int) -> str:
        """For example 2.51 (2.49 to 2.60), in multiples of `unit` seconds."""
        median, low, high = (f"{value / unit:,.{digits}f}" for value in self)
        return f"{median} ({low} to {high})"


def median_ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """The median over the rounds of slow / fast, both taken in the same round."""
    return statistics.median(s / f for s, f in zip(slow, fast, strict=True))


def check(condition: bool, what: str) -> None:
    """Prints that `what` holds, or ends the benchmark: a wrong answer has no speed."""
    if not condition:
        raise SystemExit(f"CHECK FAILED: {what}")
    print(f"checked: {what}", flush=True)


# ---- The record ---------------------------------------------------------------------------------


def environment(threads: int) -> dict[str, Any]:
    """Where and with what a run was made."""
    from convlet import __version__
    from convlet._native import core

    return {
        "date": dt.datetime.now(dt.timezone.utc).isoformat(timespec="seconds"),
        "cpu": _cpu_name(),
        "cpus": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "threads": threads,
        "load": os.getloadavg()[0],
        "system": platform.platform(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system compiler": _system_compiler(),
        "convlet": __version__,
        "commit": _commit(),
        **{f"convlet {key}": value for key, value in core.build_info().items()},
    }


def _cpu_name() -> str:
    from convlet._native import _cpu

    name: str = _cpu.cpu_name()
    return name


def _system_compiler() -> str:
    """The first line of what the compiler says of itself."""
    command = [compiler(), "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")[0]


def _commit() -> str:
    """The commit of this checkout, with "+" behind it if files differ from it."""
    git = ["git", "-C", str(BENCH)]
    done = subprocess.run(
        [*git, "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose first column is text and whose other columns are numbers."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def save(name: str, output: Path, record: dict[str, Any], table: str) -> None:
    """Writes NAME.json and NAME.md and prints the latter."""
    output.mkdir(parents=True, exist_ok=True)
    (output / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    facts = "".join(f"- {key}: {value}\n" for key, value in record["environment"].items())
    text = f"# {name}\n\n{table}\n{facts}"
    (output / f"{name}.md").write_text(text, encoding="utf-8")
    print(f"\n{text}\nwritten to {output / name}.json and .md")


def run_python(code: str, *arguments: str, **environ: str) -> str:
    """What a fresh interpreter prints that runs `code`."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, **environ},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def interleaved_runs(
    programs: dict[str, Callable[[], float]], repeats: int
) -> dict[str, list[float]]:
    """Results of `repeats` rounds of all programs in turn, after one round that is not counted."""
    results: dict[str, list[float]] = {name: [] for name in programs}
    for i in range(repeats + 1):
        for name, program in programs.items():
            value = program()
            if i > 0:
                results[name].append(value)
    return results
