"""The package: what it exposes, and that importing it imports next to nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import convlet


@pytest.mark.parametrize("name", convlet.__all__)
def test_everything_exposed_is_there(name: str) -> None:
    assert getattr(convlet, name) is not None
    assert name in dir(convlet)


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'convlet' has no attribute 'kayers'"):
        _ = convlet.kayers  # type: ignore[attr-defined]


def loaded_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return set(result.stdout.split())


def test_import_is_lazy() -> None:
    loaded = loaded_after("import convlet")
    assert {module for module in loaded if module.startswith("convlet")} == {"convlet"}
    assert "numpy" not in loaded


def test_training_imports_only_what_it_uses() -> None:
    loaded = loaded_after("import convlet; convlet.Sequential; convlet.layers; convlet.utils")
    assert not {"tqdm", "h5py", "pooch", "requests"} & loaded


def test_kerass_import_forms() -> None:
    from convlet import layers, models  # noqa: F401
    from convlet.layers import Conv2D, Dense, Flatten, MaxPooling2D  # noqa: F401
    from convlet.models import Sequential
    from convlet.utils import to_categorical  # noqa: F401

    assert convlet.Sequential is convlet.models.Sequential is Sequential
