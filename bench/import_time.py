"""What `import convlet` adds to `import numpy`.

    python bench/import_time.py [--repeats 31]

Fresh interpreters in turn, one importing numpy and one numpy and convlet, each timing itself; the
figure is the difference of the medians. Ends with status 1 if it is above the limit.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from _common import (
    RESULTS,
    Timing,
    check,
    environment,
    interleaved_runs,
    markdown_table,
    run_python,
    save,
)

LIMIT_SECONDS = 0.015

TIMED = "import time; s = time.perf_counter(); import {}; print(time.perf_counter() - s)"
WORKS = "import convlet, numpy; print(convlet.ops.relu(numpy.array([-1.0, 2.0])).tolist())"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=31)
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()

    check(run_python(WORKS).strip() == "[0.0, 2.0]", "the imported convlet works")
    seconds = interleaved_runs(
        {"numpy": lambda: timed("numpy"), "numpy, convlet": lambda: timed("numpy, convlet")},
        arguments.repeats,
    )
    numpy_only, both = seconds.values()
    added = statistics.median(both) - statistics.median(numpy_only)
    rows = [[f"import {name}", Timing.of(s).text(1e-3, 1)] for name, s in seconds.items()]
    rows.append(["added by convlet", f"**{1e3 * added:.1f}**"])
    record = {"environment": environment(1), "seconds": seconds, "added": added}
    save("import_time", arguments.output, record, markdown_table(["", "ms, median (range)"], rows))
    check(added <= LIMIT_SECONDS, f"import convlet adds at most {1e3 * LIMIT_SECONDS:.0f} ms")


def timed(modules: str) -> float:
    """Seconds of importing `modules` in a fresh interpreter."""
    return float(run_python(TIMED.format(modules)))


if __name__ == "__main__":
    main()
