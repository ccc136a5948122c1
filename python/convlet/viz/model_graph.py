"""plot_model: a model's layers and what flows between them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

from convlet.utils.validation import check_bool
from convlet.viz.figures import BLUE, FAINT, INK, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LETTER, _LINE = 0.073, 0.17  # inches that a bold letter and a line take
_GAP_X, _GAP_Y = 0.35, 0.32  # between boxes


class _Size(NamedTuple):
    """Of all boxes, in inches."""

    width: float
    height: float


class _Node(NamedTuple):
    """A box, and the boxes that its arrows come from."""

    lines: tuple[str, ...]
    sources: tuple[int, ...]


def plot_model(
    model: Any,
    show_shapes: bool = True,
    show_layer_names: bool = True,
    show_layer_activations: bool = False,
    show_trainable: bool = False,
) -> Figure:
    """Draws a model's layers as boxes, from top to bottom, with arrows from output to input.

    `figure.savefig("model.svg")` or `.png` writes it; `convlet.utils.plot_model` does both.

    Args:
        model: A model of any kind.
        show_shapes: Whether boxes tell their output's shape and the number of their weights.
        show_layer_names: Whether they tell the layer's name.
        show_layer_activations: Whether they tell the activation of layers that have one.
        show_trainable: Whether they tell if the layer is trained.

    Returns:
        A figure.

    Raises:
        ImportError: If matplotlib is not installed.
        ValueError: If the model has no layers, or an argument has no meaning.
    """
    shown = {
        "shapes": check_bool("show_shapes", show_shapes),
        "names": check_bool("show_layer_names", show_layer_names),
        "activations": check_bool("show_layer_activations", show_layer_activations),
        "trainable": check_bool("show_trainable", show_trainable),
    }
    nodes = _nodes(model, shown)
    if not nodes:
        raise ValueError(f"`model` has no layers. Received: model={model!r}")
    places = _places(nodes)
    size = _Size(
        0.25 + _LETTER * max(len(line) for node in nodes for line in node.lines),
        0.13 + _LINE * max(len(node.lines) for node in nodes),
    )
    columns = max(x for x, _ in places) - min(x for x, _ in places) + 1
    rows = max(y for _, y in places) + 1
    figure = new_figure(
        columns * (size.width + _GAP_X) + 0.2, rows * (size.height + _GAP_Y) - _GAP_Y + 0.2
    )
    axes = figure.subplots()
    centers = [(x * (size.width + _GAP_X), -y * (size.height + _GAP_Y)) for x, y in places]
    for number, node in enumerate(nodes):
        for source in node.sources:
            _arrow(axes, centers, places, source, number, size)
        _box(axes, centers[number], size, node.lines)
    xs, ys = zip(*centers, strict=True)
    # An arrow may pass on the right.
    axes.set_xlim(min(xs) - size.width / 2 - 0.05, max(xs) + size.width / 2 + _GAP_X / 2 + 0.05)
    axes.set_ylim(min(ys) - size.height / 2 - 0.05, max(ys) + size.height / 2 + 0.05)
    axes.set_aspect("equal")
    axes.axis("off")
    return figure


def _nodes(model: Any, shown: dict[str, bool]) -> list[_Node]:
    """The model's calls of layers, sources first; a chain where there are no tensors yet."""
    if not getattr(model, "built", False):
        layers = list(model.layers)
        return [
            _Node(_lines(layer, None, shown), (i - 1,) if i else ())
            for i, layer in enumerate(layers)
        ]
    numbers: dict[Any, int] = {}
    nodes: list[_Node] = []
    pending = [(output, False) for output in reversed(model.outputs)]
    while pending:
        tensor, is_ready = pending.pop()
        if tensor in numbers:
            continue
        if not is_ready:
            pending.append((tensor, True))
            pending.extend((source, False) for source in reversed(tensor.inputs))
            continue
        numbers[tensor] = len(nodes)
        sources = tuple(dict.fromkeys(numbers[source] for source in tensor.inputs))
        nodes.append(_Node(_lines(tensor.layer, tensor.shape, shown), sources))
    return nodes


def _lines(layer: Any, shape: Any, shown: dict[str, bool]) -> tuple[str, ...]:
    kind = type(layer).__name__
    lines = [f"{layer.name}  ({kind})" if shown["names"] else kind]
    if shown["shapes"]:
        weights = layer.count_params() if layer.built else 0
        counted = f"   {weights:,} weights" if weights else ""
        lines.append(f"{'?' if shape is None else shape}{counted}")
    activation = getattr(layer, "activation", None)
    if shown["activations"] and activation is not None:
        lines.append(f"activation: {getattr(activation, '__name__', activation)}")
    if shown["trainable"]:
        lines.append("trainable" if layer.trainable else "frozen")
    return tuple(lines)


def _places(nodes: list[_Node]) -> list[tuple[float, int]]:
    """Column and row of each box: a row under its lowest source, columns by those of the sources."""
    rows: list[int] = []
    for node in nodes:
        rows.append(1 + max((rows[source] for source in node.sources), default=-1))
    by_row: dict[int, list[int]] = defaultdict(list)
    for number, row in enumerate(rows):
        by_row[row].append(number)
    columns = [0.0] * len(nodes)
    for row in sorted(by_row):
        members = by_row[row]

        def wish(number: int) -> float:
            sources = nodes[number].sources
            return sum(columns[s] for s in sources) / len(sources) if sources else 0.0

        wishes = sorted((wish(number), number) for number in members)
        middle = sum(wished for wished, _ in wishes) / len(wishes)
        for position, (_, number) in enumerate(wishes):
            columns[number] = middle + position - (len(wishes) - 1) / 2
    return list(zip(columns, rows, strict=True))


def _box(axes: Axes, center: tuple[float, float], size: _Size, lines: tuple[str, ...]) -> None:
    from matplotlib.patches import FancyBboxPatch

    x, y = center
    axes.add_patch(
        FancyBboxPatch(
            (x - size.width / 2, y - size.height / 2),
            size.width,
            size.height,
            boxstyle="round,pad=0,rounding_size=0.06",
            facecolor="#f6f8fa",
            edgecolor=BLUE,
            zorder=2,
        )
    )
    top = y + _LINE * (len(lines) - 1) / 2
    for i, line in enumerate(lines):
        axes.text(
            x,
            top - i * _LINE,
            line,
            ha="center",
            va="center",
            fontsize=8,
            color=INK if i == 0 else FAINT,
            fontweight="bold" if i == 0 else "normal",
            zorder=3,
        )


def _arrow(
    axes: Axes,
    centers: list[tuple[float, float]],
    places: list[tuple[float, int]],
    source: int,
    target: int,
    size: _Size,
) -> None:
    """An arrow from a box down to another; past the boxes between them, if there are any."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    (x0, y0), (x1, y1) = centers[source], centers[target]
    style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 10, "color": FAINT, "zorder": 1}
    between = [
        place
        for place in places
        if places[source][1] < place[1] < places[target][1]
        and abs(place[0] - places[source][0]) < 1
    ]
    if not between:
        start, end = (x0, y0 - size.height / 2), (x1, y1 + size.height / 2)
        axes.add_patch(FancyArrowPatch(start, end, shrinkA=0, shrinkB=0, **style))
        return
    side = x0 + size.width / 2 + _GAP_X / 2
    corners = [(x0 + size.width / 2, y0), (side, y0), (side, y1), (x1 + size.width / 2, y1)]
    path = Path(corners, [Path.MOVETO, *[Path.LINETO] * 3])
    axes.add_patch(FancyArrowPatch(path=path, **style))
