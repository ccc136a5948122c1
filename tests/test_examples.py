"""The example scripts: each runs with convlet and, but for its import, as it stands with Keras.

What a script prints under the two is compared: layer tables, messages and whole numbers letter by
letter, losses and other figures to a tolerance. The libraries draw different random numbers, so
`align` gives both the same initial kernels and keeps the training rows in order; then each figure
of each epoch has to agree, within what rounding grows to over some dozens of steps (see
test_keras_parity). A random layer makes that impossible: of a script with one, only the texts are
compared, and under each library it has to learn what it is about.

Fashion-MNIST and CIFAR-10 are not on every machine, and small stand-ins cannot lie in a cache,
because both libraries check the hash of what they find there. So `load_data` itself is replaced;
the loaders have tests of their own.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import convlet
from convlet.datasets import mnist

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOK = "mnist_convnet.py"  # see test_cli.py
SEARCH = "grid_search_dask.py"  # see test_sklearn.py
IMPORT = "import convlet as keras\n"
DATASETS = ("mnist", "fashion_mnist", "cifar10")

TIMES = re.compile(r" - \d+s - \d+[mu]?s/step")
FIGURE = re.compile(r"\d+\.\d{4,}(e[+-]\d+)?")


@dataclass(frozen=True)
class Example:
    """A script and how it is run.

    Args:
        script: Name of the file.
        options: Arguments; `{tmp}` stands for a directory.
        says: Part of what it prints.
        aligned_says: Part of what it prints when `align`ed.
        at_least: Smallest values of printed results: they were learned.
        at_most: Largest values of printed results.
        random: Whether a layer of it draws random numbers.
        needs: Layers without which it is skipped.
    """

    script: str
    options: str
    says: str
    aligned_says: str = ""
    at_least: dict[str, float] = field(default_factory=dict)
    at_most: dict[str, float] = field(default_factory=dict)
    random: bool = False
    needs: tuple[str, ...] = ()


CASES = [
    Example(
        "mnist_dropout_adam.py",
        "--epochs 3 --images 2000 --batch-size 64",
        "Training images: (2000, 28, 28, 1)",
        at_least={"Test accuracy": 0.8},
        random=True,
    ),
    Example(
        "fashion_mnist_batchnorm.py",
        "--epochs 4 --images 600 --batch-size 64 --learning-rate 0.1 --checkpoint {tmp}/best.keras",
        "Epoch 1: finished saving model to ",
        aligned_says="Epoch 2: ReduceLROnPlateau reducing learning rate to 0.01000",
        at_least={"Test accuracy": 0.9},
    ),
    Example(
        "cifar10_augmentation.py",
        "--epochs 3 --images 600",
        "random_flip (RandomFlip)",
        at_least={"Test accuracy": 0.5},
        random=True,
        needs=("RandomFlip", "RandomTranslation"),
    ),
    Example(
        "transfer.py",
        "--epochs 1 --images 2000 --file {tmp}/digits.keras",
        "The frozen weights are unchanged: True",
        at_least={"Test accuracy on 0 to 4": 0.85, "Test accuracy on 5 to 9": 0.75},
    ),
    Example(
        "residual.py",
        "--epochs 2 --images 600 --batch-size 64",
        "add (Add)",
        at_least={"Test accuracy": 0.9},
    ),
    Example(
        "regression_mlp.py",
        "--epochs 20 --samples 1000 --patience 1 --min-delta 0.017",
        ": early stopping",
        at_most={"Error of the predictions": 3.0},
    ),
]


@pytest.fixture(params=CASES, ids=[case.script.removesuffix(".py") for case in CASES])
def example(request: pytest.FixtureRequest) -> Example:
    case: Example = request.param
    missing = [name for name in case.needs if not hasattr(convlet.layers, name)]
    if missing:
        pytest.skip(f"convlet.layers lacks {', '.join(missing)}")
    return case


@pytest.fixture(scope="module")
def datasets() -> dict[str, Any]:
    """What `load_data` returns: MNIST's first digits, and stand-ins of the other two's shapes."""
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    return {
        "mnist": ((x_train[:4000], y_train[:4000]), (x_test[:1000], y_test[:1000])),
        "fashion_mnist": stand_in((28, 28), labels=()),
        "cifar10": stand_in((32, 32, 3), labels=(1,)),
    }


def stand_in(shape: tuple[int, ...], labels: tuple[int, ...]) -> Any:
    """Noisy uint8 images of ten classes of stripes, which differ in direction and width."""
    rng = np.random.default_rng(0)

    def split(rows: int) -> tuple[np.ndarray, np.ndarray]:
        y = rng.integers(10, size=rows, dtype=np.uint8)
        row, column = np.indices(shape)[:2]
        stripes = np.stack([(row if k % 2 else column) // (1 + k // 2) % 2 for k in range(10)])
        x = 60 + 120 * stripes[y] + rng.integers(-40, 40, size=(rows, *shape))
        return x.astype(np.uint8), y.reshape(-1, *labels)

    return split(1000), split(300)


Run = Callable[..., str]


@pytest.fixture
def run(
    datasets: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> Run:
    """Function that runs a script with a library and returns what it prints."""

    def run(library: Any, example: Example, aligned: bool = False) -> str:
        source = (EXAMPLES / example.script).read_text(encoding="utf-8")
        assert source.count(IMPORT) == 1
        script = tmp_path / example.script
        script.write_text(source.replace(IMPORT, f"import {library.__name__} as keras\n"), "utf-8")
        options = example.options.format(tmp=tmp_path).split()
        with monkeypatch.context() as patch:
            patch.setattr("sys.argv", [str(script), *options])
            for name in DATASETS:
                data = datasets[name]
                patch.setattr(getattr(library.datasets, name), "load_data", lambda data=data: data)
            if aligned:
                align(library, patch)
            library.utils.clear_session()
            runpy.run_path(str(script), run_name="__main__")
        return capsys.readouterr().out

    return run


def align(library: Any, patch: pytest.MonkeyPatch) -> None:
    """Makes `fit` begin with the same kernels in both libraries, and keep the rows in order."""
    fit = library.Model.fit
    rng = np.random.default_rng(7)

    def aligned_fit(model: Any, *arguments: Any, **options: Any) -> Any:
        for variable in model.trainable_weights:
            *fan_in, _ = variable.shape
            if fan_in:  # biases, gamma and beta start as zeros and ones everywhere
                limit = np.sqrt(3 / np.prod(fan_in))
                variable.assign(rng.uniform(-limit, limit, variable.shape).astype(np.float32))
        return fit(model, *arguments, shuffle=False, **options)

    patch.setattr(library.Model, "fit", aligned_fit)


def assert_learned(output: str, example: Example) -> None:
    assert example.says in output
    results = dict(line.split(": ") for line in output.splitlines() if line.count(": ") == 1)
    for name, bound in example.at_least.items():
        assert float(results[name]) >= bound, name
    for name, bound in example.at_most.items():
        assert float(results[name]) <= bound, name


def assert_same_figures(ours: str, theirs: str) -> None:
    """Shares of rows agree to 0.02, which is one row of the smallest set; the rest to 2 %."""
    for our_line, their_line in zip(ours.splitlines(), theirs.splitlines(), strict=True):
        pairs = zip(FIGURE.finditer(our_line), FIGURE.finditer(their_line), strict=True)
        for our_figure, their_figure in pairs:
            name = our_line[: our_figure.start()].split(" - ")[-1]
            share = "accuracy" in name or "top_3" in name
            tolerance = {"abs": 0.02} if share else {"rel": 0.02}
            assert float(our_figure[0]) == pytest.approx(float(their_figure[0]), **tolerance), name


def text_of(output: str) -> str:
    """What a script prints, without figures and times."""
    return FIGURE.sub("#", TIMES.sub("", output))


def test_every_example_is_tested() -> None:
    scripts = {path.name for path in EXAMPLES.glob("*.py")}
    assert scripts - {NOTEBOOK, SEARCH} == {case.script for case in CASES}


def test_example(run: Run, example: Example) -> None:
    assert_learned(run(convlet, example), example)


@pytest.mark.keras
@pytest.mark.filterwarnings("default")  # Keras and TensorFlow warn of their own affairs
def test_example_under_keras(run: Run, example: Example, keras: Any) -> None:
    ours, theirs = (run(library, example, aligned=True) for library in (convlet, keras))
    assert text_of(ours) == text_of(theirs)
    assert example.aligned_says in theirs
    assert_learned(theirs, example)
    if not example.random:
        assert_same_figures(ours, theirs)
