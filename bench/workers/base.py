"""The requests that a contender answers, whatever it is made of."""

from __future__ import annotations

import abc
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
from _data import load_data_set
from _models import BATCH_SIZE, MODELS, load_initial_weights


class Worker(abc.ABC):
    """Times a package; a subclass says how to do things with it."""

    def setup(self, variant: str, threads: int, data: str) -> dict[str, Any]:
        self.directory = Path(data)
        return {"versions": self.start(variant, threads)}

    def build(self, model: str) -> dict[str, Any]:
        """A fresh model, and fresh optimizer slots, from the stored initial weights."""
        self.name = model
        self.data = load_data_set(self.directory, MODELS[model].data)
        self.make(model, load_initial_weights(self.directory, model))
        return {}

    def probabilities(self, rows: int) -> dict[str, Any]:
        probabilities = self.predict_rows(self.data["x_test"][:rows], BATCH_SIZE)
        return {"probabilities": np.asarray(probabilities).tolist()}

    def train(self, rows: int) -> dict[str, Any]:
        return self._fit(rows, shuffle=False)

    def epoch(self, rows: int) -> dict[str, Any]:
        return self._fit(rows, shuffle=True)

    def _fit(self, rows: int, shuffle: bool) -> dict[str, Any]:
        x, y = self.data["x_train"][:rows], self.data["y_train"][:rows]
        start = time.perf_counter()
        loss = self.fit(x, y, shuffle)
        return {"seconds": time.perf_counter() - start, "loss": loss}

    def predict(self, batch_size: int) -> dict[str, Any]:
        start = time.perf_counter()
        out = self.predict_rows(self.data["x_test"], batch_size)
        seconds = time.perf_counter() - start
        if out.shape != self.data["y_test"].shape or not np.isfinite(out).all():
            raise RuntimeError(f"predict gave {out.shape}")
        return {"seconds": seconds}

    def one_image(self, count: int) -> dict[str, Any]:
        images = self.data["x_test"]
        seconds = []
        for i in range(count):
            image = images[i : i + 1]
            start = time.perf_counter()
            self.predict_one(image)
            seconds.append(time.perf_counter() - start)
        return {"seconds": statistics.median(seconds)}

    def evaluate(self) -> dict[str, Any]:
        predicted = self.predict_rows(self.data["x_test"], BATCH_SIZE).argmax(axis=1)
        return {"accuracy": float(np.mean(predicted == self.data["y_test"].argmax(axis=1)))}

    @abc.abstractmethod
    def start(self, variant: str, threads: int) -> dict[str, str]:
        """Imports the package and sets its threads; returns versions."""

    @abc.abstractmethod
    def make(self, model: str, weights: list[np.ndarray]) -> None:
        """Makes a model of these weights, and gets self.data ready for it if need be."""

    def fit(self, x: np.ndarray, y: np.ndarray, shuffle: bool) -> float:
        """Trains one epoch; returns the mean loss over it."""
        raise NotImplementedError(f"{type(self).__name__} does not train")

    @abc.abstractmethod
    def predict_rows(self, x: np.ndarray, batch_size: int) -> np.ndarray:
        """Probabilities, a batch at a time."""

    @abc.abstractmethod
    def predict_one(self, image: np.ndarray) -> np.ndarray:
        """Probabilities of a batch of one image, the fastest way there is."""


def to_nchw(x: np.ndarray) -> np.ndarray:
    """Images (n, h, w, c) as a new array (n, c, h, w)."""
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2))
