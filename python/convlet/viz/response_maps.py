"""plot_response_maps: what each layer makes of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from convlet.utils.validation import check_integer
from convlet.viz.figures import as_picture, mosaic, new_figure, show_image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from convlet.layers.keras_tensor import KerasTensor

_COLUMNS = 16
_WIDTH = 10.0  # inches
_TITLE = 0.42  # inches of height
_MOST_NUMBERED = 32  # units whose number stands under their bar


def plot_response_maps(model: Any, image: npt.ArrayLike, max_maps: int = 64) -> Figure:
    """Draws the response map of every filter to an image, layer by layer.

    Over each layer's maps stand its name, class and output shape; in each map's corner stands the
    filter's number. A layer's maps share one scale, dark for its smallest response and bright for
    its largest. Outputs that are no maps are bars.

    Args:
        model: A built model of images.
        image: One image (height, width), (height, width, channels) or (1, height, width,
            channels), as the model takes it.
        max_maps: How many maps of a layer to draw at most; the title says how many there are.

    Returns:
        A figure with a panel for the image and one for each layer.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If the model has not been built or takes another image.
    """
    max_maps = check_integer("max_maps", max_maps, 1)
    row = _as_row(model, image)
    tensors = _layer_outputs(model)
    responses = [np.asarray(values)[0] for values in _responses(model, tensors, row)]
    heights = [1.3 + _TITLE, *(_height(values, max_maps) for values in responses)]
    figure = new_figure(_WIDTH, sum(heights))
    panels = figure.subplots(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    show_image(
        panels[0], as_picture(row[0]) if row.shape[-1] in (1, 3) else row[0, ..., 0], cmap="gray"
    )
    shape = "x".join(map(str, row.shape[1:]))
    panels[0].set_anchor("W")
    panels[0].set_title(f"image  ({shape})", loc="left", fontsize=9, fontweight="bold")
    for axes, tensor, values in zip(panels[1:], tensors, responses, strict=True):
        _draw(axes, tensor.layer, values, max_maps)
    return figure


def _as_row(model: Any, image: npt.ArrayLike) -> npt.NDArray[np.float32]:
    if not getattr(model, "built", False):
        raise ValueError("`model` has not been built: its layers have no shapes yet.")
    expected = tuple(model.input_shape[1:])
    pixels = np.asarray(image)
    for shape in (pixels.shape, pixels.shape[1:] if pixels.shape[:1] == (1,) else None):
        if shape is not None and expected in (shape, (*shape, 1)):
            return pixels.reshape(1, *expected).astype(np.float32)
    raise ValueError(
        f"`image` must be one image of shape {expected}. Received: shape={pixels.shape}"
    )


def _layer_outputs(model: Any) -> list[KerasTensor]:
    """The outputs of the model's layers, from first to last."""
    found: dict[KerasTensor, None] = {}

    def visit(tensor: KerasTensor) -> None:
        if tensor in found or not tensor.inputs:
            return
        for source in tensor.inputs:
            visit(source)
        found[tensor] = None

    for output in model.outputs:
        visit(output)
    return list(found)


def _responses(model: Any, tensors: list[KerasTensor], row: npt.NDArray[np.float32]) -> list[Any]:
    from convlet.models import Model

    outputs = Model(model.inputs[0], tensors).predict(row, verbose=0)
    return outputs if isinstance(outputs, list) else [outputs]


def _height(values: npt.NDArray[np.float32], max_maps: int) -> float:
    """Inches that a panel takes."""
    if values.ndim != 3:
        return 0.9 + _TITLE
    height, width = values.shape[:2]
    rows = -(-min(values.shape[2], max_maps) // _COLUMNS)
    return float(rows * (_WIDTH / _COLUMNS) * height / width + _TITLE)


def _draw(axes: Axes, layer: Any, values: npt.NDArray[np.float32], max_maps: int) -> None:
    shape = "x".join(map(str, values.shape))
    title = f"{layer.name}  {type(layer).__name__} ({shape})"
    if values.ndim == 3:
        if values.shape[2] > max_maps:
            title += f", {max_maps} of {values.shape[2]} maps"
        _draw_maps(axes, np.moveaxis(values, 2, 0)[:max_maps])
    else:
        _draw_bars(axes, values.ravel())
    axes.set_title(title, loc="left", fontsize=9, fontweight="bold")


def _draw_maps(axes: Axes, maps: npt.NDArray[np.float32]) -> None:
    gap = max(1, maps.shape[2] // 14)
    # As if the rows were full: maps have the same size in all layers.
    picture, corners = mosaic(maps, _COLUMNS, gap)
    full = _COLUMNS * (maps.shape[2] + gap) - gap
    picture = np.pad(picture, ((0, 0), (0, full - picture.shape[1])), constant_values=np.nan)
    show_image(axes, picture, cmap="viridis")
    for number, (x, y) in enumerate(corners):
        axes.text(
            x - 0.3,
            y - 0.3,
            str(number),
            fontsize=6,
            ha="left",
            va="top",
            color="white",
            bbox={"facecolor": "black", "alpha": 0.55, "pad": 0.6, "linewidth": 0},
        )


def _draw_bars(axes: Axes, values: npt.NDArray[np.float32]) -> None:
    positions = range(len(values))
    if len(values) > _MOST_NUMBERED:
        axes.fill_between(positions, values, step="mid", color="#0072b2", linewidth=0)
    else:
        axes.bar(positions, values, color="#0072b2")
        axes.set_xticks(positions)
    axes.axhline(0, color="#6e7781", linewidth=0.8)
    axes.set_xlim(-0.5, len(values) - 0.5)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
