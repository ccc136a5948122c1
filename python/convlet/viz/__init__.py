"""Pictures of trainings and models. Needs matplotlib: `pip install 'convlet[plot]'`.

Each function returns a `matplotlib.figure.Figure` that belongs to nobody: it shows itself as the
result of a notebook's cell, `figure.savefig(path)` writes it, and no display is needed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from convlet.viz.confusion_matrix import plot_confusion_matrix
    from convlet.viz.filters import plot_filters
    from convlet.viz.history import plot_history
    from convlet.viz.mistakes import plot_mistakes
    from convlet.viz.model_graph import plot_model
    from convlet.viz.response_maps import plot_response_maps

__all__ = [
    "plot_confusion_matrix",
    "plot_filters",
    "plot_history",
    "plot_mistakes",
    "plot_model",
    "plot_response_maps",
]

_HOMES = {name: name.removeprefix("plot_") for name in __all__} | {"plot_model": "model_graph"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
