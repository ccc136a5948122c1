"""Writes signatures.json: the signatures of all that Keras has under the names that convlet has.

    PYTHONPATH=python:tests python tests/golden/make_signatures.py

Needs keras, with a backend, and convlet.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras

from golden.signatures import Signature, callables_of, methods_of, modules_of, signature_of


def main() -> None:
    path = Path(__file__).with_name("signatures.json")
    record: dict[str, Any] = {
        "made_by": "tests/golden/make_signatures.py",
        "keras": keras.__version__,
        "signatures": keras_signatures(),
    }
    lines = json.dumps(record["signatures"], sort_keys=True).replace(']], "', ']],\n"')
    head = json.dumps({key: record[key] for key in ("made_by", "keras")})[:-1]
    path.write_text(f'{head}, "signatures":\n{lines}}}\n', encoding="utf-8")


def keras_signatures() -> dict[str, Signature]:
    """By dotted name: module, function or class, method."""
    found: dict[str, Signature] = {}
    theirs = modules_of("keras")
    for module, ours in modules_of("convlet").items():
        for name, value in callables_of(ours).items():
            counterpart = getattr(theirs.get(module), name, None)
            if not callable(counterpart):
                continue
            path = f"{module}.{name}".lstrip(".")
            _add(found, path, counterpart)
            if isinstance(value, type) and isinstance(counterpart, type):
                for method in methods_of(value):
                    if callable(getattr(counterpart, method, None)):
                        _add(found, f"{path}.{method}", getattr(counterpart, method))
    return found


def _add(found: dict[str, Signature], path: str, function: Any) -> None:
    try:
        signature = signature_of(function)
    except (TypeError, ValueError):  # compiled, or a class without a constructor of its own
        return
    if any(kind in ("positional", "keyword") for _, kind, *_ in signature):
        found[path] = signature


if __name__ == "__main__":
    main()
