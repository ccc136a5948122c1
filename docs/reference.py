"""Writes the pages of reference/, one for each public module, when the documentation is built.

What a page lists are the names that the module offers; what it says of them are their docstrings.
"""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import convlet

# Module and what its page is called, in the order of the table of contents.
PAGES = {
    "convlet": "convlet itself",
    "convlet.models": "Models",
    "convlet.layers": "Layers",
    "convlet.activations": "Activations",
    "convlet.initializers": "Initializers",
    "convlet.regularizers": "Regularizers",
    "convlet.constraints": "Constraints",
    "convlet.losses": "Losses",
    "convlet.metrics": "Metrics",
    "convlet.optimizers": "Optimizers",
    "convlet.optimizers.schedules": "Learning rate schedules",
    "convlet.callbacks": "Callbacks",
    "convlet.distribution": "Several processes",
    "convlet.datasets": "Data sets",
    "convlet.utils": "Utilities",
    "convlet.preprocessing.image": "Image files",
    "convlet.saving": "Saving",
    "convlet.config": "Configuration",
    "convlet.dtype_policies": "Dtype policies",
    "convlet.mixed_precision": "Mixed precision",
    "convlet.random": "Random numbers",
    "convlet.backend": "Backend",
    "convlet.ops": "The engine's kernels",
    "convlet.viz": "Pictures",
    "convlet.sklearn": "scikit-learn",
}

# Classes whose methods are shown: those are called, or overridden by a subclass.
WITH_METHODS = {
    "convlet.callbacks.Callback",
    "convlet.layers.Layer",
    "convlet.losses.Loss",
    "convlet.metrics.Metric",
    "convlet.models.Model",
    "convlet.models.Sequential",
    "convlet.optimizers.Optimizer",
    "convlet.optimizers.schedules.LearningRateSchedule",
    "convlet.sklearn.ConvNetClassifier",
    "convlet.sklearn.ConvNetRegressor",
    "convlet.utils.Progbar",
    "convlet.utils.PyDataset",
}

# What the parts of convlet call one another by; nobody else has a use for it.
INTERNAL = """
    attach batches connections constants constraints counts_rows detach get_state gradient
    initializers is_native layer_output_shape layouts learning_rates leaves make_network
    native_attributes native_ops num_batches of_mean operands optimizer_size options
    prepare_training rates regularizers results_so_far set_companions set_scope set_state
    slot_groups trace value_and_gradient
"""

FENCE = re.compile(r"^( *)```(\w*)$")


def write(folder: Path) -> dict[int, str]:
    """Writes the pages; leaves alone what is as it should be, so that it is not read again.

    Returns:
        What is described: the public name by the object's identity.
    """
    folder.mkdir(exist_ok=True)
    described: dict[int, str] = {}
    order = [*PAGES][1:] + [*PAGES][:1]  # the package describes what no other page does
    texts = {module: page(module, PAGES[module], described) for module in order}
    texts["index"] = contents()
    for name, text in texts.items():
        path = folder / f"{name}.rst"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    return described


def contents() -> str:
    """The page that leads to the others."""
    return "\n".join(
        [
            *heading("Reference", "="),
            "What each name is, from its docstring. The names, arguments and defaults are Keras's;",
            ":doc:`../supported` lists them all on one page.",
            "",
            ".. toctree::",
            "   :maxdepth: 1",
            "",
            *(f"   {module}" for module in PAGES),
            "",
        ]
    )


def page(place: str, title: str, described: dict[int, str]) -> str:
    """The page of a module."""
    module = import_module(place)
    lines = [*heading(title, "="), f".. py:module:: {place}", "", *introduction(module), ""]
    elsewhere = []
    for names in names_of(module):
        value, path = getattr(module, names[0]), f"{place}.{names[0]}"
        if isinstance(value, ModuleType):
            lines += data_set(path, value, described)
        elif id(value) in described:
            elsewhere.append(f"``{path}`` is :py:obj:`{described[id(value)]}`.")
        else:
            described[id(value)] = path
            lines += entry(path, value, names[1:])
    return "\n".join([*lines, *(line for each in elsewhere for line in (each, ""))])


def names_of(module: ModuleType) -> list[list[str]]:
    """Each thing that a module offers: the name that it was given, then its other ones."""
    found: dict[int, list[str]] = {}
    for name in module.__all__:
        value = getattr(module, name)
        if not isinstance(value, str) and not (module is convlet and isinstance(value, ModuleType)):
            found.setdefault(id(value), []).append(name)
    for names in found.values():
        own = getattr(getattr(module, names[0]), "__name__", names[0])
        names.sort(key=lambda name: (name != own, name))
    # Data sets, which are modules, have sections of their own and come last.
    return sorted(
        found.values(), key=lambda names: isinstance(getattr(module, names[0]), ModuleType)
    )


def data_set(path: str, module: ModuleType, described: dict[int, str]) -> list[str]:
    """The section of a data set; none of a module that is not one, and has a page of its own."""
    if not hasattr(module, "load_data"):
        return []
    described[id(module.load_data)] = f"{path}.load_data"
    title = heading(path.rpartition(".")[2], "-")
    return [*title, *introduction(module), "", *entry(f"{path}.load_data", module.load_data, [])]


def entry(path: str, value: Any, other_names: list[str]) -> list[str]:
    """The directive that describes a class or function."""
    kind = "class" if inspect.isclass(value) else "function"
    lines = [f".. auto{kind}:: {path}"]
    if path in WITH_METHODS:
        base = described_base(value)
        lines += [
            f"   :members: {', '.join(methods(value, base))}",
            "   :member-order: alphabetical",
        ]
        if base is not None:
            lines += ["", f"   Has also what :py:class:`{public_path(base)}` has."]
    if other_names:
        lines += ["", f"   Also: {', '.join(f'``{name}``' for name in other_names)}."]
    return [*lines, ""]


def public_path(owner: type) -> str:
    """The public name of a class with methods."""
    return next(path for path in WITH_METHODS if path.endswith(f".{owner.__name__}"))


def described_base(owner: type) -> type | None:
    """The nearest base whose methods are shown."""
    names = {path.rpartition(".")[2] for path in WITH_METHODS}
    bases = (base for base in owner.__mro__[1:] if base.__module__.startswith("convlet"))
    return next((base for base in bases if base.__name__ in names), None)


def methods(owner: type, base: type | None) -> list[str]:
    """The public methods and properties that are convlet's own, and not those of the base."""
    found = []
    for name in dir(owner):
        member = inspect.getattr_static(owner, name)
        function = getattr(member, "fget", None) or getattr(member, "__func__", member)
        if (
            not name.startswith("_")
            and name not in INTERNAL.split()
            and inspect.isfunction(function)
            and function.__module__.startswith("convlet")
            and (base is None or member is not inspect.getattr_static(base, name, None))
        ):
            found.append(name)
    return found


def introduction(module: ModuleType) -> list[str]:
    return restructured(inspect.cleandoc(module.__doc__ or "").splitlines())


def restructured(lines: list[str]) -> list[str]:
    """The lines of a docstring, whose code is marked as in Markdown, as reStructuredText."""
    out: list[str] = []
    inside = False
    for line in lines:
        fence = FENCE.match(line)
        if fence:
            inside = not inside
            out += ["", f"{fence[1]}.. code-block:: {fence[2] or 'text'}", ""] if inside else [""]
        else:
            out.append(f"   {line}" if inside else line.replace(", *", r", \*"))
    return out


def find(path: str) -> int | None:
    """The identity of what has this full name."""
    module, _, name = path.rpartition(".")
    if not module.startswith("convlet"):
        return None
    try:
        return id(getattr(import_module(module), name))
    except (ImportError, AttributeError):
        return None


def heading(text: str, underline: str) -> list[str]:
    return [text, underline * len(text), ""]
