"""convlet and Keras, which share code as they share an API."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import numpy as np
from _models import BATCH_SIZE, build
from workers.base import Worker


class KerasLike(Worker):
    """A package with Keras's API, self.k."""

    k: Any

    def make(self, model: str, weights: list[np.ndarray]) -> None:
        self.model = build(self.k, model)
        self.model.set_weights(weights)

    def fit(self, x: np.ndarray, y: np.ndarray, shuffle: bool) -> float:
        history = self.model.fit(x, y, batch_size=BATCH_SIZE, epochs=1, shuffle=shuffle, verbose=0)
        return float(history.history["loss"][0])

    def predict_rows(self, x: np.ndarray, batch_size: int) -> np.ndarray:
        probabilities: np.ndarray = self.model.predict(x, batch_size=batch_size, verbose=0)
        return probabilities

    def predict_one(self, image: np.ndarray) -> np.ndarray:
        probabilities: np.ndarray = self.model.predict_on_batch(image)
        return probabilities


class Convlet(KerasLike):
    """This package."""

    def start(self, variant: str, threads: int) -> dict[str, str]:  # noqa: ARG002
        self.k = import_module("convlet")
        self.k.set_num_threads(threads)
        info: dict[str, str] = import_module("convlet._native").core.build_info()
        return {"convlet": self.k.__version__, **info}


class Keras(KerasLike):
    """Keras; the variant is the backend."""

    def start(self, variant: str, threads: int) -> dict[str, str]:
        os.environ["KERAS_BACKEND"] = variant
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        backend = import_module(variant)
        if variant == "tensorflow":
            backend.config.threading.set_intra_op_parallelism_threads(threads)
            backend.config.threading.set_inter_op_parallelism_threads(threads)
        elif variant == "torch":
            backend.set_num_threads(threads)
        self.k = import_module("keras")
        if self.k.backend.backend() != variant:
            raise RuntimeError(f"Keras runs on {self.k.backend.backend()}, not on {variant}")
        return {"keras": self.k.__version__, variant: backend.__version__}
