"""Everything that Keras has under the same name can be called with Keras's arguments.

`golden/signatures.json` holds Keras's signatures, written by `golden/make_signatures.py`. Wanted is
that all of Keras's parameters are there, at the same positions and with the same defaults; what
convlet adds comes behind them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from golden.signatures import Signature, callables_of, modules_of, signature_of

GOLDEN = Path(__file__).with_name("golden") / "signatures.json"
SIGNATURES: dict[str, Signature] = json.loads(GOLDEN.read_text("utf-8"))["signatures"]

# What every layer takes by keyword, wherever in its constructor Keras writes it.
LAYER_KEYWORDS = {"name", "dtype", "trainable", "activity_regularizer"}

# Where convlet differs, and why.
DEVIATIONS = {
    "export": "writes ONNX, and a SavedModel is refused by name",
    "KerasTensor": "is made by layers, not by the user",
    "Rescaling.from_config": "Keras's takes custom objects there, but no other layer's does",
}
# Keras's optimizers have either name for what `build` takes.
SYNONYMS = {"var_list": "variables"}


def ours(path: str) -> Any:
    """convlet's object of a dotted name."""
    modules = modules_of("convlet")
    name = max((m for m in modules if f"{path}.".startswith(f"{m}." if m else "")), key=len)
    value: Any = modules[name]
    for part in path[len(name) :].lstrip(".").split("."):
        value = getattr(value, part)
    return value


def is_deviation(path: str) -> bool:
    return any(f".{path}".endswith(f".{name}") for name in DEVIATIONS)


def differences(path: str, theirs: Signature, mine: Signature) -> list[str]:
    """Calls in Keras's words that would fail or mean something else."""
    takes_any = any(kind == "**" for _, kind, *_ in mine)
    by_name = {name: default for name, _, *default in mine}
    positions = [name for name, kind, *_ in mine if kind == "positional"]
    found = []
    position = 0
    for name, kind, *default in theirs:
        if kind in ("*", "**") or (takes_any and name in LAYER_KEYWORDS and name not in by_name):
            continue
        word = name if name in by_name else SYNONYMS.get(name, name)
        if word not in by_name:
            found.append(f"{path}: no parameter {name}")
        elif default != by_name[word]:
            found.append(f"{path}: the default of {name} is {by_name[word]}, Keras's {default}")
        elif kind == "positional":
            if positions[position : position + 1] != [word]:
                found.append(f"{path}: {name} is not the parameter at position {position}")
            position += 1
    return found


@pytest.mark.parametrize("path", [path for path in SIGNATURES if not is_deviation(path)])
def test_takes_keras_arguments(path: str) -> None:
    assert not differences(path, SIGNATURES[path], signature_of(ours(path)))


def test_many_are_compared() -> None:
    assert len(SIGNATURES) > 700


def test_no_deviation_is_idle() -> None:
    for name in DEVIATIONS:
        paths = [path for path in SIGNATURES if f".{path}".endswith(f".{name}")]
        assert any(differences(p, SIGNATURES[p], signature_of(ours(p))) for p in paths), name


@pytest.mark.parametrize(
    ("mine", "expected"),
    [
        ([["a", "positional", 1]], "no parameter b"),
        ([["a", "positional", 2], ["b", "positional"]], "default of a"),
        ([["b", "positional"], ["a", "positional", 1]], "position 0"),
    ],
    ids=["missing", "default", "order"],
)
def test_differences_are_seen(mine: Signature, expected: str) -> None:
    theirs: Signature = [["a", "positional", 1], ["b", "positional"]]
    assert expected in " ".join(differences("f", theirs, mine))
    assert not differences("f", theirs, [*theirs, ["c", "keyword", None]])


@pytest.mark.keras
def test_golden_is_what_keras_has() -> None:
    keras = pytest.importorskip("keras")
    if json.loads(GOLDEN.read_text("utf-8"))["keras"] != keras.__version__:
        pytest.skip(f"the signatures kept are of another Keras than {keras.__version__}")
    from golden.make_signatures import keras_signatures

    assert keras_signatures() == SIGNATURES
    assert callables_of(keras.layers)
