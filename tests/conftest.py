"""Fixtures of all tests."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from convlet import _native
from sanitizers import SANITIZED

# The float32 code of a level with bfloat16 products is that of the level without: one test says so,
# the others need not run twice.
LEVELS = [level for level in _native.available_levels() if not level.endswith("-bf16")]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leaves out, and says so, what cannot run under the sanitizers."""
    for item in items:
        marker = item.get_closest_marker("unsanitized")
        if SANITIZED and marker is not None:
            reason = f"under the sanitizers: {marker.kwargs['reason']}"
            item.add_marker(pytest.mark.skip(reason=reason))


def pytest_collection_finish() -> None:
    """Leaves the thousands of tests out of what `clear_session` looks through each time."""
    gc.freeze()


# TensorFlow chooses oneDNN by itself only on CPUs with AVX512_VNNI. Its other kernels cannot dilate
# transposed convolutions, and round more coarsely.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


@pytest.fixture(params=LEVELS or _native.available_levels())
def core(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Each compiled module that this machine can run, in turn the one that convlet uses.

    Even the smallest call uses as many threads as the test has set.
    """
    module = _native.load(request.param)
    monkeypatch.setattr(_native, "core", module)
    threads, serial_flops = module.get_num_threads(), module.get_serial_flops()
    shares = module.get_fixed_shares()
    module.set_serial_flops(0.0)
    yield module
    module.set_num_threads(threads)
    module.set_serial_flops(serial_flops)
    module.set_fixed_shares(shares)


@pytest.fixture
def rng() -> np.random.Generator:
    """Random numbers, the same in every test."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def keras() -> Any:
    """Keras on TensorFlow, the judge; without it the test is skipped."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    reason = "Keras on TensorFlow is not installed: pip install 'convlet[bench]'"
    pytest.importorskip("tensorflow", reason=reason, exc_type=ImportError)
    return pytest.importorskip("keras", reason=reason, exc_type=ImportError)
