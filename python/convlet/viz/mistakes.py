"""plot_mistakes: the errors a classifier is surest of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from convlet.utils.validation import check_integer
from convlet.viz.confusion_matrix import classes_of
from convlet.viz.figures import as_picture, new_figure, show_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 6


def plot_mistakes(
    model: Any,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    count: int = 24,
    class_names: Sequence[str] | None = None,
) -> Figure:
    """Draws the images that a classifier gets wrong, those it is surest of first.

    Args:
        model: A model that predicts probabilities (n, classes).
        x: Images (n, height, width) or (n, height, width, 1 or 3), as the model takes them.
        y: Their classes: indices (n,) or one-hot rows.
        count: How many to draw at most.
        class_names: One name for each class; `None` for their indices.

    Returns:
        A figure. Over each image stand its class, the class it was taken for and with what
        probability.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If the arrays do not fit.
    """
    count = check_integer("count", count, 1)
    images, true = np.asarray(x), classes_of("y", y)
    if len(images) != len(true):
        raise ValueError(
            f"`x` and `y` must have the same number of rows. Received: {len(images)}, {len(true)}"
        )
    probabilities = np.asarray(model.predict(images, verbose=0))
    if probabilities.ndim != 2 or probabilities.shape[1] < 2:
        raise ValueError(
            "`model` must predict probabilities of shape (n, classes). "
            f"Received: predictions of shape {probabilities.shape}"
        )
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != true)
    worst = wrong[np.argsort(-confidence[wrong], kind="stable")][:count]

    def name(label: int) -> str:
        return str(label) if class_names is None else str(class_names[label])

    columns = min(max(len(worst), 1), _COLUMNS)
    rows = -(-max(len(worst), 1) // columns)
    figure = new_figure(max(1.5 * columns, 4.0), 1.75 * rows + 0.5)
    figure.suptitle(f"{len(wrong):,} of {len(true):,} are wrong", fontsize=11)
    panels = figure.subplots(rows, columns, squeeze=False).flat
    for row, axes in zip(worst, panels, strict=False):
        show_image(axes, as_picture(images[row]), cmap="gray_r")
        title = f"{name(true[row])} taken for {name(predicted[row])}\n{confidence[row]:.1%} sure"
        axes.set_title(title, fontsize=8)
    for axes in list(panels):
        axes.remove()
    return figure
