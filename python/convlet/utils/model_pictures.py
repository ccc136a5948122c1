"""plot_model: a picture of a model in a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from convlet.utils.validation import check_integer, refuse_unsupported

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMATS = (".png", ".svg", ".pdf")


def plot_model(
    model: Any,
    to_file: str | os.PathLike[str] = "model.png",
    show_shapes: bool = False,
    show_dtype: bool = False,
    show_layer_names: bool = False,
    rankdir: str = "TB",
    expand_nested: bool = False,
    dpi: int = 200,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
    splines: str = "ortho",
    **kwargs: Any,
) -> Figure:
    """Draws a model into a file, which appears whole or not at all; see `convlet.viz.plot_model`.

    Args:
        model: A model of any kind.
        to_file: Path of the file; its end tells the format: `.png`, `.svg` or `.pdf`.
        show_shapes: Whether to tell shapes and numbers of weights.
        show_dtype: `False`; nothing else is supported.
        show_layer_names: Whether to tell the layers' names.
        rankdir: `"TB"`, from top to bottom; nothing else is supported.
        expand_nested: `False`; nothing else is supported.
        dpi: Pixels an inch of a `.png`.
        show_layer_activations: Whether to tell activations.
        show_trainable: Whether to tell which layers are trained.
        splines: `"ortho"`; nothing else is supported.
        **kwargs: None of Keras's others.

    Returns:
        The figure.

    Raises:
        ImportError: If matplotlib is not installed.
        OSError: If the file cannot be written.
        ValueError: If an argument has no meaning or is not supported.
    """
    if kwargs:
        raise ValueError(f"Unrecognized keyword arguments: {sorted(kwargs)}")
    refuse_unsupported(
        "plot_model",
        {
            "show_dtype": (show_dtype, False),
            "rankdir": (rankdir, "TB"),
            "expand_nested": (expand_nested, False),
            "splines": (splines, "ortho"),
        },
    )
    path = Path(to_file)
    if path.suffix not in _FORMATS:
        raise ValueError(
            f"`to_file` must end in {', '.join(_FORMATS)}. Received: to_file={os.fspath(to_file)!r}"
        )
    dpi = check_integer("dpi", dpi, 1, 2400)
    from convlet.viz import plot_model as draw
    from convlet.viz.figures import write_figure

    figure = draw(model, show_shapes, show_layer_names, show_layer_activations, show_trainable)
    write_figure(figure, path, dpi)
    return figure
