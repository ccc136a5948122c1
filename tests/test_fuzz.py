"""A short run of the fuzzed readers, always on the same changes of honest files."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fuzz import targets

CASES = {"idx": 400, "config": 200, "weights": 60, "archive": 60}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", targets.TARGETS)
def test_changed_files_do_no_worse_than_an_error(name: str) -> None:
    rng = np.random.default_rng(0)
    target = targets.TARGETS[name]
    for seed in targets.seeds(name):
        target(seed)
        for _ in range(CASES[name]):
            target(targets.changed(seed, rng))
    target(b"")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", targets.TARGETS)
def test_kept_inputs_do_no_worse_than_an_error(name: str) -> None:
    kept = targets.kept(name)
    assert kept
    for content in kept:
        targets.TARGETS[name](content)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_fuzzer_runs(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed: pip install atheris")
    (tmp_path / "seed").write_bytes(targets.seeds(name)[0])
    command = [sys.executable, targets.__file__, name, str(tmp_path), "-runs=300", "-seed=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
