"""Whatever is done again and again, memory in use stays what it is.

`CONVLET_REPEATS` says how often: 100000 makes that many predictions, and a hundredth of it
trainings of new models, which takes some minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from memory_program import WHAT

REPEATS = int(os.environ.get("CONVLET_REPEATS", "2000"))
PROGRAM = Path(__file__).with_name("memory_program.py")
MOST_KILOBYTES = 2048
SHORT = ("predict", "predict_on_batch", "evaluate")

pytestmark = [
    pytest.mark.skipif(
        not Path("/proc/self/statm").exists(), reason="needs Linux, to know its memory"
    ),
    pytest.mark.unsanitized(reason="they keep freed memory for a while"),
]


@pytest.mark.parametrize("what", WHAT)
def test_memory_stays_flat(what: str) -> None:
    times = REPEATS if what in SHORT else REPEATS // 100
    path = os.pathsep.join([str(PROGRAM.parent), *sys.path])
    done = subprocess.run(
        [sys.executable, PROGRAM, what, str(times)],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    growth = int(done.stdout)
    sys.stdout.write(f"\n{what}: {growth} KB after {times} times\n")
    assert growth < MOST_KILOBYTES
