"""The table that `model.summary()` prints, as Keras 3 draws it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from convlet.utils.terminal import can_encode, write
from convlet.utils.validation import check_integer

if TYPE_CHECKING:
    from convlet.layers.layer import Layer
    from convlet.model import Model

Row: TypeAlias = list[str]

_PADDING = 1  # blanks at either side of a cell


@dataclass(frozen=True)
class _Box:
    """Characters of the lines: left end, line, crossing, right end; and the uprights."""

    top: str
    under_header: str
    between_rows: str
    bottom: str
    header_upright: str
    upright: str
    ellipsis: str
    branch: str


_UNICODE = _Box("┏━┳┓", "┡━╇┩", "├─┼┤", "└─┴┘", "┃", "│", "…", "└")
_ASCII = _Box("+--+", "|-+|", "|-+|", "+--+", "|", "|", "~", "+")


def print_summary(
    model: Model,
    line_length: int | None = None,
    positions: Sequence[float] | None = None,
    print_fn: Callable[[str], Any] | None = None,
    expand_nested: bool = False,
    show_trainable: bool = False,
    layer_range: Sequence[str] | None = None,
) -> None:
    """Prints the layers of a model and the number of its parameters.

    Args:
        model: The model.
        line_length: Width of the table; at most 10,000; `None` means 88, or less in a narrow
            terminal.
        positions: Where the columns end, as shares of the width.
        print_fn: Called once with the whole text instead of printing it.
        expand_nested: Whether to show the layers of nested models.
        show_trainable: Whether to add a column that tells which layers are trainable.
        layer_range: Names (or regular expressions) of the first and the last layer to show.

    Raises:
        ValueError: If the width is too small or an argument has no meaning.
    """
    header = ["Layer (type)", "Output Shape", "Param #"]
    alignments = ["<", "<", ">"]
    default_ends: tuple[float, ...] = (0.45, 0.80, 1.0)
    default_width = 88
    connections = model.connections()
    if connections is not None:
        header.append("Connected to")
        alignments.append("<")
        default_ends, default_width = (0.3, 0.56, 0.74, 1.0), 108
    ends = list(positions or default_ends)
    if len(ends) != len(header):
        raise ValueError(
            f"`positions` must have {len(header)} numbers, one for each column. "
            f"Received: positions={positions}"
        )
    if show_trainable:
        header.append("Trainable")
        alignments.append("^")
        ends = [end * 0.90 for end in ends] + [1.0]
        default_width += 12
    if line_length is None:
        import shutil

        line_length = min(default_width, shutil.get_terminal_size().columns - 4)
    else:
        line_length = check_integer("line_length", line_length, 1, 10_000)
    box = _UNICODE if can_encode("┏━┳┓┡╇┩├─┼┤└┴┘┃│…") else _ASCII
    rows = [
        row
        for index in range(*_range_of_layers(model.layers, layer_range))
        for row in _rows(model, index, expand_nested, show_trainable, connections, box)
    ]
    table = _render(header, rows, alignments, _column_widths(ends, line_length), box)
    text = "\n".join([f'Model: "{model.name}"', *table, *_totals(model)]) + "\n"
    (print_fn or write)(text)


def _rows(
    model: Model,
    index: int,
    expand_nested: bool,
    show_trainable: bool,
    connections: Sequence[str] | None,
    box: _Box,
    level: int = 0,
) -> list[Row]:
    """The row of a layer, and with `expand_nested` those of the layers inside it."""
    layer = model.layers[index]
    shape = model.layer_output_shape(index)
    row = [
        f"{'   ' * level + f'{box.branch} ' if level else ''}{layer.name} ({type(layer).__name__})",
        "?" if shape is None else str(shape),
        f"{layer.count_params():,}" if layer.built else "0 (unbuilt)",
    ]
    if connections is not None:
        row.append(connections[index])
    if show_trainable:
        row.append(("Y" if layer.trainable else "N") if layer.weights else "-")
    rows = [row]
    if expand_nested and hasattr(layer, "layers"):
        for inner in range(len(layer.layers)):
            # Keras leaves the column empty there.
            within = None if connections is None else ["-"] * len(layer.layers)
            rows += _rows(layer, inner, expand_nested, show_trainable, within, box, level + 1)  # type: ignore[arg-type]
    return rows


def _totals(model: Model) -> list[str]:
    trainable = sum(variable.size for variable in model.trainable_weights)
    non_trainable = sum(variable.size for variable in model.non_trainable_weights)
    optimizer = model.optimizer_size()
    # Every value is a float32, but for the optimizer's step count, an int64 in Keras.
    optimizer_bytes = 4 * optimizer + 4 if optimizer else 0
    lines = [
        (
            "Total",
            trainable + non_trainable + optimizer,
            4 * (trainable + non_trainable) + optimizer_bytes,
        ),
        ("Trainable", trainable, 4 * trainable),
        ("Non-trainable", non_trainable, 4 * non_trainable),
    ]
    if optimizer:
        lines.append(("Optimizer", optimizer, optimizer_bytes))
    return [f" {name} params: {count:,} ({_readable(size)})" for name, count, size in lines]


def _readable(size: float) -> str:
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if size < 1024:
            return f"{size:.2f} {unit}"
        size /= 1024
    return f"{size:.2f} PB"


def _range_of_layers(layers: Sequence[Layer], layer_range: Sequence[str] | None) -> tuple[int, int]:
    if layer_range is None:
        return 0, len(layers)
    if isinstance(layer_range, str) or len(layer_range) != 2:
        raise ValueError(
            f"layer_range must be a list or tuple of length 2. Received: layer_range={layer_range}"
        )
    if not all(isinstance(name, str) for name in layer_range):
        raise ValueError(f"layer_range should contain string type only. Received: {layer_range}")
    first, last = (
        [index for index, layer in enumerate(layers) if re.match(pattern, layer.name)]
        for pattern in layer_range
    )
    if not first or not last:
        raise ValueError(
            f"Passed layer_names do not match the layer names in the model. Received: {layer_range}"
        )
    # As Keras does: the two may come in either order, and each may match several layers.
    if first[0] > last[-1]:
        first, last = last, first
    return first[0], last[-1] + 1


def _column_widths(ends: Sequence[float], line_length: int) -> list[int]:
    """Widths of the columns' text.

    Keras asks for columns that fill the whole line and leaves room for neither lines nor padding;
    rich, which draws Keras's table, then takes an equal share from each column.
    """
    widths: list[int] = []
    for end in ends:
        width = int(end * line_length) - sum(widths)
        if width < 4:
            raise ValueError("Insufficient console width to print summary.")
        widths.append(width)
    widths = [width + 2 * _PADDING for width in widths]
    excess = sum(widths) + len(widths) + 1 - line_length
    for index, width in enumerate(widths):
        share = min(width, round(excess / (len(widths) - index)))
        widths[index] = width - share
        excess -= share
    return [max(1, width - 2 * _PADDING) for width in widths]


def _render(
    header: Row, rows: Sequence[Row], alignments: Sequence[str], widths: Sequence[int], box: _Box
) -> list[str]:
    def rule(characters: str) -> str:
        left, line, crossing, right = tuple(characters)
        return left + crossing.join(line * (width + 2 * _PADDING) for width in widths) + right

    def lines(row: Row, upright: str, from_the_bottom: bool = False) -> list[str]:
        cells = [_wrap(cell, width, box.ellipsis) for cell, width in zip(row, widths, strict=True)]
        height = max(map(len, cells))
        for cell in cells:
            missing = [""] * (height - len(cell))
            cell[:] = missing + cell if from_the_bottom else cell + missing
        return [
            upright
            + upright.join(
                f" {text:{alignment}{width}} "
                for text, alignment, width in zip(line, alignments, widths, strict=True)
            )
            + upright
            for line in zip(*cells, strict=True)
        ]

    drawn = [rule(box.top), *lines(header, box.header_upright, True), rule(box.under_header)]
    for index, row in enumerate(rows):
        if index:
            drawn.append(rule(box.between_rows))
        drawn += lines(row, box.upright)
    return [*drawn, rule(box.bottom)]


def _wrap(text: str, width: int, ellipsis: str) -> list[str]:
    """Breaks a text between words; a word that is too long is cut off."""
    lines: list[str] = []
    for word in text.split(" "):
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return [line if len(line) <= width else line[: width - 1] + ellipsis for line in lines]
