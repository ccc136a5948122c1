"""Engines that only run models: ONNX Runtime and OpenVINO, from the file that PyTorch exports."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from workers.base import Worker, to_nchw


class InferenceEngine(Worker):
    """Runs images (n, c, h, w), into which the test images are brought before the clock starts."""

    def make(self, model: str, weights: list[np.ndarray]) -> None:  # noqa: ARG002
        self.data["x_test"] = to_nchw(self.data["x_test"])
        self.open(str(self.directory / f"{model}.onnx"))

    def predict_rows(self, x: np.ndarray, batch_size: int) -> np.ndarray:
        batches = [self.predict_one(x[i : i + batch_size]) for i in range(0, len(x), batch_size)]
        return np.concatenate(batches)

    def open(self, path: str) -> None:
        """Loads the exported model."""
        raise NotImplementedError


class OnnxRuntime(InferenceEngine):
    """ONNX Runtime's CPU provider."""

    def start(self, variant: str, threads: int) -> dict[str, str]:  # noqa: ARG002
        self.ort = import_module("onnxruntime")
        self.options = self.ort.SessionOptions()
        self.options.intra_op_num_threads = threads
        return {"onnxruntime": self.ort.__version__}

    def open(self, path: str) -> None:
        providers = ["CPUExecutionProvider"]
        self.session = self.ort.InferenceSession(path, self.options, providers=providers)

    def predict_one(self, image: np.ndarray) -> np.ndarray:
        probabilities: np.ndarray = self.session.run(None, {"x": image})[0]
        return probabilities


class OpenVino(InferenceEngine):
    """OpenVINO's CPU plugin in float32, with a compiled model for each batch size."""

    def start(self, variant: str, threads: int) -> dict[str, str]:  # noqa: ARG002
        self.ov = import_module("openvino")
        self.config = {
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",
            "PERFORMANCE_HINT": "LATENCY",
        }
        return {"openvino": self.ov.__version__}

    def open(self, path: str) -> None:
        self.path = path
        self.models: dict[int, Any] = {}

    def predict_one(self, image: np.ndarray) -> np.ndarray:
        rows = len(image)
        if rows not in self.models:
            core = self.ov.Core()
            model = core.read_model(self.path)
            model.reshape(image.shape)
            self.models[rows] = core.compile_model(model, "CPU", self.config)
        # Its output belongs to the compiled model and changes with the next call.
        probabilities: np.ndarray = self.models[rows](image)[0].copy()
        return probabilities
