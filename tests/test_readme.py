"""The figures of README.md and of the documentation are those of the benchmarks' records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from scripts import module_of

BENCH = Path(__file__).parents[1] / "bench"


@pytest.fixture
def script(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A script of bench/ as a module."""
    monkeypatch.syspath_prepend(str(BENCH))
    return module_of(BENCH / f"{request.param}.py")


@pytest.mark.parametrize("script", ["scaling"], indirect=True)
def test_scaling_is_that_measured(script: Any) -> None:
    record = json.loads((script.RESULTS / "scaling.json").read_text(encoding="utf-8"))
    page = script.PAGE.read_text(encoding="utf-8")
    assert page == script.page(record), "write it again: python bench/scaling.py --page"


@pytest.mark.parametrize("script", ["report"], indirect=True)
def test_figures_are_those_measured(script: Any) -> None:
    report = script
    for path, figures in ((report.README, report.summary()), (report.PAGE, report.all_figures())):
        text = path.read_text(encoding="utf-8")
        assert report.updated(text, figures) == text, "write them again: python bench/report.py"
    assert report.CHART.read_text(encoding="utf-8") == report.training_chart()
