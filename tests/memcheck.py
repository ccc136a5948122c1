"""Runs `memcheck_program.py` under valgrind's memcheck and writes what it finds.

    python tests/memcheck.py

What the dynamic linker and the interpreter are known for does not count; everything else does, also
where numpy or HDF5 come upon a number that was never written.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

PROGRAM = Path(__file__).with_name("memcheck_program.py")
OPTIONS = ("--track-origins=yes", "--num-callers=40", "--leak-check=no", "--xml=yes")


def frames(stack: ET.Element) -> list[tuple[str, str]]:
    """Returns library and function of each frame, innermost first."""
    return [(f.findtext("obj", ""), f.findtext("fn", "")) for f in stack.iter("frame")]


def is_known(error: ET.Element) -> bool:
    """Tells whether an error is a known one of others'."""
    first, *origins = map(frames, error.iter("stack"))
    # What is there when the process ends: valgrind looks for that in XML whatever it is told.
    if error.findtext("kind", "").startswith("Leak_"):
        return True
    # glibc's comparisons read whole vectors past the end of a text.
    in_linker = "/ld-linux" in first[0][0] or first[0][0].endswith("/ld.so")
    # CPython looks at the first digit of a new integer before it sees that it has none: a zero.
    is_zero = any(function == "_PyLong_New" for origin in origins for _, function in origin)
    return in_linker or is_zero


def text(error: ET.Element) -> str:
    what = error.findtext("what") or error.findtext("xwhat/text") or "error"
    stacks = [
        "\n".join(
            f"    {function or '?'} ({Path(library).name})" for library, function in frames(s)
        )
        for s in error.iter("stack")
    ]
    return "\n  from\n".join([f"{what}\n{stacks[0]}", *stacks[1:]])


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = ["valgrind", *OPTIONS, f"--xml-file={report}", sys.executable, PROGRAM]
        environment = {**os.environ, "PYTHONMALLOC": "malloc", "OPENBLAS_NUM_THREADS": "1"}
        subprocess.run(command, env=environment, check=True)
        errors = ET.parse(report).getroot().findall("error")
    found = [error for error in errors if not is_known(error)]
    sys.stdout.write("\n\n".join([*map(text, found), ""]))
    sys.stdout.write(f"{len(found)} errors, and {len(errors) - len(found)} known ones of others\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
