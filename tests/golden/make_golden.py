"""Writes golden.json and training.json: the numbers of `runs.py` and `training_runs.py` from real
Keras on TensorFlow.

    python tests/golden/make_golden.py [--mnist mnist.npz] [--training-only]

Needs keras and tensorflow, not convlet. Without --mnist, Keras's own loader fetches MNIST. Of MNIST
only losses and predictions are stored, never images.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # as on CPUs with AVX512_VNNI

import keras
import numpy as np
import runs
import tensorflow as tf
import training_runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", type=Path, help="Keras's mnist.npz")
    parser.add_argument("--training-only", action="store_true", help="training.json alone")
    arguments = parser.parse_args()
    tf.config.experimental.enable_op_determinism()
    write("training.json", training_numbers())
    if not arguments.training_only:
        write("golden.json", numbers(arguments.mnist))


def training_numbers() -> dict[str, Any]:
    return {
        "made_by": "tests/golden/make_golden.py",
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "training": {name: training_runs.training(keras, name) for name in training_runs.CASES},
        "feeding": {name: training_runs.feeding(keras, name) for name in training_runs.FEEDS},
    }


def numbers(mnist_path: Path | None) -> dict[str, Any]:

    synthetic = runs.synthetic_images(runs.STEPS * runs.BATCH)
    return {
        "made_by": "tests/golden/make_golden.py",
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "fingerprint": runs.fingerprint(),
        "synthetic": convnet_numbers(*synthetic),
        "mnist": convnet_numbers(*mnist(mnist_path)),
        "fit_and_evaluate": runs.fit_and_evaluate(keras),
        "rmsprop": {name: runs.rmsprop(keras, name) for name in runs.RMSPROP_VARIANTS},
        "loss": {name: runs.loss(keras, name) for name in runs.LOSS_CASES},
        "layer": {name: runs.layer(keras, name) for name in runs.LAYER_CASES},
        "training": {name: runs.layer_training(keras, name) for name in runs.TRAINING_CASES},
        "graph": {name: runs.graph_training(keras, name) for name in runs.GRAPH_CASES},
        "freezing": runs.freezing(keras),
    }


def write(name: str, golden: dict[str, Any]) -> None:
    path = Path(__file__).with_name(name)
    path.write_text(json.dumps(shortened(golden), indent=1) + "\n", encoding="utf-8")


def mnist(path: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """The training images the runs need, float32 (n, 28, 28, 1) in [0, 1], and their labels."""
    if path is None:
        (images, labels), _ = keras.datasets.mnist.load_data()
    else:
        with np.load(path, allow_pickle=False) as archive:
            images, labels = archive["x_train"], archive["y_train"]
    count = runs.STEPS * runs.BATCH
    return images[:count, ..., None].astype(np.float32) / 255, labels[:count]


def convnet_numbers(images: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
    return {
        "predictions": runs.initial_predictions(keras, images),
        "losses": runs.batch_losses(keras, images, labels),
    }


def shortened(value: Any) -> Any:
    """Floats with the nine digits that tell all float32 apart."""
    if isinstance(value, dict):
        return {key: shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shortened(item) for item in value]
    return float(f"{value:.9g}") if isinstance(value, float) else value


if __name__ == "__main__":
    main()
