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
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convlet
from convlet.models import load_model
from golden import make_files

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

# Opens what convlet wrote, says what it predicts and how it trains on, and writes the same model.
KERAS_SIDE = """if True:
    import json, os, sys, warnings
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="", KERAS_BACKEND="tensorflow")
    warnings.simplefilter("ignore")
    folder, golden = sys.argv[1:]
    sys.path.insert(0, golden)
    import keras, make_files
    import numpy as np
    x, y = make_files.data()
    def predictions(model):
        return model.predict(x, verbose=0).tolist()
    def next_losses(model):
        losses = []
        for _ in range(10):
            model.reset_metrics()
            losses.append(float(model.train_on_batch(x, y)[0]))
        return losses
    def state(model):
        optimizer = model.optimizer
        return [float(np.asarray(v)) for v in (optimizer.iterations, optimizer.learning_rate)]
    report = {"keras": keras.__version__}
    model = keras.models.load_model(f"{folder}/convlet.keras")
    report["keras file"] = [predictions(model), state(model), next_losses(model)]
    model = keras.models.load_model(f"{folder}/convlet.h5")
    # Keras does not find the slots again in its own .h5 files of a Sequential either.
    report["h5 file"] = [predictions(model), state(model), None]
    model = make_files.make_model(keras)
    model.train_on_batch(x, y)
    model.load_weights(f"{folder}/convlet.weights.h5")
    report["weights file"] = [predictions(model), state(model), next_losses(model)]
    model.save(f"{folder}/keras.keras")
    model.save(f"{folder}/keras.h5")
    model.save_weights(f"{folder}/keras.weights.h5")
    report["saved"] = [predictions(model), state(model), next_losses(model)]
    print(json.dumps(report))
"""


def run_keras(python: str, folder: Path) -> Any:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    golden = Path(make_files.__file__).parent
    output = subprocess.run(
        [python, "-c", KERAS_SIDE, str(folder), str(golden)],
        env=environment,
        text=True,
        capture_output=True,
        check=False,
    )
    assert output.returncode == 0, output.stderr[-3000:]
    return json.loads(output.stdout.splitlines()[-1])


def report_of(model: Any) -> list[Any]:
    x, y = make_files.data()
    predictions = model.predict(x, verbose=0)
    state = model.optimizer.iterations, model.optimizer.learning_rate
    return [predictions, state, [model.train_on_batch(x, y)[0] for _ in range(10)]]


def assert_same(actual: list[Any], expected: list[Any]) -> None:
    """Predictions to 1e-5, the same number of steps and rate, ten losses to 1e-3."""
    np.testing.assert_allclose(actual[0], expected[0], rtol=0, atol=1e-5)
    np.testing.assert_allclose(actual[1], expected[1], rtol=1e-6)
    if actual[2] is not None:
        np.testing.assert_allclose(actual[2], expected[2], rtol=1e-3)


@pytest.mark.parametrize("python", PYTHONS)
def test_each_reads_what_the_other_writes(python: str, tmp_path: Path) -> None:
    x, y = make_files.data()
    model = make_files.make_model(convlet)
    for _ in range(3):
        model.train_on_batch(x, y)
    model.save(tmp_path / "convlet.keras")
    model.save(tmp_path / "convlet.h5")
    model.save_weights(tmp_path / "convlet.weights.h5")
    here = report_of(model)

    there = run_keras(python, tmp_path)
    for kind in ("keras file", "h5 file", "weights file"):
        assert_same(there[kind], here)

    for name in ("keras.keras", "keras.h5"):
        assert_same(report_of(load_model(tmp_path / name)), there["saved"])
    other = make_files.make_model(convlet)
    other.train_on_batch(x, y)
    other.load_weights(tmp_path / "keras.weights.h5")
    assert_same(report_of(other), there["saved"])
