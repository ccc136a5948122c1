"""Writes optimizer_golden.json: the numbers of `optimizer_runs.py` from real Keras on TensorFlow.

    python tests/golden/make_optimizer_golden.py

Needs keras and tensorflow, not convlet.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import optimizer_runs
import tensorflow as tf


def main() -> None:
    tf.config.experimental.enable_op_determinism()
    golden: dict[str, Any] = {
        "made_by": "tests/golden/make_optimizer_golden.py",
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
    }
    for name in optimizer_runs.RUNS:
        numbers = optimizer_runs.run(keras, name)
        golden[name] = {
            key: [float(f"{value:.9g}") for value in values] for key, values in numbers.items()
        }
    path = Path(__file__).with_name("optimizer_golden.json")
    lines = (f" {json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items())
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
