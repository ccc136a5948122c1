"""The documentation's pages: their code runs, their links lead somewhere.

The Python blocks of a page are one program, in their order. One that needs an optional package
says so in a comment before it, `<!-- needs: onnx -->`, and is left out where that is missing. The
pages as a whole are built, and their reference examined, by `nox -s docs`.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import os
import re
import runpy
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

import numpy as np
import pytest

import convlet
from convlet import layers
from convlet.cli import make_parser
from scripts import module_of

REPOSITORY = Path(__file__).parents[1]
WRITTEN = {"_build", "reference"}  # when the pages are built
PAGES = sorted(
    page
    for folder in (REPOSITORY, REPOSITORY / "docs")
    for page in folder.glob("*.md" if folder == REPOSITORY else "**/*.md")
    if not WRITTEN & set(page.relative_to(folder).parts)
)
BLOCK = re.compile(r"(?:<!-- needs: ([\w, ]+) -->\n)?```python\n(.*?)```", re.DOTALL)
INDENTED_BLOCK = re.compile(r"^( *)```python\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
SHELL_BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
FENCED = re.compile(r"^(`{3,}|:{3,}).*?^\1\s*$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
# A forked process is what that page is about.
FORKS = "ignore:This process:DeprecationWarning"


class Block(NamedTuple):
    line: int  # of the first line of code, from 0
    needs: frozenset[str]
    code: str


def name_of(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            line=text[: match.start(2)].count("\n"),
            needs=frozenset((match[1] or "").replace(",", " ").split()),
            code=match[2],
        )
        for match in BLOCK.finditer(text)
    ]


def programs() -> Iterator[pytest.param]:
    """Each page's blocks that need nothing; and each page's with those that need a package."""
    for page in PAGES:
        for needs in sorted({block.needs for block in blocks(page)}, key=sorted):
            marks = [pytest.mark.keras] if "keras" in needs else []
            name = "-".join([name_of(page), *sorted(needs)])
            yield pytest.param(page, needs, id=name, marks=marks)


@pytest.mark.unsanitized(reason="programs that train for minutes")
@pytest.mark.parametrize(("page", "needs"), [*programs()])
def test_code_runs(page: Path, needs: frozenset[str], tmp_path: Path) -> None:
    missing = [package for package in sorted(needs) if importlib.util.find_spec(package) is None]
    if missing:
        pytest.skip(f"this code needs {', '.join(missing)}")
    lines: list[str] = []
    for block in blocks(page):
        if block.needs <= needs:
            code = block.code.replace("epochs=5", "epochs=1")
            lines += [""] * (block.line - len(lines)) + code.splitlines()
    program = tmp_path / f"{page.stem}.py"  # with the lines where they are on the page
    program.write_text("\n".join(lines) + "\n", encoding="utf-8")
    warnings = [] if needs else ["-W", "error", "-W", FORKS]  # of ours, not of other packages
    run = subprocess.run(
        [sys.executable, *warnings, str(program)],
        cwd=tmp_path,
        env={**os.environ, "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"},
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert run.returncode == 0, run.stderr


def commands() -> list[Any]:
    """The commands `convlet ...` of the pages' shell blocks."""
    return [
        pytest.param(command, id=f"{name_of(page)}-{command.split('#')[0].strip()}")
        for page in PAGES
        for block in SHELL_BLOCK.findall(page.read_text(encoding="utf-8"))
        for command in re.findall(r"(?:^|&& )(convlet .*)$", block, re.MULTILINE)
    ]


@pytest.mark.parametrize("command", commands())
def test_command_exists(command: str) -> None:
    make_parser().parse_args(shlex.split(command, comments=True)[1:])


def docstring_programs() -> list[Any]:
    """The Python blocks of docstrings, under the names of their files."""
    package = Path(convlet.__file__).parent
    return [
        pytest.param(textwrap.dedent(match[2]), id=source.relative_to(package).as_posix())
        for source in sorted(package.rglob("*.py"))
        for match in INDENTED_BLOCK.finditer(source.read_text(encoding="utf-8"))
    ]


@pytest.mark.parametrize("code", docstring_programs())
def test_code_of_docstrings_runs(code: str, tmp_path: Path) -> None:
    """With convlet's names at hand, a model, and some images."""
    if "sklearn" in code:
        pytest.importorskip("sklearn", reason="this code needs scikit-learn")
    names = {name: getattr(layers, name) for name in layers.__all__}
    images = np.random.default_rng(0).random((40, 28, 28, 1), np.float32)
    model = convlet.Sequential([layers.Input((28, 28, 1)), layers.Conv2D(2, 3), layers.Flatten()])
    names |= {"Model": convlet.Model, "Sequential": convlet.Sequential, "model": model}
    names |= {"images": images, "train_images": images, "train_labels": np.arange(40) % 2}
    program = tmp_path / "docstring.py"
    program.write_text(code.replace(", n_jobs=2", ""), encoding="utf-8")  # see test_sklearn.py
    runpy.run_path(str(program), names)


def anchors(page: Path) -> set[str]:
    """Where a link to a heading of a page may lead, as GitHub and MyST make it."""
    headings = re.findall(
        r"^#+ (.+)$", FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE
    )
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCED.sub("", page.read_text(encoding="utf-8"))
    for link in LINK.findall(text):
        if re.match(r"https?://|mailto:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if target.name == "tutorial.ipynb":  # a copy, made when the pages are built
            target = REPOSITORY / "examples" / "mnist_convnet.ipynb"
        if WRITTEN & set(target.parts):
            continue
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.fixture
def script(request: pytest.FixtureRequest) -> Any:
    """A script of docs/ as a module."""
    return module_of(REPOSITORY / "docs" / request.param)


@pytest.mark.parametrize("script", ["figures/draw.py"], indirect=True)
def test_figures_are_up_to_date(script: Any) -> None:
    for name, text in script.figures():
        path = script.FOLDER / name
        assert path.read_text(encoding="utf-8") == text, "again: python docs/figures/draw.py"
        ET.fromstring(text)


@pytest.mark.parametrize("script", ["reference.py"], indirect=True)
def test_reference_has_every_public_module(script: Any) -> None:
    pages = {page.removeprefix("convlet.") for page in script.PAGES}
    modules = {name for name in convlet.__all__ if isinstance(getattr(convlet, name), ModuleType)}
    assert modules - {page.split(".")[0] for page in pages} == set()
    for page, title in script.PAGES.items():
        if page != "convlet.sklearn":  # needs scikit-learn
            text = script.page(page, title, {})
            module = importlib.import_module(page)
            names = [name for name in module.__all__ if inspect.isroutine(getattr(module, name))]
            assert [name for name in names if not re.search(rf"\b{name}\b", text)] == []


def test_every_example_is_on_the_page() -> None:
    page = (REPOSITORY / "docs" / "examples.md").read_text(encoding="utf-8")
    examples = (REPOSITORY / "examples").glob("*.py")
    assert [path.name for path in examples if f"(../examples/{path.name})" not in page] == []
