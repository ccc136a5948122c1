"""Writes golden/files: a small trained model as a version of Keras saves it.

    python tests/golden/make_files.py keras3_15       with Keras 3.15
    python tests/golden/make_files.py keras3_3        with Keras 3.3
    python tests/golden/make_files.py keras2 tf_keras with tf-keras, which is Keras 2
    python tests/golden/make_files.py keras2_functional tf_keras --functional

Needs one of them and tensorflow, not convlet. Beside the files, NAME.json has what the model
predicts, and its losses in the next ten steps.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "tensorflow"

import numpy as np

FOLDER = Path(__file__).with_name("files")


def data() -> tuple[np.ndarray, np.ndarray]:
    """Images, float32 (16, 6, 6, 1), and their labels."""
    rng = np.random.default_rng(0)
    return rng.random((16, 6, 6, 1), dtype=np.float32), rng.integers(3, size=16)


def make_model(keras: Any, functional: bool = False) -> Any:
    model = functional_model(keras) if functional else sequential_model(keras)
    model.compile(
        optimizer=keras.optimizers.RMSprop(0.002, momentum=0.5),
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=["accuracy"],
    )
    return model


def sequential_model(keras: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((6, 6, 1)),
            layers.Rescaling(0.5),
            layers.Conv2D(2, 3, padding="same", activation="relu", name="first"),
            layers.MaxPooling2D(),
            layers.Conv2D(2, 2, use_bias=False),
            layers.Flatten(),
            layers.Dense(3, kernel_initializer=keras.initializers.HeNormal(seed=1)),
            layers.Softmax(),
        ]
    )


def functional_model(keras: Any) -> Any:
    """A residual block, a concatenation, and a model inside the model."""
    layers = keras.layers
    inner_inputs = layers.Input((3, 3, 4))
    inner = keras.Model(inner_inputs, layers.Flatten()(layers.ReLU()(inner_inputs)), name="inner")
    inputs = layers.Input((6, 6, 1))
    x = layers.Conv2D(2, 3, padding="same", activation="relu", name="first")(inputs)
    y = layers.Add()([x, layers.BatchNormalization()(layers.Conv2D(2, 3, padding="same")(x))])
    z = layers.MaxPooling2D()(layers.Concatenate()([x, y]))
    return keras.Model(inputs, layers.Dense(3, activation="softmax")(inner(z)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("package", nargs="?", default="keras")
    parser.add_argument("--functional", action="store_true")
    arguments = parser.parse_args()
    keras = importlib.import_module(arguments.package)
    x, y = data()
    model = make_model(keras, arguments.functional)
    for _ in range(3):
        model.train_on_batch(x, y)
    FOLDER.mkdir(exist_ok=True)
    path = str(FOLDER / arguments.name)
    model.save(f"{path}.keras")
    model.save(f"{path}.h5")
    predictions = model.predict(x, verbose=0)
    losses = []
    for _ in range(10):
        model.reset_metrics()
        losses.append(float(model.train_on_batch(x, y)[0]))
    numbers = {
        "made_by": "tests/golden/make_files.py",
        "keras": keras.__version__,
        "predictions": np.asarray(predictions).tolist(),
        "losses": losses,
    }
    Path(f"{path}.json").write_text(json.dumps(numbers) + "\n", encoding="utf-8")
    pack(Path(f"{path}.keras"))
    legacy = Path(f"{path}.h5")
    Path(f"{path}.h5.gz").write_bytes(gzip.compress(legacy.read_bytes(), mtime=0))
    legacy.unlink()


def pack(path: Path) -> None:
    """Deflates the members of an archive, as any zip program can."""
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        members = [(member.filename, archive.read(member)) for member in archive.infolist()]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)


if __name__ == "__main__":
    main()
