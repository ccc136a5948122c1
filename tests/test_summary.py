"""The table of `summary()`. The expected texts are copies of what Keras 3.15 prints."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from convlet import Input, Sequential, layers, utils

NOTEBOOK = """\
Model: "sequential"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━┓
┃ Layer (type)                    ┃ Output Shape           ┃       Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━┩
│ conv2d (Conv2D)                 │ (None, 26, 26, 32)     │           320 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ max_pooling2d (MaxPooling2D)    │ (None, 13, 13, 32)     │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ conv2d_1 (Conv2D)               │ (None, 11, 11, 64)     │        18,496 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ max_pooling2d_1 (MaxPooling2D)  │ (None, 5, 5, 64)       │             0 │
├─────────────────────────────────┼────────────────────────┼───────────────┤
│ conv2d_2 (Conv2D)               │ (None, 3, 3, 64)       │        36,928 │
└─────────────────────────────────┴────────────────────────┴───────────────┘
 Total params: 55,744 (217.75 KB)
 Trainable params: 55,744 (217.75 KB)
 Non-trainable params: 0 (0.00 B)
"""

NARROW = """\
Model: "net"
┏━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━┳━━━━━━┳━━━━┓
┃                ┃ Output      ┃ Par… ┃    ┃
┃ Layer (type)   ┃ Shape       ┃    # ┃ T… ┃
┡━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━╇━━━━━━╇━━━━┩
│ conv2d         │ (None, 26,  │  320 │ N  │
│ (Conv2D)       │ 26, 32)     │      │    │
├────────────────┼─────────────┼──────┼────┤
│ flatten        │ (None,      │    0 │ -  │
│ (Flatten)      │ 21632)      │      │    │
├────────────────┼─────────────┼──────┼────┤
│ a_rather_long… │ (None, 10)  │ 216… │ Y  │
│ (Dense)        │             │      │    │
└────────────────┴─────────────┴──────┴────┘
 Total params: 216,650 (846.29 KB)
 Trainable params: 216,330 (845.04 KB)
 Non-trainable params: 320 (1.25 KB)
"""

UNBUILT = """\
Model: "sequential"
┏━━━━━━━━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━┓
┃ Layer (type)             ┃ Output Shape      ┃   Param # ┃
┡━━━━━━━━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━┩
│ dense (Dense)            │ ?                 │         0 │
│                          │                   │ (unbuilt) │
└──────────────────────────┴───────────────────┴───────────┘
 Total params: 0 (0.00 B)
 Trainable params: 0 (0.00 B)
 Non-trainable params: 0 (0.00 B)
"""

# Keras itself cannot print to such an output.
PLAIN = """\
Model: "sequential"
+----------------------------------------------------------+
| Layer (type)             | Output Shape      |   Param # |
|--------------------------+-------------------+-----------|
| a_name_that_has_to_be_c~ | (None, 3)         |        15 |
| (Dense)                  |                   |           |
|--------------------------+-------------------+-----------|
| re_lu (ReLU)             | (None, 3)         |         0 |
+----------------------------------------------------------+
 Total params: 15 (60.00 B)
 Trainable params: 15 (60.00 B)
 Non-trainable params: 0 (0.00 B)
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    utils.clear_session()
    monkeypatch.setenv("COLUMNS", "80")
    set_encoding(monkeypatch, "utf-8")


def set_encoding(monkeypatch: pytest.MonkeyPatch, encoding: str) -> io.BytesIO:
    """Makes the standard output one of the given encoding."""
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream, encoding, write_through=True))
    return stream


def text(model: Sequential, **arguments: Any) -> str:
    texts: list[str] = []
    model.summary(print_fn=texts.append, **arguments)
    (only,) = texts
    return only


def notebook_model() -> Sequential:
    model = Sequential()
    model.add(layers.Conv2D(32, (3, 3), activation="relu", input_shape=(28, 28, 1)))
    model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Conv2D(64, (3, 3), activation="relu"))
    model.add(layers.MaxPooling2D((2, 2)))
    model.add(layers.Conv2D(64, (3, 3), activation="relu"))
    return model


def test_notebook_model() -> None:
    assert text(notebook_model()) == NOTEBOOK


def test_it_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = set_encoding(monkeypatch, "utf-8")
    notebook_model().summary()
    assert stream.getvalue().decode() == NOTEBOOK


def test_narrow_table_with_trainable_column() -> None:
    model = Sequential(
        [
            Input((28, 28, 1)),
            layers.Conv2D(32, 3, trainable=False),
            layers.Flatten(),
            layers.Dense(10, name="a_rather_long_name_that_is_cut_off"),
        ],
        name="net",
    )
    assert text(model, line_length=44, show_trainable=True) == NARROW


def test_unbuilt_model() -> None:
    assert text(Sequential([layers.Dense(4)]), line_length=60) == UNBUILT


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_plain_characters_where_the_output_has_no_others(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    stream = set_encoding(monkeypatch, encoding)
    model = Sequential(
        [
            Input((4,)),
            layers.Dense(3, name="a_name_that_has_to_be_cut_off_somewhere"),
            layers.ReLU(),
        ]
    )
    model.summary(line_length=60)
    assert stream.getvalue().decode("ascii") == PLAIN


def test_name_that_the_output_cannot_show(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = set_encoding(monkeypatch, "ascii")
    Sequential([Input((4,)), layers.Dense(3, name="größe")]).summary()
    assert "gr??e (Dense)" in stream.getvalue().decode("ascii")


def test_optimizer_counts_once_it_has_state() -> None:
    """The numbers of the notebook's whole model, after a step."""
    model = notebook_model()
    model.add(layers.Flatten())
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile("rmsprop", "sparse_categorical_crossentropy")
    assert " Total params: 93,322 (364.54 KB)\n" in text(model)
    model.train_on_batch(np.zeros((2, 28, 28, 1), np.float32), np.array([0, 1]))
    assert text(model).endswith(
        " Total params: 186,646 (729.09 KB)\n"
        " Trainable params: 93,322 (364.54 KB)\n"
        " Non-trainable params: 0 (0.00 B)\n"
        " Optimizer params: 93,324 (364.55 KB)\n"
    )


@pytest.mark.parametrize(("columns", "width"), [(80, 76), (60, 56), (200, 88)])
def test_width_follows_the_terminal(
    monkeypatch: pytest.MonkeyPatch, columns: int, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    table = [line for line in text(notebook_model()).splitlines() if line[0] in "┏┃┡│├└"]
    assert {len(line) for line in table} == {width}


@pytest.mark.parametrize("line_length", [47, 64, 65, 66, 101])
@pytest.mark.parametrize("show_trainable", [False, True])
def test_width_can_be_chosen(line_length: int, show_trainable: bool) -> None:
    lines = text(
        notebook_model(), line_length=line_length, show_trainable=show_trainable
    ).splitlines()
    assert {len(line) for line in lines[1:-3]} == {line_length}


def test_positions_move_the_columns() -> None:
    header = text(notebook_model(), line_length=80, positions=[0.3, 0.6, 1.0]).splitlines()[1]
    assert [len(part) for part in header.strip("┏┓").split("┳")] == [23, 22, 31]


@pytest.mark.parametrize(
    ("layer_range", "names"),
    [
        (("max_pooling2d", "conv2d_1"), ["max_pooling2d", "conv2d_1", "max_pooling2d_1"]),
        (("conv2d_1", "conv2d_2"), ["conv2d_1", "max_pooling2d_1", "conv2d_2"]),
        (("conv2d_2", "conv2d_1"), ["conv2d_1", "max_pooling2d_1", "conv2d_2"]),
        (("max.*1$", "max.*1$"), ["max_pooling2d_1"]),
    ],
)
def test_layer_range(layer_range: tuple[str, str], names: list[str]) -> None:
    lines = text(notebook_model(), layer_range=layer_range).splitlines()
    shown = [line.split()[1] for line in lines if line.startswith("│")]
    expected = names if names[0] != "max_pooling2d" else names[:2]
    assert shown == expected


def test_nested_models_can_be_expanded() -> None:
    inner = Sequential([layers.Dense(3, name="a"), layers.Dense(3, name="b")], name="inner")
    model = Sequential([Input((4,)), inner, layers.Dense(2, name="o")])
    rows = [line for line in text(model).splitlines() if line.startswith("│")]
    assert [row.split()[1] for row in rows] == ["inner", "o"]
    expanded = [
        line for line in text(model, expand_nested=True).splitlines() if line.startswith("│")
    ]
    assert [row[2:18].rstrip() for row in expanded] == [
        "inner (Sequentia",
        "   └ a (Dense)",
        "   └ b (Dense)",
        "o (Dense)",
    ]


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "too narrow": (lambda: notebook_model().summary(line_length=10), "Insufficient console width"),
    "width": (lambda: notebook_model().summary(line_length="a"), "`line_length`"),  # type: ignore[arg-type]
    "positions": (lambda: notebook_model().summary(positions=[0.5, 1]), "`positions` must have 3"),
    "range": (
        lambda: notebook_model().summary(layer_range=["a", "b"]),
        r"do not match the layer names in the model. Received: \['a', 'b'\]",
    ),
    "half a range": (
        lambda: notebook_model().summary(layer_range=["a"]),
        "must be a list or tuple of length 2",
    ),
    "range of numbers": (
        lambda: notebook_model().summary(layer_range=[1, 2]),  # type: ignore[list-item]
        "should contain string type only",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_argument_is_refused(case: str) -> None:
    call, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        call()


def test_table_in_a_string_has_kerass_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    Sequential([Input((3,)), layers.Dense(2)]).summary()
    assert "┏━" in sys.stdout.getvalue()


def test_branches_of_nested_models_are_plain_where_they_must_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = set_encoding(monkeypatch, "ascii")
    inside = Sequential([Input((3,)), layers.Dense(2)])
    Sequential([inside, layers.ReLU()]).summary(expand_nested=True)
    assert "   + dense (Dense)" in stream.getvalue().decode("ascii")
