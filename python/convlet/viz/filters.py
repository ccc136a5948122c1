"""plot_filters: the kernels of a convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from convlet.layers import Conv2DTranspose, DepthwiseConv2D
from convlet.utils.validation import check_integer
from convlet.viz.figures import INK, mosaic, new_figure, show_image

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 16
_MOST_CHANNELS = 16


def plot_filters(layer: Any, max_filters: int | None = None) -> Figure:
    """Draws the kernels of a convolution, one tile for each filter.

    Filters of one channel are gray, those of three are colors (each scaled from its smallest to
    its largest weight). Of filters of more channels each row is a filter and each column one of
    its first 16 channels. Gray tiles share one scale: black is the most negative weight, white the
    most positive one, middle gray is zero.

    Args:
        layer: A built Conv2D, DepthwiseConv2D, SeparableConv2D or Conv2DTranspose.
        max_filters: How many to draw at most; the title says how many there are. `None` for 64 of
            one or three channels, and 16 of others.

    Returns:
        A figure.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If the layer has no two-dimensional filters, or has not been built.
    """
    kernel = _kernel(layer)
    if max_filters is None:
        max_filters = 64 if kernel.shape[2] in (1, 3) else 16
    max_filters = check_integer("max_filters", max_filters, 1)
    filters = np.moveaxis(kernel, -1, 0)[:max_filters]  # (filters, height, width, channels)
    channels = filters.shape[-1]
    title = f"{layer.name}: {_counted(len(filters), kernel.shape[-1], 'filter')} of "
    title += "x".join(map(str, kernel.shape[:2]))
    if channels == 3:
        return _in_color(filters, title)
    if channels > 1:
        title += f", {_counted(min(channels, _MOST_CHANNELS), channels, 'channel')} each"
    tiles = np.moveaxis(filters[..., :_MOST_CHANNELS], -1, 1).reshape(-1, *filters.shape[1:3])
    return _in_gray(tiles, _COLUMNS if channels == 1 else min(channels, _MOST_CHANNELS), title)


def _kernel(layer: Any) -> npt.NDArray[np.float32]:
    """The kernel (height, width, channels, filters) of a layer."""
    weights = {weight.name: weight for weight in getattr(layer, "weights", ())}
    found = weights.get("kernel", weights.get("depthwise_kernel"))
    if found is None or len(found.shape) != 4:
        raise ValueError(
            "`layer` must be a built layer with filters of two dimensions, such as Conv2D. "
            f"Received: layer={layer!r}"
        )
    kernel = np.asarray(found.numpy())
    if isinstance(layer, Conv2DTranspose):  # (height, width, filters, channels)
        return np.swapaxes(kernel, 2, 3)
    if (
        isinstance(layer, DepthwiseConv2D) or found.name == "depthwise_kernel"
    ):  # a filter for each channel and multiple
        return kernel.reshape(*kernel.shape[:2], 1, -1)
    return kernel


def _counted(shown: int, count: int, noun: str) -> str:
    plural = noun if count == 1 else f"{noun}s"
    return f"{count} {plural}" if shown == count else f"{shown} of {count} {plural}"


def _in_gray(tiles: npt.NDArray[np.float32], columns: int, title: str) -> Figure:
    picture, _ = mosaic(tiles, columns)
    largest = float(np.nanmax(np.abs(picture))) or 1.0
    figure = _sized(picture.shape[:2], max(tiles.shape[1:]))
    axes = figure.subplots()
    show_image(axes, picture, cmap="gray", vmin=-largest, vmax=largest)
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    return figure


def _in_color(filters: npt.NDArray[np.float32], title: str) -> Figure:
    low = filters.min(axis=(1, 2, 3), keepdims=True)
    high = filters.max(axis=(1, 2, 3), keepdims=True)
    scaled = (filters - low) / np.where(high > low, high - low, 1)
    layers = [mosaic(scaled[..., channel], _COLUMNS)[0] for channel in range(3)]
    picture = np.nan_to_num(np.stack(layers, axis=-1), nan=1.0)
    figure = _sized(picture.shape[:2], max(filters.shape[1:3]))
    axes = figure.subplots()
    show_image(axes, picture)
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    return figure


def _sized(shape: tuple[int, ...], tile: int) -> Figure:
    """A figure whose tiles have the size of a thumbnail."""
    inches = 0.5 / (tile + 1)
    return new_figure(max(shape[1] * inches + 0.3, 4.0), max(shape[0] * inches + 0.6, 1.2))
