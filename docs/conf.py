"""Sphinx's settings: `nox -s docs`, or `sphinx-build -W -n docs docs/_build/html`.

The tutorial is examples/mnist_convnet.ipynb, run while the pages are built; the run is kept until
the notebook changes. Its data come from CONVLET_DATA_DIR or are downloaded.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS))

import reference

import convlet

project = "convlet"
author = "convlet developers"
copyright = author  # noqa: A001  (Sphinx's name for it)
version = release = convlet.__version__

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
exclude_patterns = ["_build"]
nitpicky = True
# What annotations name without its being described here: other libraries' and internal classes.
nitpick_ignore_regex = [
    ("py:.*", r"(?!convlet\b).*"),
    ("py:class", r"convlet\.(network|saveable|variables|optimizers\.(scalars|variable))\.\w+"),
    ("py:class", r"convlet\.[\w.]+\.T"),  # type variables
]
default_role = "literal"  # docstrings write `name` for code

html_theme = "furo"
html_title = "convlet"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_show_sphinx = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
myst_links_external_new_tab = False
nb_execution_mode = "cache"
nb_execution_cache_path = str(DOCS / "_build" / "notebooks")
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 900
nb_merge_streams = True

autodoc_typehints = "signature"
autodoc_type_aliases = {"npt.ArrayLike": "ArrayLike"}
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 88
napoleon_numpy_docstring = False
napoleon_use_rtype = False
toc_object_entries_show_parents = "hide"

shutil.copy(DOCS.parent / "examples" / "mnist_convnet.ipynb", DOCS / "tutorial.ipynb")
described = reference.write(DOCS / "reference")


ARRAY = re.compile(r"~?numpy\.ndarray\[tuple\[[^\]]*\], ~?numpy\.dtype\[([^\[\]]*)\]\]")


def public_name(app: Any, env: Any, node: Any, text: Any) -> Any:
    """Leads from where something is defined, as annotations name it, to where it is described."""
    public = described.get(reference.find(node.get("reftarget", "")))
    if public is None:
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", public, node, text)


def process_docstring(*arguments: Any) -> None:
    lines = arguments[-1]
    lines[:] = reference.restructured(lines)


def process_signature(*arguments: Any) -> tuple[str | None, str | None]:
    """Calls an array NDArray, as the source does."""
    signature, result = (ARRAY.sub(r"NDArray[\1]", text or "") for text in arguments[-2:])
    return signature or None, result or None


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", process_docstring, priority=100)  # before napoleon
    app.connect("autodoc-process-signature", process_signature)
    app.connect("missing-reference", public_name)
