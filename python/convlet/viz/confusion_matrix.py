"""plot_confusion_matrix: which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from convlet.viz.figures import new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_NUMBERED = 25  # classes whose cells hold their numbers


def plot_confusion_matrix(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    class_names: Sequence[str] | None = None,
    normalize: bool = False,
) -> Figure:
    """Draws how many rows of each class (down) were taken for each class (across).

    Args:
        y_true: Class indices (n,) or (n, 1), or one-hot rows (n, classes).
        y_pred: Class indices, or probabilities (n, classes) as `predict` returns them.
        class_names: One name for each class; `None` for their indices.
        normalize: Whether to write shares of each class's rows instead of counts.

    Returns:
        A figure.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If the arrays or the names do not fit.
    """
    true, predicted = classes_of("y_true", y_true), classes_of("y_pred", y_pred)
    if len(true) != len(predicted) or not len(true):
        raise ValueError(
            "`y_true` and `y_pred` must have the same number of rows, at least one. "
            f"Received: {len(true)} and {len(predicted)} rows"
        )
    widths = [np.shape(y)[1] for y in (y_true, y_pred) if np.ndim(y) == 2]
    count = max(int(true.max()) + 1, int(predicted.max()) + 1, *widths, 2)
    names = [str(i) for i in range(count)] if class_names is None else list(map(str, class_names))
    if len(names) < count:
        raise ValueError(
            f"`class_names` must have a name for each of the {count} classes. "
            f"Received: class_names={class_names}"
        )
    matrix = np.zeros((len(names), len(names)))
    np.add.at(matrix, (true, predicted), 1)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return _drawn(shares, shares if normalize else matrix, names, normalize)


def _drawn(
    shares: npt.NDArray[np.float64],
    numbers: npt.NDArray[np.float64],
    names: list[str],
    normalize: bool,
) -> Figure:
    size = 1.6 + 0.45 * min(max(len(names), 6), 32)
    figure = new_figure(size, size)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    is_numbered = len(names) <= _MOST_NUMBERED
    for (row, column), number in np.ndenumerate(numbers) if is_numbered else ():
        if number:
            text = f"{number:.2f}" if normalize else f"{number:.0f}"
            color = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8)
    is_long = max(map(len, names)) > 3
    axes.set_xticks(range(len(names)), names, rotation=90 if is_long else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    right = float(np.trace(shares) / max(int((shares.sum(axis=1) > 0).sum()), 1))
    axes.set_title(f"On average {right:.1%} of a class are found", loc="left", fontsize=10)
    axes.tick_params(length=0)
    return figure


def classes_of(name: str, y: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Returns class indices (n,) of class indices, one-hot rows or probabilities.

    Raises:
        ValueError: If they are neither.
    """
    array = np.asarray(y)
    if array.dtype.kind in "biuf" and array.ndim == 2 and array.shape[1] > 1:
        return np.asarray(array.argmax(axis=1), np.int64)
    if array.ndim == 2 and array.shape[1] == 1 and array.dtype.kind == "f":
        return np.asarray(array[:, 0] > 0.5, np.int64)  # of one sigmoid
    flat = array.reshape(len(array)) if array.ndim and array.size == len(array) else array
    if flat.ndim != 1 or flat.dtype.kind not in "biuf" or (flat != np.floor(flat)).any():
        raise ValueError(
            f"`{name}` must be class indices of shape (n,) or rows of shape (n, classes). "
            f"Received: dtype={array.dtype}, shape={array.shape}"
        )
    if flat.size and flat.min() < 0:
        raise ValueError(f"`{name}` must not be negative. Received: {flat.min()}")
    return flat.astype(np.int64)
