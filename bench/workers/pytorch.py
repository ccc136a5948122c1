"""PyTorch with the training loop its users write: eager, channels_last or compiled.

Data are tensors before the clock starts, the loss is read once an epoch and no accuracy is counted,
so PyTorch does a little less than the others.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from _models import BATCH_SIZE, MODELS
from torch import nn
from workers.base import Worker, to_nchw

# A layer of an entry of MODELS, from its arguments and the number of input channels. The bare
# layer: its activation becomes a module of its own.
LAYERS: dict[str, Callable[[dict[str, Any], int], nn.Module]] = {
    "Conv2D": lambda c, channels: nn.Conv2d(
        channels, c["filters"], c["kernel_size"], padding=c["padding"]
    ),
    "MaxPooling2D": lambda c, _: nn.MaxPool2d(c["pool_size"]),
    "Flatten": lambda _, __: nn.Flatten(),
    "Dense": lambda c, channels: nn.Linear(channels, c["units"]),
    "Dropout": lambda c, _: nn.Dropout(c["rate"]),
    "ReLU": lambda _, __: nn.ReLU(inplace=True),
    # Keras's epsilon, and its momentum the other way round.
    "BatchNormalization": lambda _, channels: nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01),
    "GlobalAveragePooling2D": lambda _, __: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
}


class PyTorch(Worker):
    """The variant is eager, channels_last or compile (with channels_last)."""

    def start(self, variant: str, threads: int) -> dict[str, str]:
        self.channels_last = variant != "eager"
        self.compiled = variant == "compile"
        torch.set_num_threads(threads)
        torch.set_num_interop_threads(threads)
        if self.compiled:
            # One program for each batch size, the smaller last batches included.
            torch._dynamo.config.recompile_limit = 64
        return {"torch": str(torch.__version__)}

    def make(self, model: str, weights: list[np.ndarray]) -> None:
        network = sequential(model, weights)
        if self.channels_last:
            network = network.to(memory_format=torch.channels_last)
        self.bare_network = network
        self.network = torch.compile(network, dynamic=False) if self.compiled else network
        self.optimizer = torch.optim.RMSprop(network.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)
        x = self.data["x_train"] if self.channels_last else to_nchw(self.data["x_train"])
        self.x = torch.from_numpy(x)
        self.y = torch.from_numpy(self.data["y_train"].argmax(axis=1))

    def fit(self, x: np.ndarray, y: np.ndarray, shuffle: bool) -> float:  # noqa: ARG002
        rows = len(x)
        order = torch.randperm(rows) if shuffle else torch.arange(rows)
        self.network.train()
        total = torch.zeros(())
        for batch in order.split(BATCH_SIZE):
            self.optimizer.zero_grad(set_to_none=True)
            logits = self.network(self._images(self.x[batch]))
            loss = nn.functional.cross_entropy(logits, self.y[batch])
            loss.backward()
            self.optimizer.step()
            total += loss.detach() * len(batch)
        return float(total) / rows

    def predict_rows(self, x: np.ndarray, batch_size: int) -> np.ndarray:
        images = self._images(torch.from_numpy(x if self.channels_last else to_nchw(x)))
        self.network.eval()
        with torch.inference_mode():
            batches = [self.network(batch).softmax(1) for batch in images.split(batch_size)]
            return torch.cat(batches).numpy()

    def predict_one(self, image: np.ndarray) -> np.ndarray:
        self.network.eval()
        with torch.inference_mode():
            images = torch.from_numpy(image).permute(0, 3, 1, 2)
            probabilities: np.ndarray = self.network(images).softmax(1).numpy()
            return probabilities

    def export(self) -> dict[str, Any]:
        """Writes MODEL.onnx, which gives probabilities, for the inference engines."""
        model = nn.Sequential(self.bare_network, nn.Softmax(1)).eval()
        image = torch.from_numpy(to_nchw(self.data["x_test"][:2]))
        rows = {"x": {0: "rows"}, "y": {0: "rows"}}
        names = {"input_names": ["x"], "output_names": ["y"], "dynamic_axes": rows}
        try:
            with warnings.catch_warnings(action="ignore"):  # the newer exporter needs onnxscript
                path = str(self.directory / f"{self.name}.onnx")
                torch.onnx.export(model, (image,), path, dynamo=False, **names)
        except torch.onnx.OnnxExporterError:
            return {"missing": "onnx"}
        return {}

    def _images(self, stored: torch.Tensor) -> torch.Tensor:
        """Batches (n, c, h, w) of the memory layout this variant works in; copies nothing."""
        return stored.permute(0, 3, 1, 2) if self.channels_last else stored


def sequential(model: str, weights: list[np.ndarray]) -> nn.Sequential:
    """The model up to its logits: cross_entropy takes these."""
    height, width, channels = MODELS[model].input_shape
    example = torch.zeros(1, channels, height, width)  # runs along to tell the shapes
    flattened: tuple[int, ...] = ()
    values = iter(weights)
    modules: list[nn.Module] = []
    for kind, config in MODELS[model].layers:
        module = LAYERS[kind](config, example.shape[1]).eval()
        if kind == "Flatten":
            flattened = tuple(example.shape[1:])
        elif kind == "Dense" and flattened:
            values = _channels_first(values, flattened)
            flattened = ()
        _load(module, values)
        modules.append(module)
        if config.get("activation") == "relu":
            modules.append(nn.ReLU(inplace=True))
        with torch.no_grad():
            example = module(example)
    return nn.Sequential(*modules)


def _channels_first(values: Iterator[np.ndarray], image: tuple[int, ...]) -> Iterator[np.ndarray]:
    """`values` with the first one, a Dense kernel, for rows flattened from (c, h, w)."""
    kernel = next(values)
    c, h, w = image
    yield kernel.reshape(h, w, c, -1).transpose(2, 0, 1, 3).reshape(math.prod(image), -1)
    yield from values


def _load(module: nn.Module, values: Iterator[np.ndarray]) -> None:
    """Keras's kernel (kh, kw, ic, oc) or (in, units), then vectors in Keras's order."""
    with torch.no_grad():
        buffers = [buffer for buffer in module.buffers() if buffer.ndim]  # moving mean and variance
        for parameter in [*module.parameters(), *buffers]:
            value = next(values)
            axes = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[value.ndim]
            parameter.copy_(torch.from_numpy(np.ascontiguousarray(value.transpose(axes))))
