"""The page docs/supported.md, and whether what its script knows about Keras is true."""

from __future__ import annotations

import inspect
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

import convlet
from convlet import layers, losses
from scripts import module_of

SCRIPT = Path(__file__).parents[1] / "docs" / "supported.py"
INTERNAL = {"legacy", "src"}


@pytest.fixture(scope="module")
def supported() -> Any:
    """The script as a module."""
    return module_of(SCRIPT)


@pytest.fixture(scope="module")
def keras(keras: Any, supported: Any) -> Any:
    """Keras of the version that the page speaks of."""
    if not keras.__version__.startswith(f"{supported.KERAS_VERSION}."):
        pytest.skip(f"the page is about Keras {supported.KERAS_VERSION}, not {keras.__version__}")
    return keras


def find(library: Any, path: str) -> Any:
    return reduce(getattr, filter(None, path.split(".")), library)


def public_names(value: Any) -> set[str]:
    return {name for name in dir(value) if not name.startswith("_")} - INTERNAL


def arguments(function: Any) -> dict[str, Any]:
    """Default by name, without `self`, `*args` and `**kwargs`."""
    several = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {
        parameter.name: parameter.default
        for parameter in inspect.signature(function).parameters.values()
        if parameter.name != "self" and parameter.kind not in several
    }


def test_page_is_up_to_date(supported: Any) -> None:
    page = supported.PAGE.read_text(encoding="utf-8")
    assert page == supported.page(), "write it again: python docs/supported.py"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (losses.CategoricalCrossentropy, {"axis": "-1", "dtype": "'float32'"}),  # helper, base
        (losses.cosine_similarity, {"axis": "-1"}),
        (layers.MaxPooling2D, {"data_format": "'channels_last'"}),  # base
        (layers.ReLU, {}),
    ],
)
def test_arguments_with_a_single_value(
    supported: Any, value: Any, expected: dict[str, str]
) -> None:
    assert supported.single_values(value) == expected


@pytest.mark.keras
@pytest.mark.filterwarnings("default")  # Keras and TensorFlow warn of their own affairs
class TestLive:
    def test_names(self, supported: Any, keras: Any) -> None:
        for place in supported.KERAS:
            assert set(supported.keras_names(place)) == public_names(find(keras, place)), place

    def test_arguments(self, supported: Any, keras: Any) -> None:
        """Those that are missing are on the list, the others have the same defaults."""
        of_layer = arguments(layers.Layer).keys()
        for place in [*supported.SECTIONS, "Sequential"]:
            shared = set(supported.keras_names(place)) & public_names(find(convlet, place))
            for name in sorted(shared):
                ours, theirs = (find(library, f"{place}.{name}") for library in (convlet, keras))
                if not callable(ours):  # a property or a module
                    continue
                path = f"{place}.{ours.__name__}"
                known = {*supported.KERAS_ARGUMENTS.get(path, "").split()}
                if place == "layers":
                    known |= of_layer
                ours, theirs = arguments(ours), arguments(theirs)
                assert theirs.keys() - ours.keys() <= known, path
                different = {key for key in theirs.keys() & ours if theirs[key] != ours[key]}
                assert different == ({"format"} if name == "export" else set()), path
