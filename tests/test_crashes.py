"""A process that is killed, at any moment, loses no more than what it did since its last backup.

`CONVLET_CRASHES` says how often each of the two trainings is killed; 200 take some minutes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convlet.models import load_model
from crash_program import checkpoint_path, make_model

CRASHES = int(os.environ.get("CONVLET_CRASHES", "4"))
PROGRAM = Path(__file__).with_name("crash_program.py")
KILLERS = ("end", "line", "byte", "time")
LAST_LINES = 80  # among them those that remove the backup

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")


def start(variant: str, directory: Path, kill: str) -> subprocess.Popen[str]:
    """Starts the training; returns when it begins."""
    command = [sys.executable, PROGRAM, variant, directory, *([kill] if kill else [])]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begins\n"
    return process


def outcome(process: subprocess.Popen[str]) -> dict[str, Any] | None:
    """Returns what a whole run wrote, `None` if it was killed."""
    written, _ = process.communicate()
    if process.returncode == -signal.SIGKILL:
        return None
    assert process.returncode == 0
    result: dict[str, Any] = json.loads(written)
    return result


def run_and_kill(
    variant: str, directory: Path, kill: str, moment: float, whole: dict[str, Any]
) -> dict[str, Any] | None:
    """Runs until a moment, from 0 to 1, of what a whole run lasts."""
    if kill == "end":
        return outcome(
            start(variant, directory, f"line:{whole['line'] - int(moment * LAST_LINES)}")
        )
    if kill != "time":
        return outcome(start(variant, directory, f"{kill}:{int(moment * whole[kill])}"))
    process = start(variant, directory, "time")
    time.sleep(moment * whole["time"])
    process.kill()
    return outcome(process)


def check_files(variant: str, directory: Path, had_checkpoint: bool) -> bool:
    """Looks at what a killed process left; returns whether there is a checkpoint."""
    backup = directory / "backup"
    metadata = backup / "training_metadata.json"
    model = make_model(variant)
    model.prepare_training()
    if metadata.exists():
        stem = json.loads(metadata.read_text())["stem"]
        model.load_weights(backup / f"{stem}.weights.h5")
    path = checkpoint_path(variant, directory)
    if path.suffix == ".keras" and path.exists():
        load_model(path)
    elif path.exists():
        model.load_weights(path)
    assert path.exists() or not had_checkpoint, "the previous checkpoint is lost"
    return path.exists()


@pytest.mark.parametrize("variant", ["epochs", "batches"])
def test_killed_trainings_end_as_the_whole_one(variant: str, tmp_path: Path) -> None:
    """Started again after each crash, until it gets through; the next crash hits a new training."""
    whole = outcome(start(variant, tmp_path / "whole", ""))
    assert whole is not None
    process = start(variant, tmp_path / "timed", "time")
    started = time.perf_counter()
    assert outcome(process) is not None
    whole["time"] = time.perf_counter() - started

    rng = np.random.default_rng(CRASHES)
    counts: Counter[str] = Counter()
    while counts["crashes"] < CRASHES:
        directory = tmp_path / f"run{counts['trainings']}"
        result, has_checkpoint, resumed = None, False, ""
        while result is None:
            # A training that was resumed has fewer lines: only a whole one is hit at its end.
            kinds = KILLERS if not resumed else KILLERS[1:]
            kill = kinds[(counts["crashes"] + counts["trainings"]) % len(kinds)]
            if counts["crashes"] == CRASHES:
                result = outcome(start(variant, directory, ""))
                break
            moment = rng.random()
            resumed += f" {kill}:{moment:.3f}"
            result = run_and_kill(variant, directory, kill, moment, whole)
            if result is None:
                counts.update(["crashes", kill])
                counts["in a write"] += any(directory.glob("*/.convlet-*.part"))
                has_checkpoint = check_files(variant, directory, has_checkpoint)
        assert result["digest"] == whole["digest"], resumed
        assert not (directory / "backup").exists()
        counts["trainings"] += 1
    sys.stdout.write(f"\n{variant}: {dict(counts)}\n")
