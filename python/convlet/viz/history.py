"""plot_history: losses and metrics over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from convlet.callbacks import History
from convlet.viz.figures import BLUE, FAINT, VERMILION, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_MARKED = 40  # epochs that get a marker each


def plot_history(history: History | Mapping[str, Sequence[float]]) -> Figure:
    """Draws the loss and each metric over the epochs, training beside validation.

    Args:
        history: What `fit` returned, or its `history` dictionary.

    Returns:
        A figure with a panel for each quantity: training a solid line with dots, validation a
        dashed one with squares.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If there is nothing to draw.
    """
    values: Any = history.history if isinstance(history, History) else history
    if not isinstance(values, Mapping) or not any(len(series) for series in values.values()):
        raise ValueError(
            "`history` must be what `fit` returned, with at least one epoch. "
            f"Received: history={history!r}"
        )
    epochs = list(history.epoch) if isinstance(history, History) else None
    names = list(dict.fromkeys(name.removeprefix("val_") for name in values))
    names.sort(key=lambda name: name != "loss")
    figure = new_figure(5.0 * min(len(names), 2), 3.6 * -(-len(names) // 2))
    panels = figure.subplots(-(-len(names) // 2), min(len(names), 2), squeeze=False).flat
    for name, axes in zip(names, panels, strict=False):
        _draw(axes, name, values, epochs)
    for axes in list(panels):
        axes.remove()
    return figure


def _draw(axes: Axes, name: str, values: Mapping[str, Any], epochs: list[int] | None) -> None:
    from matplotlib.ticker import MaxNLocator

    styles: list[tuple[str, str, dict[str, Any]]] = [
        (name, "training", {"color": BLUE, "linestyle": "-", "marker": "o"}),
        (f"val_{name}", "validation", {"color": VERMILION, "linestyle": "--", "marker": "s"}),
    ]
    for key, label, style in styles:
        series = list(values.get(key, ()))
        if not series:
            continue
        # Validation may have been done in some of the epochs only.
        numbers = range(len(series)) if epochs is None else epochs[-len(series) :]
        size = 5 if len(series) <= _MOST_MARKED else 0
        axes.plot([n + 1 for n in numbers], series, label=label, markersize=size, **style)
    axes.set_title(name, loc="left", fontweight="bold")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    axes.grid(axis="y", color=FAINT, alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
