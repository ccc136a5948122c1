"""Files that convlet writes in Keras, and files that Keras writes in convlet.

Each Python in the environment variable CONVLET_KERAS_PYTHONS (separated as in PATH) is a version of
Keras to check with; without it, the Keras beside convlet is. `nox -s keras` offers several.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convlet
from convlet.models import load_model
from golden import file_cases

PYTHONS = os.environ.get("CONVLET_KERAS_PYTHONS", "").split(os.pathsep)
if PYTHONS == [""]:
    PYTHONS = [sys.executable] if importlib.util.find_spec("keras") else []

pytestmark = [
    pytest.mark.keras,
    pytest.mark.skipif(
        not PYTHONS,
        reason="Keras is not installed; CONVLET_KERAS_PYTHONS can name Pythons that have it",
    ),
]

# Says how what convlet wrote goes on in Keras, and how what it writes itself does.
KERAS_SIDE = """if True:
    import json, os, sys, warnings
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", KERAS_BACKEND="tensorflow")
    warnings.simplefilter("ignore")
    folder, tests = sys.argv[1:]
    sys.path.insert(0, tests)
    import keras
    import tensorflow
    from golden import file_cases
    tensorflow.config.run_functions_eagerly(True)  # compiling takes longer than ten steps do
    reports = {"version": keras.__version__}
    for name in file_cases.CASES:
        path = f"{folder}/{name}"
        report = reports[name] = {}
        def with_weights():
            model = file_cases.make(keras, name)
            file_cases.train(model, name, 1)
            model.load_weights(f"{path}.weights.h5")
            return model
        def written():
            model = file_cases.make(keras, name)
            file_cases.train(model, name)
            model.save(f"{path}-keras.keras")
            model.save_weights(f"{path}-keras.weights.h5")
            try:
                model.save(f"{path}-keras.h5")
            except ValueError as error:
                report["error"] = str(error)
            return model
        for kind, read in {
            "keras": lambda: keras.models.load_model(f"{path}.keras"),
            "h5": lambda: keras.models.load_model(f"{path}.h5"),
            "weights.h5": with_weights,
            "written": written,
        }.items():
            try:
                # Keras cannot train on from its own .h5 files either: it finds no slots.
                report[kind] = file_cases.report(read(), name, losses=kind != "h5")
            except ValueError as error:
                report[kind] = str(error)
    print(json.dumps(reports))
"""
KINDS = ("keras", "h5", "weights.h5")
# Optimizers whose variables Keras has had in another order in its files until this version; and
# those that could not be saved as .h5 until then, because two variables had the same name.
TODAYS_LAYOUT = (3, 12)
REORDERED = ("optimizer-nadam", "optimizer-accumulation_ema_clipnorm")
SAME_NAMES = ("optimizer-adagrad", "optimizer-ftrl", "optimizer-ftrl_power")
# Keras 3.3 still does other steps than today's where it accumulates gradients.
TODAYS_ACCUMULATION = (3, 9)


def run_keras(python: str, folder: Path) -> Any:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    tests = Path(__file__).parent
    output = subprocess.run(
        [python, "-c", KERAS_SIDE, str(folder), str(tests)],
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert output.returncode == 0, output.stderr[-3000:]
    return json.loads(output.stdout.splitlines()[-1])


@dataclass(frozen=True)
class Exchange:
    """What convlet and a version of Keras have written, and how it goes on.

    Attributes:
        folder: Where the files are: NAME.KIND by convlet, NAME-keras.KIND by Keras.
        here: What convlet's models do after their files were written, by name.
        there: What Keras's do, by name, after reading convlet's files, by kind, and after writing
            their own, "written"; a text if it cannot.
        version: Of Keras, its first two numbers.
    """

    folder: Path
    here: dict[str, Any]
    there: dict[str, Any]
    version: tuple[int, ...]

    @property
    def is_older(self) -> bool:
        """Whether this Keras has other layouts than today's."""
        return self.version < TODAYS_LAYOUT

    def comparable(self, report: Any, name: str) -> Any:
        """Leaves out what this Keras is known to compute otherwise."""
        if "accumulation" in name and self.version < TODAYS_ACCUMULATION:
            return {**report, "losses": []}
        return report


@pytest.fixture(scope="module", params=PYTHONS)
def exchange(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exchange:
    folder = tmp_path_factory.mktemp("files")
    here = {}
    for name in file_cases.CASES:
        model = file_cases.make(convlet, name)
        file_cases.train(model, name)
        for kind in KINDS:
            save = model.save_weights if kind == "weights.h5" else model.save
            save(folder / f"{name}.{kind}")
        here[name] = file_cases.report(model, name)
    there = run_keras(request.param, folder)
    version = tuple(int(number) for number in there["version"].split(".")[:2])
    return Exchange(folder, here, there, version)


def assert_same(actual: Any, expected: Any) -> None:
    """Predictions to 1e-5, the same number of steps and rate, slots and ten losses to 1e-3."""
    assert isinstance(actual, dict), actual
    np.testing.assert_allclose(actual["predictions"], expected["predictions"], rtol=0, atol=1e-5)
    assert actual["steps"] == expected["steps"]
    np.testing.assert_allclose(actual["rate"], expected["rate"], rtol=1e-6)
    for key in ("slots", "losses"):
        if actual[key] and expected[key]:
            np.testing.assert_allclose(actual[key], expected[key], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", file_cases.CASES)
def test_keras_reads_what_convlet_writes(name: str, exchange: Exchange) -> None:
    there = exchange.there[name]
    for kind in KINDS:
        if exchange.is_older and name in REORDERED and kind != "h5":
            assert "must match" in there[kind]  # an error, and not other numbers
        else:
            assert_same(there[kind], exchange.comparable(exchange.here[name], name))


@pytest.mark.parametrize("name", file_cases.CASES)
def test_convlet_reads_what_keras_writes(name: str, exchange: Exchange) -> None:
    there = exchange.there[name]
    expected = exchange.comparable(there["written"], name)
    for kind in ("keras", "h5"):
        if kind == "h5" and exchange.is_older and name in SAME_NAMES:
            assert "already exists" in there["error"]
            continue
        model = load_model(exchange.folder / f"{name}-keras.{kind}")
        assert_same(file_cases.report(model, name), expected)
    other = file_cases.make(convlet, name)
    file_cases.train(other, name, 1)
    other.load_weights(exchange.folder / f"{name}-keras.weights.h5")
    assert_same(file_cases.report(other, name), expected)
