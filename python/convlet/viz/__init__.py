"""Pictures of trainings and models. Needs matplotlib: `pip install 'convlet[plot]'`.

Each function returns a `matplotlib.figure.Figure` that belongs to nobody: it shows itself as the
result of a notebook's cell, `figure.savefig(path)` writes it, and no display is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from convlet._lazy import LazyNames, attach

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

__getattr__, __dir__ = attach(
    __name__,
    LazyNames(
        __name__,
        {
            "confusion_matrix": ("plot_confusion_matrix",),
            "filters": ("plot_filters",),
            "history": ("plot_history",),
            "mistakes": ("plot_mistakes",),
            "model_graph": ("plot_model",),
            "response_maps": ("plot_response_maps",),
        },
    ),
)
