"""What an editor shows of convlet, asked of jedi: it completes in IPython and in many editors."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

jedi = pytest.importorskip(
    "jedi", reason="jedi is not installed: pip install 'convlet[notebook]'", exc_type=ImportError
)
parso = pytest.importorskip("parso", reason="jedi is not installed", exc_type=ImportError)


@pytest.fixture(autouse=True, scope="module")
def cleared() -> Iterator[None]:
    """Half a million objects that jedi keeps would slow each `clear_session` down."""
    yield
    jedi.cache.clear_time_caches(delete_all=True)
    parso.cache.parser_cache.clear()


def script(code: str) -> jedi.Script:
    return jedi.Script(code, environment=jedi.InterpreterEnvironment())


@pytest.mark.parametrize(
    ("code", "parameters", "summary"),
    [
        (
            "from convlet import layers\nlayers.Conv2D(",
            ["filters: int", "kernel_size: int | Sequence[int]"],
            "Two-dimensional convolution",
        ),
        ("import convlet\nconvlet.Sequential().fit(", ["x: Any=None"], "Trains the model"),
        (
            "from convlet.optimizers import RMSprop\nRMSprop(",
            ["learning_rate: "],
            "RMSprop as Keras defines it",
        ),
        (  # compiled: from the stub
            "from convlet._native import core\ncore.Network(",
            ["input_shape: tuple[", "ops: list["],
            "A graph of ops",
        ),
        (
            "from convlet._native import core\ncore.Network((1,), []).predict(",
            ["x: numpy.ndarray", "out: numpy.ndarray"],
            "Writes the outputs of rows",
        ),
    ],
)
def test_signature(code: str, parameters: list[str], summary: str) -> None:
    (signature,) = script(code).get_signatures()
    shown = [parameter.to_string() for parameter in signature.params]
    assert all(
        any(text.removeprefix("param ").startswith(wanted) for text in shown)
        for wanted in parameters
    ), shown
    assert summary in signature.docstring(raw=True)


def test_completion_of_what_a_call_returns() -> None:
    code = "import convlet\nhistory = convlet.Sequential().fit()\nhistory."
    names = {name.name for name in script(code).complete()}
    assert {"history", "epoch"} <= names
    code = "from convlet.datasets import mnist\n(x, y), _ = mnist.load_data()\nx."
    assert {"shape", "reshape", "astype"} <= {name.name for name in script(code).complete()}
