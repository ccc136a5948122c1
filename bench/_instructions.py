"""Counts of instructions by valgrind's callgrind: the same in every run, on however busy a CPU."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

SOURCE = Path(__file__).parent / "callgrind_marks.c"
MARKS = "CONVLET_BENCH_MARKS"  # names the compiled SOURCE to the counted process
COUNTED = re.compile(r"(?s)desc: Trigger: Client Request: (\S+)\n.*?\nsummary: (\d+)")


def can_count() -> bool:
    """Whether valgrind, its headers and a C compiler are here."""
    compiler = [os.environ.get("CC") or "cc", "-fsyntax-only", str(SOURCE)]
    if not shutil.which("valgrind") or not shutil.which(compiler[0]):
        return False
    return subprocess.run(compiler, capture_output=True, check=False).returncode == 0


def count_instructions(arguments: Sequence[str], **environ: str) -> dict[str, int]:
    """Runs this Python with `arguments` under callgrind; the counts that it marked, by name."""
    with tempfile.TemporaryDirectory(prefix="convlet-bench-") as name:
        directory = Path(name)
        marks = directory / "marks.so"
        compiler = [os.environ.get("CC") or "cc", "-O2", "-shared", "-fPIC"]
        subprocess.run([*compiler, str(SOURCE), "-o", str(marks)], check=True)
        valgrind = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no"]
        valgrind.append(f"--callgrind-out-file={directory / 'counts'}")
        subprocess.run(
            [*valgrind, sys.executable, *arguments],
            env={**os.environ, **environ, MARKS: str(marks)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        texts = [path.read_text(encoding="utf-8") for path in directory.glob("counts*")]
    found = (COUNTED.search(text) for text in texts)
    return {match[1]: int(match[2]) for match in found if match}


class Counter:
    """Marks what to count, in the process that count_instructions() runs."""

    def __init__(self) -> None:
        self._marks = ctypes.CDLL(os.environ[MARKS])

    def count(self, name: str, call: Callable[[], object]) -> None:
        """Counts one call; the one before it, which is not counted, allocates and packs."""
        call()
        self._marks.start_counting()
        call()
        self._marks.stop_counting(name.encode())
