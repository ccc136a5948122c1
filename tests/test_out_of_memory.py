"""Memory that runs out, and threads that cannot be started, at every place where that can happen.

`CONVLET_ALLOCATIONS` says how many allocations of a call fail in turn; 100000 are all of them, which
takes some minutes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from allocation_program import CALLS

MOST = int(os.environ.get("CONVLET_ALLOCATIONS", "5"))
PROGRAM = Path(__file__).with_name("allocation_program.py")
SOURCE = Path(__file__).with_name("failing_allocations.cpp")

pytestmark = pytest.mark.unsanitized(
    reason="they have an allocator, and a use of addresses, of their own"
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that lets allocations fail."""
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs Linux and a C++ compiler, to make a library that is loaded first")
    path = tmp_path_factory.mktemp("faults") / "failing_allocations.so"
    options = ["-O1", "-fPIC", "-shared", "-std=c++20", "-Wall", "-Wextra", "-Werror"]
    subprocess.run([compiler, *options, SOURCE, "-o", path, "-ldl", "-lpthread"], check=True)
    return path


def run(library: Path, *arguments: object) -> str:
    """Returns what a program writes in whose process the library is."""
    path = os.pathsep.join([str(PROGRAM.parent), *sys.path])
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("mode", ["one", "rest", "numpy"])
def test_allocations_fail(library: Path, mode: str) -> None:
    """With a MemoryError that leaves the model as it was before a step."""
    written = run(library, PROGRAM, library, mode, MOST)
    sys.stdout.write(f"\n{mode}:\n{written}")
    assert written.count(" of ") == len(CALLS)
    assert ": 0 of 0" not in written


TRAIN = """
import ctypes, hashlib, os, sys
import allocation_program as program
library, most, forks = ctypes.CDLL(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "fork"
program.core.set_num_threads(6)
program.core.set_fixed_shares(6)
program.core.set_serial_flops(0.0)
if forks and os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
before = len(os.listdir("/proc/self/task"))
library.limit_threads(most)
model = program.make_model()
model.fit(program.X, program.Y, shuffle=False, verbose=0)
threads = len(os.listdir("/proc/self/task")) - before
program.fit(model)
digest = hashlib.sha256(program.weights(model) + program.predictions(model)).hexdigest()
sys.stdout.write(f"{threads} {digest}")
"""


@pytest.mark.parametrize("how", ["alone", "fork"])
def test_threads_that_cannot_be_started(library: Path, how: str) -> None:
    """Training goes on with those there are, and has the same bits: OpenMP would end the process."""
    _, expected = run(library, "-c", TRAIN, library, -1, how).split()
    for most in (0, 1, 3):
        threads, digest = run(library, "-c", TRAIN, library, most, how).split()
        assert int(threads) == most
        assert digest == expected


LITTLE_ROOM = """
import resource, sys
import numpy as np
import convlet, allocation_program as program
program.core.set_num_threads(40)
program.core.set_serial_flops(0.0)
model = program.make_model()
x, y = np.repeat(program.X, 40, 0), np.repeat(program.Y, 40, 0)
(line,) = [line for line in open("/proc/self/status") if line.startswith("VmSize")]
limit = int(line.split()[1]) * 1024 + 100 * 2**20
before = resource.getrlimit(resource.RLIMIT_AS)
resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
try:
    model.fit(x, y, batch_size=len(x), verbose=0)
except MemoryError:  # the stacks of those that could be started may have left nothing else
    pass
resource.setrlimit(resource.RLIMIT_AS, before)
assert np.isfinite(model.predict(x, verbose=0)).all()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limit of addresses")
def test_many_threads_with_room_for_few() -> None:
    path = os.pathsep.join([str(PROGRAM.parent), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", LITTLE_ROOM],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


COPIES = """
import sys
from allocation_program import MOST, Faults
from convlet._native import core

settings = {"kernel_size": (2, 2), "strides": (1, 1), "padding": "valid", "use_bias": True}
op = ("conv2d_transpose", {"filters": 2, **settings}, (3, 3, 1))
faults = Faults(sys.argv[1], False)
with faults.failing(MOST, MOST) as counted:
    core.infer_op(*op)
for number in range(1, counted[0] + 1):
    with faults.failing(number, number):
        try:
            core.infer_op(*op)
        except MemoryError:
            continue
    raise AssertionError(number)
print(counted[0])
"""


def test_copies_of_attributes_fail(library: Path) -> None:
    """An op that changes its attributes copies them; found by tests/fuzz."""
    assert int(run(library, "-c", COPIES, library)) > 10
