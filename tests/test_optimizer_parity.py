"""Same numbers as Keras in twenty steps with each optimizer, option, schedule, penalty and bound.

Against golden numbers, and against Keras itself where it is installed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

import convlet
from golden import optimizer_runs

GOLDEN = json.loads(
    (Path(__file__).parent / "golden" / "optimizer_golden.json").read_text(encoding="utf-8")
)

each_run = pytest.mark.parametrize("name", optimizer_runs.RUNS)


def assert_same_numbers(
    actual: dict[str, list[float]], expected: dict[str, list[float]], tolerance: float = 1e-5
) -> None:
    assert actual.keys() == expected.keys()
    for key, values in expected.items():
        np.testing.assert_allclose(actual[key], values, rtol=0, atol=tolerance, err_msg=key)


@each_run
def test_golden(name: str) -> None:
    assert_same_numbers(optimizer_runs.run(convlet, name), GOLDEN[name])


@pytest.mark.keras
@pytest.mark.filterwarnings("default")  # Keras and TensorFlow warn of their own affairs
@each_run
def test_live(name: str) -> None:
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    reason = "Keras on TensorFlow is not installed: pip install 'convlet[bench]'"
    pytest.importorskip("tensorflow", reason=reason, exc_type=ImportError)
    keras = pytest.importorskip("keras", reason=reason, exc_type=ImportError)
    assert_same_numbers(*(optimizer_runs.run(k, name) for k in (convlet, keras)))
