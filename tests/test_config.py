"""What show_config says."""

from __future__ import annotations

import platform

import numpy as np
import pytest

import convlet
from convlet._native import available_levels, core


def test_dictionary() -> None:
    config = convlet.show_config(mode="dict")
    assert config["versions"] == {
        "convlet": convlet.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }
    assert config["instruction set"]["chosen"] == core.ISA
    assert config["instruction set"]["available"] == available_levels()
    assert config["threads"]["number"] == convlet.get_num_threads()
    assert config["threads"]["because of"]
    assert set(config["build"]) == {"compiler", "build_type", "openmp", "pybind11"}


def test_prints_what_the_dictionary_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert convlet.show_config() is None
    printed = capsys.readouterr().out
    for section, entries in convlet.show_config(mode="dict").items():
        assert f"{section}:\n" in printed
        for name in entries:
            assert f"  {name}: " in printed


def test_unknown_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="`mode` argument must be one of 'stdout', 'dict'"):
        convlet.show_config(mode="json")
