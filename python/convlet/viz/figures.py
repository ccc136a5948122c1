"""Figures without pyplot, and what several pictures draw alike."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from convlet._atomic_write import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's blue and vermilion: apart for every kind of colour vision, and as grays.
BLUE, VERMILION = "#0072b2", "#d55e00"
INK, FAINT = "#1f2328", "#6e7781"


def new_figure(width: float, height: float) -> Figure:
    """Returns an empty figure of so many inches.

    Raises:
        ImportError: If matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError(
            "Pictures need matplotlib, which is not installed: pip install 'convlet[plot]'"
        ) from error

    class Picture(Figure):
        """A figure that a notebook shows, although pyplot does not know it."""

        def _repr_png_(self) -> bytes:
            content = io.BytesIO()
            self.savefig(content, format="png", dpi=100)
            return content.getvalue()

    figure = Picture(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def write_figure(figure: Figure, path: Path, dpi: int = 200) -> None:
    """Writes a figure into a file of the format that its name ends in, whole or not at all.

    Raises:
        OSError: If it cannot be written.
    """
    with atomic_write(path) as file:
        figure.savefig(file, format=path.suffix[1:], dpi=dpi)


def show_image(axes: Axes, image: npt.NDArray[Any], **options: Any) -> None:
    """Draws pixels, without ticks."""
    axes.imshow(image, interpolation="nearest", **options)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def mosaic(
    tiles: npt.NDArray[np.float32], columns: int, gap: int = 1
) -> tuple[npt.NDArray[np.float32], list[tuple[int, int]]]:
    """Tiles (n, height, width) side by side, with NaN between them.

    Returns:
        The picture, and the upper left corner (x, y) of each tile in it.
    """
    count, height, width = tiles.shape
    columns = min(columns, count)
    rows = -(-count // columns)
    shape = (rows * (height + gap) - gap, columns * (width + gap) - gap)
    picture = np.full(shape, np.nan, np.float32)
    corners = []
    for i, tile in enumerate(tiles):
        x, y = i % columns * (width + gap), i // columns * (height + gap)
        picture[y : y + height, x : x + width] = tile
        corners.append((x, y))
    return picture, corners


def as_picture(image: Any) -> npt.NDArray[Any]:
    """An image (height, width), (height, width, 1) or (height, width, 3), as matplotlib wants it.

    Raises:
        ValueError: If it has another shape.
    """
    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[-1] == 1:
        pixels = pixels[..., 0]
    if pixels.ndim != 2 and (pixels.ndim != 3 or pixels.shape[-1] != 3):
        raise ValueError(
            "`image` must have shape (height, width), (height, width, 1) or (height, width, 3). "
            f"Received: shape={np.shape(image)}"
        )
    if pixels.ndim == 2 or pixels.dtype == np.uint8:
        return pixels
    low, high = float(pixels.min()), float(pixels.max())
    return (pixels - low) / (high - low) if high > low else np.zeros_like(pixels)
