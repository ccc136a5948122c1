"""`convlet plot`, `bench` and `completion`, and that `--json` prints JSON alone."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convlet
from convlet import cli
from convlet.callbacks import CSVLogger
from convlet.cli.digit_convnet import compiled_digit_convnet
from convlet.datasets import mnist

X = np.random.default_rng(0).integers(256, size=(70, 28, 28), dtype=np.uint8)
Y = np.arange(70, dtype=np.uint8) % 10
SIGNATURES = {".png": b"\x89PNG\r\n", ".svg": b"<?xml", ".pdf": b"%PDF-"}


@pytest.fixture
def few_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stands for MNIST where the numbers do not matter."""

    def load_data(path: Any = None, download: bool = True) -> Any:
        return (X, Y), (X[:20], Y[:20])

    monkeypatch.setattr(mnist, "load_data", load_data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a model, a picture and the log of a training in it."""
    folder = tmp_path_factory.mktemp("plots")
    model = compiled_digit_convnet()
    one_hot = np.eye(10, dtype=np.float32)[Y]
    logger = CSVLogger(folder / "training.csv")
    model.fit(X[..., None], one_hot, validation_split=0.2, epochs=3, verbose=0, callbacks=[logger])
    model.save(folder / "a.keras")
    return folder


def draw(folder: Path, kind: str, *arguments: str, suffix: str = ".png") -> bytes:
    pytest.importorskip("matplotlib", reason="pip install 'convlet[plot]'")
    path = folder / f"{kind}{suffix}"
    assert cli.main(["plot", kind, *arguments, "-o", str(path)]) == 0
    content = path.read_bytes()
    assert content.startswith(SIGNATURES[suffix])
    return content


@pytest.mark.parametrize("suffix", SIGNATURES)
def test_plot_model(folder: Path, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    content = draw(folder, "model", str(folder / "a.keras"), suffix=suffix)
    assert capsys.readouterr().out == f"Picture written to {folder / 'model'}{suffix}\n"
    if suffix == ".svg":
        assert b"conv2d" in content.lower()


def test_plot_history(folder: Path) -> None:
    content = draw(folder, "history", str(folder / "training.csv"), suffix=".svg")
    assert b"val_loss" in content or b"validation" in content


def test_plot_filters(folder: Path) -> None:
    model = str(folder / "a.keras")
    names = [layer.name for layer in convlet.models.load_model(model).layers]
    convolutions = [name for name in names if name.startswith("conv2d")]
    first = draw(folder, "filters", model)
    assert draw(folder, "filters", model, "--layer", convolutions[0]) == first
    assert draw(folder, "filters", model, "--layer", convolutions[1]) != first


def test_plot_responses(folder: Path) -> None:
    image = pytest.importorskip("PIL.Image", reason="pip install 'convlet[image]'")
    pixels = np.full((60, 80), 255, np.uint8)
    pixels[10:50, 38:44] = 0
    image.fromarray(pixels).save(folder / "one.png")
    draw(folder, "responses", str(folder / "a.keras"), str(folder / "one.png"))


@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("kind", ["confusion", "mistakes"])
def test_plot_of_a_test_set(folder: Path, kind: str) -> None:
    draw(folder, kind, str(folder / "a.keras"), "mnist")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "required: kind"),
        (["model"], 2, "required: MODEL"),
        (["model", "a.keras", "-o", "a.gif"], 2, "must end in .png, .svg, .pdf, got 'a.gif'"),
        (["model", "a.keras", "-o", "no/such/a.svg"], 2, "no such directory: 'no/such'"),
        (["model", "nowhere.keras"], 1, "nowhere.keras"),
        (["history", "nowhere.csv"], 1, "No such file or directory: 'nowhere.csv'"),
        (["confusion", "a.keras", "digits"], 2, "invalid choice: 'digits'"),
    ],
)
def test_bad_arguments_of_plot(
    arguments: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if code == 2:
        with pytest.raises(SystemExit, match="2"):
            cli.main(["plot", *arguments])
    else:
        assert cli.main(["plot", *arguments]) == code
    output = capsys.readouterr()
    assert message in output.err
    assert output.out == ""


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", "epoch,loss\n", "epoch,loss\n0,high\n", "loss\n1,2\n"]
)
def test_what_is_no_log(text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib", reason="pip install 'convlet[plot]'")
    path = tmp_path / "a.csv"
    path.write_text(text, "utf-8")
    picture = tmp_path / "a.png"
    assert cli.main(["plot", "history", str(path), "-o", str(picture)]) == 1
    assert f"{path}: not a log of" in capsys.readouterr().err
    assert not picture.exists()


@pytest.mark.usefixtures("few_digits")
def test_train_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "a.keras"
    arguments = ["--epochs", "2", "--seed", "1", "--save", str(saved), "--json"]
    assert cli.main(["train", "mnist", *arguments]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["saved"] == str(saved)
    assert len(figures["history"]["loss"]) == 2
    assert figures["test"].keys() == {"accuracy", "loss"}
    assert saved.exists()


@pytest.mark.usefixtures("few_digits")
def test_bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from convlet.cli import bench

    monkeypatch.setattr(bench, "_ROWS", 64)
    monkeypatch.setattr(bench, "_SINGLE", 3)
    assert cli.main(["bench", "--repeats", "2", "--threads", "1", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["data"], figures["threads"]) == ("MNIST", 1)
    for name in ("training_images_per_second", "one_image_microseconds"):
        assert len(figures[name]) == 2
        assert min(figures[name]) > 0
    assert cli.main(["bench", "--repeats", "2"]) == 0
    assert "training, batches of 64: " in capsys.readouterr().out


def test_bench_without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    from convlet.cli import bench

    def load_data(path: Any = None, download: bool = True) -> Any:
        assert not download
        raise FileNotFoundError("MNIST was looked for")

    monkeypatch.setattr(mnist, "load_data", load_data)
    name, x, y = bench._digits()
    assert (name, x.shape, len(y)) == ("random images", (6400, 28, 28, 1), 6400)


COMPLETED = """
eval "$({python} -m convlet completion bash)"
COMP_WORDS=({words}) COMP_CWORD={last}
COMP_LINE="${{COMP_WORDS[*]}}" COMP_POINT=${{#COMP_LINE}}
_shtab_convlet
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("convlet ''", {"train", "plot", "demo"}),
        ("convlet pl", {"plot"}),
        ("convlet plot ''", {"model", "filters", "history"}),
        ("convlet train ''", {"mnist"}),
        ("convlet train mnist --ep", {"--epochs"}),
        ("convlet summary a.k", {"a.keras"}),
    ],
)
def test_completion_in_bash(words: str, expected: set[str], folder: Path) -> None:
    pytest.importorskip("shtab", reason="pip install 'convlet[completion]'")
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    count = len(words.split())
    script = COMPLETED.format(python=sys.executable, words=words, last=count - 1)
    done = subprocess.run(
        [bash, "-c", script], cwd=folder, capture_output=True, text=True, check=True
    )
    assert expected <= set(done.stdout.split()), done.stderr


@pytest.mark.parametrize("shell", ["zsh", "tcsh"])
def test_completion_of_other_shells(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("shtab", reason="pip install 'convlet[completion]'")
    assert cli.main(["completion", shell]) == 0
    assert "convlet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("module", "arguments", "extra"),
    [
        ("shtab", ["completion", "bash"], "completion"),
        ("matplotlib", ["plot", "model", "a.keras"], "plot"),
        ("PIL", ["predict", "a.keras", "one.png"], "image"),
    ],
)
def test_what_is_not_installed_is_said(
    module: str,
    arguments: list[str],
    extra: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    assert cli.main(arguments) == 1
    assert f"pip install 'convlet[{extra}]'" in capsys.readouterr().err


PAGE = Path(__file__).parents[1] / "docs" / "howto" / "command_line.md"


def test_the_page_shows_commands_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every one can be parsed, and every command is on it."""
    monkeypatch.chdir(PAGE.parent)
    lines = re.findall(r"^\| `convlet (.*?)` \|", PAGE.read_text("utf-8"), re.MULTILINE)
    parsed = [cli.make_parser().parse_args(shlex.split(line)) for line in lines]
    (commands,) = (
        set(action.choices)
        for action in cli.make_parser()._actions
        if action.dest == "command" and action.choices is not None
    )
    assert {options.command for options in parsed} == commands
    kinds = {options.kind for options in parsed if options.command == "plot"}
    assert kinds == {"model", "filters", "responses", "confusion", "mistakes", "history"}
