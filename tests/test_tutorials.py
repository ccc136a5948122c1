"""Scripts of tutorials: with Keras and, one word changed, with convlet they say the same."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import convlet
from golden.tutorials import SCRIPTS

# Keras and TensorFlow warn of their own affairs.
pytestmark = [pytest.mark.keras, pytest.mark.filterwarnings("default")]

# A few dozen steps of training, whose sums are taken in another order.
TOLERANCE = 1e-4


def assert_same(actual: Any, expected: Any, path: str = "") -> None:
    """Equal trees of equal types; numbers agree to TOLERANCE."""
    assert type(actual) is type(expected), path
    if isinstance(expected, dict):
        assert list(actual) == list(expected), path
        for key in expected:
            assert_same(actual[key], expected[key], f"{path}/{key}")
    elif isinstance(expected, list):
        assert len(actual) == len(expected), path
        for number, pair in enumerate(zip(actual, expected, strict=True)):
            assert_same(*pair, f"{path}/{number}")
    elif isinstance(expected, float):
        np.testing.assert_allclose(actual, expected, TOLERANCE, TOLERANCE, err_msg=path)
    else:
        assert actual == expected, path


def without_times(printed: str) -> str:
    """What was printed, but for escape codes, the time it took, and the fourth digit."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", printed)
    plain = re.sub(r"\d+(s|ms|us)(/step)?", "TIME", plain)
    return re.sub(r"(\d\.\d{3})\d\b", r"\1", plain)


@pytest.mark.parametrize("name", SCRIPTS)
def test_tutorial(keras: Any, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    reports, printed = [], []
    for library in (convlet, keras):
        library.utils.clear_session()
        library.utils.set_random_seed(0)
        reports.append(SCRIPTS[name](library))
        printed.append(without_times(capsys.readouterr().out))
    assert_same(*reports)
    assert printed[0] == printed[1]
