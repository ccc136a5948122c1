"""Draws the figures of explanation/, as SVG that reads well on light and dark pages.

    python docs/figures/draw.py

A test fails while a figure is not what this script would draw.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
WIDTH = 760

# Each figure stands on a ground of its own, so that it is readable whatever the page's colours are.
STYLE = """\
svg { --ground: #ffffff; --ink: #1f2328; --faint: #6e7781; --line: #b8c4cc; --cell: #f3f6f8;
      --blue: #0072b2; --pale: #cfe3f1; --vermilion: #d55e00; --blush: #fbe0cc; }
@media (prefers-color-scheme: dark) {
  svg { --ground: #1c2127; --ink: #e6e8eb; --faint: #9aa4ae; --line: #4a545e; --cell: #272d34;
        --blue: #56b4e9; --pale: #1f4660; --vermilion: #f28e45; --blush: #5c3317; }
}
text { font: 13px system-ui, sans-serif; fill: var(--ink); }
.small { font-size: 11px; } .faint { fill: var(--faint); } .strong { font-weight: 600; }
.middle { text-anchor: middle; } .end { text-anchor: end; }
.cell { fill: var(--cell); stroke: var(--line); }
.blue { fill: var(--pale); stroke: var(--blue); } .red { fill: var(--blush); stroke: var(--vermilion); }
.line { fill: none; stroke: var(--faint); stroke-width: 1.5; }
.meeting { stroke: var(--vermilion); stroke-width: 2; }
.window { fill: none; stroke: var(--blue); stroke-width: 2; }
.arrow { fill: none; stroke: var(--faint); stroke-width: 1.5; marker-end: url(#head); }
"""
HEAD = (
    '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" '
    'orient="auto"><path d="M0 0 L8 4 L0 8 z" fill="var(--faint)"/></marker></defs>'
)

Matrix = Sequence[Sequence[object]]


def main() -> None:
    for name, text in figures():
        (FOLDER / name).write_text(text, encoding="utf-8")


def figures() -> Iterator[tuple[str, str]]:
    """Name of the file and its text, of each figure."""
    yield "slices.svg", slices()
    yield "sparse_gradients.svg", sparse_gradients()
    yield "winograd.svg", winograd()


def slices() -> str:
    """Two threads and one step of training: layer by layer, and slice by slice."""
    names = ["conv 1", "conv 2", "conv 3", "dense", "loss", "dense", "conv 3", "conv 2", "conv 1"]
    left, box, update = 92.0, 61.0, 72.0
    parts = []
    for top, title in ((30, "Layer by layer"), (186, "Slice by slice")):
        parts.append(text(16, top, title, "strong"))
        for thread in range(2):
            y = top + 32 + 40 * thread
            rows = "rows 0 to 31" if thread == 0 else "rows 32 to 63"
            parts += [
                text(16, y + 14, f"thread {thread + 1}"),
                text(16, y + 28, rows, "small faint"),
            ]
            for i, name in enumerate(names):
                x = left + 12 + box * i
                kind = "blue" if i < 5 else "red"
                together = top > 100  # the boxes of a slice touch each other
                parts.append(rectangle(x, y, box if together else box - 8, 32, kind))
                parts.append(
                    text(x + (box if together else box - 8) / 2, y + 20, name, "small middle")
                )
            x = left + 16 + box * len(names)
            parts.append(rectangle(x, y, update, 32, "cell"))
            parts.append(text(x + update / 2, y + 20, "update", "small middle"))
        meetings = range(1, len(names) + 1) if top < 100 else [len(names)]
        for i in meetings:
            x = left + 12 + box * i + (-4 if top < 100 else 2)
            parts.append(f'<path class="meeting" d="M{x} {top + 24} V{top + 112}"/>')
        parts.append(text(left + 12, top + 22, "forward", "small faint"))
        parts.append(text(left + 12 + 5 * box, top + 22, "backward", "small faint"))
    note = "A vertical line: all threads wait until the last one is there."
    parts.append(text(16, 326, note, "small faint"))
    return svg(344, parts, "One step of training by two threads, layer by layer and slice by slice")


def sparse_gradients() -> str:
    """What max pooling and ReLU leave of a gradient."""
    z = [
        [2, 5, -1, -3, 0, 1],
        [1, 3, -2, -4, 4, 2],
        [-1, 0, 6, 2, 3, -2],
        [2, 4, 1, 3, 1, 7],
        [-5, -2, 3, 1, 2, 2],
        [-1, -3, 0, 8, -1, 5],
    ]
    dy = [[0.3, 0.2, -0.1], [-0.4, 0.5, 0.2], [0.1, -0.2, 0.6]]
    # Row and column of the largest value of each window, and whether it passes the ReLU.
    largest = {
        (r, c): max(
            ((z[2 * r + i][2 * c + j], 2 * r + i, 2 * c + j) for i in range(2) for j in range(2)),
            key=lambda found: found[0],
        )
        for r in range(3)
        for c in range(3)
    }
    winners = {(i, j) for value, i, j in largest.values() if value > 0}
    y = [[max(largest[r, c][0], 0) for c in range(3)] for r in range(3)]
    gradient = [["" for _ in range(6)] for _ in range(6)]
    for (r, c), (_, i, j) in largest.items():
        if (i, j) in winners:
            gradient[i][j] = signed(dy[r][c])
    shown = [[signed(value) for value in row] for row in z]
    size, top = 32.0, 62.0
    marked = dict.fromkeys(winners, "blue")
    windows = [
        f'<rect class="window" x="{24 + 64 * c}" y="{top + 64 * r}" width="64" height="64"/>'
        for r in range(3)
        for c in range(3)
    ]
    alive = {place: "blue" for place, (value, _, _) in largest.items() if value > 0}
    dead = dict.fromkeys(winners, "red")
    shown_dy = [[signed(value) for value in row] for row in dy]
    parts = [
        text(24, 28, "what the convolution computes", "strong"),
        *grid(24, top, size, shown, marked),
        *windows,
        f'<path class="arrow" d="M228 {top + 48} H266"/>',
        text(276, 28, "after ReLU and pooling", "strong"),
        *grid(276, top, size, y, alive),
        text(276, 46, "forward", "small faint"),
        text(276, top + 128, "its gradient comes back", "small faint"),
        *grid(276, top + 138, size, shown_dy, {}),
        f'<path class="arrow" d="M384 {top + 186} H456"/>',
        text(468, 28, "the gradient before the pooling", "strong"),
        *grid(468, top, size, gradient, dead),
        text(
            24,
            top + 254,
            "Every window hands on its largest value, if that is positive.",
            "small faint",
        ),
        text(
            468,
            top + 214,
            f"{len(winners)} of 36 places are not zero: the gradient is a list.",
            "small faint",
        ),
    ]
    return svg(340, parts, "Max pooling and ReLU make the gradient sparse")


def winograd() -> str:
    """The four steps of F(2x2, 3x3), and how many products each way takes."""
    size, top = 24.0, 56.0
    patch = [[""] * 4 for _ in range(4)]
    image = {(r, c): "blue" for r in range(4) for c in range(4)}
    weights = {(r, c): "red" for r in range(3) for c in range(3)}
    parts = [
        text(24, 28, "4 x 4 pixels", "strong"),
        text(24, 46, "d", "small faint"),
        *grid(24, top, size, patch, image),
        text(24, top + 146, "3 x 3 weights", "strong"),
        text(24, top + 164, "g", "small faint"),
        *grid(24, top + 174, size, [[""] * 3 for _ in range(3)], weights),
        f'<path class="arrow" d="M130 {top + 48} H200"/>',
        text(165, top + 38, "Bᵀ d B", "small middle faint"),
        text(165, top + 66, "additions", "small middle faint"),
        *grid(210, top, size, patch, image),
        f'<path class="arrow" d="M106 {top + 210} H200"/>',
        text(153, top + 200, "G g Gᵀ", "small middle faint"),
        text(153, top + 228, "once a step", "small middle faint"),
        *grid(210, top + 162, size, patch, dict.fromkeys(image, "red")),
        f'<path class="arrow" d="M316 {top + 48} L 382 {top + 106}"/>',
        f'<path class="arrow" d="M316 {top + 210} L 382 {top + 152}"/>',
        text(396, top + 68, "16 products", "strong"),
        *grid(396, top + 82, size, [["\N{MULTIPLICATION SIGN}"] * 4 for _ in range(4)], {}),
        text(396, top + 198, "added up over the channels", "small faint"),
        f'<path class="arrow" d="M502 {top + 130} H578"/>',
        text(540, top + 120, "Aᵀ [ ] A", "small middle faint"),
        text(540, top + 148, "additions", "small middle faint"),
        text(590, top + 92, "2 x 2 outputs", "strong"),
        *grid(590, top + 106, size, [[""] * 2 for _ in range(2)], {}),
        text(590, top + 176, "directly: 4 x 9 = 36 products", "small faint"),
    ]
    return svg(336, parts, "Winograd's F(2x2, 3x3): 16 products instead of 36")


def signed(value: float) -> str:
    return f"{value}".replace("-", "\N{MINUS SIGN}")


def grid(
    left: float, top: float, size: float, values: Matrix, marked: dict[tuple[int, int], str]
) -> list[str]:
    """Squares with their values; those that are marked have another class."""
    parts = []
    for r, row in enumerate(values):
        for c, value in enumerate(row):
            x, y = left + size * c, top + size * r
            parts.append(rectangle(x, y, size, size, marked.get((r, c), "cell")))
            if value != "":
                parts.append(text(x + size / 2, y + size / 2 + 4, str(value), "small middle"))
    return parts


def rectangle(x: float, y: float, width: float, height: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"/>'


def text(x: float, y: float, content: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}">{escape(content)}</text>'


def svg(height: int, parts: Sequence[str], title: str) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img">'
    )
    ground = f'<rect width="{WIDTH}" height="{height}" rx="8" fill="var(--ground)"/>'
    lines = [head, f"<title>{escape(title)}</title>", f"<style>\n{STYLE}</style>", HEAD, ground]
    return "\n".join([*lines, *parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    main()
