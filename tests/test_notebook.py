"""examples/mnist_convnet.ipynb: committed without outputs, it runs and shows what it tells of."""

from __future__ import annotations

import base64
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

REASON = "notebooks need nbclient, ipykernel and matplotlib: pip install 'convlet[notebook]'"
nbclient = pytest.importorskip("nbclient", reason=REASON)
nbformat = pytest.importorskip("nbformat", reason=REASON)
pytest.importorskip("ipykernel", reason=REASON)
pytest.importorskip("matplotlib", reason=REASON)

NOTEBOOK = Path(__file__).parents[1] / "examples" / "mnist_convnet.ipynb"
PICTURES = [
    "look",
    "picture-of-the-model",
    "picture-of-the-training",
    "filters",
    "deeper-filters-picture",
    "response-maps-picture",
    "confusion",
    "mistakes-picture",
]
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def notebook() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


@pytest.fixture
def executed(notebook: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The notebook's cells by name, after a run in an empty directory by this very Python."""
    kernel = tmp_path / "kernels" / "tested" / "kernel.json"
    kernel.parent.mkdir(parents=True)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    kernel.write_text(json.dumps({"argv": argv, "display_name": "", "language": "python"}), "utf-8")
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))  # not the user's settings
    folder = tmp_path / "run"
    folder.mkdir()
    nbclient.execute(notebook, cwd=folder, kernel_name="tested", timeout=900)
    assert [path.name for path in folder.iterdir()] == ["digits.keras"]
    return {cell.id: cell for cell in notebook.cells}


def printed(cell: Any) -> str:
    return "".join(output.text for output in cell.outputs if output.output_type == "stream")


def percentages(text: str) -> list[float]:
    return [float(number) / 100 for number in re.findall(r"([\d.]+)%", text)]


def test_notebook_is_valid_and_holds_no_outputs(notebook: Any) -> None:
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.id for cell in code if cell.outputs or cell.execution_count] == []
    assert NOTEBOOK.stat().st_size < 20_000


def test_notebook_shows_what_it_tells_of(executed: dict[str, Any]) -> None:
    """Real MNIST, the whole training, every picture."""
    (accuracy,) = percentages(printed(executed["evaluate"]))
    assert accuracy > 0.985
    without_convolutions, with_convolutions = percentages(printed(executed["evaluate-mlp"]))
    assert with_convolutions == accuracy > without_convolutions > 0.97
    assert "93,322" in printed(executed["classifier"])
    assert printed(executed["save-and-load"]) == "The same predictions: True\n"

    shown = {
        name: [
            output.data["image/png"]
            for output in cell.outputs
            if "image/png" in output.get("data", ())
        ]
        for name, cell in executed.items()
        if cell.cell_type == "code"
    }
    assert [name for name, pictures in shown.items() if pictures] == PICTURES
    for name in PICTURES:
        (picture,) = shown[name]
        assert base64.b64decode(picture).startswith(PNG), name
    errors = [cell.outputs for cell in executed.values() if "stderr" in str(cell.get("outputs"))]
    assert errors == []
