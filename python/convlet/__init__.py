"""Keras's Sequential API, trained natively on the CPU."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convlet import (
        activations,
        backend,
        callbacks,
        config,
        constraints,
        datasets,
        distribution,
        dtype_policies,
        initializers,
        layers,
        losses,
        metrics,
        mixed_precision,
        models,
        ops,
        optimizers,
        preprocessing,
        random,
        regularizers,
        saving,
        utils,
        viz,
    )
    from convlet._config import show_config
    from convlet._threads import get_num_threads, set_num_threads
    from convlet.dtype_policies import DTypePolicy
    from convlet.initializers import Initializer
    from convlet.layers import Input, Layer
    from convlet.layers.keras_tensor import KerasTensor
    from convlet.losses import Loss
    from convlet.metrics import Metric
    from convlet.models import Model, Sequential
    from convlet.optimizers import Optimizer
    from convlet.regularizers import Regularizer

__version__ = "0.1.0"

__all__ = [
    "DTypePolicy",
    "Initializer",
    "Input",
    "KerasTensor",
    "Layer",
    "Loss",
    "Metric",
    "Model",
    "Optimizer",
    "Regularizer",
    "Sequential",
    "__version__",
    "activations",
    "backend",
    "callbacks",
    "config",
    "constraints",
    "datasets",
    "distribution",
    "dtype_policies",
    "get_num_threads",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "ops",
    "optimizers",
    "preprocessing",
    "random",
    "regularizers",
    "saving",
    "set_num_threads",
    "show_config",
    "utils",
    "version",
    "viz",
]

# Everything is imported at its first use (PEP 562), so that `import convlet` costs next to nothing.
_HOMES = {
    "DTypePolicy": "convlet.dtype_policies",
    "Initializer": "convlet.initializers",
    "Input": "convlet.layers",
    "KerasTensor": "convlet.layers.keras_tensor",
    "Layer": "convlet.layers",
    "Loss": "convlet.losses",
    "Metric": "convlet.metrics",
    "Model": "convlet.models",
    "Optimizer": "convlet.optimizers",
    "Regularizer": "convlet.regularizers",
    "Sequential": "convlet.models",
    "get_num_threads": "convlet._threads",
    "set_num_threads": "convlet._threads",
    "show_config": "convlet._config",
}


def version() -> str:
    """Returns the version of convlet."""
    return __version__


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif name in __all__:
        value = import_module(f"convlet.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
