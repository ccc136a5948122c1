"""Runs fuzz targets for a number of inputs each, and says what became of them.

    python tests/fuzz/run.py BUILD [RUNS] [TARGETS]

BUILD is the folder with the harnesses of libFuzzer, the target `fuzzers` of CMake. The readers of
files run where atheris is installed. Without RUNS each target gets what takes some 15 seconds;
inputs that do something new go to BUILD/corpus, those that fail to BUILD/findings.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
# Of a short run: what takes some 15 seconds of a core.
RUNS = {
    "shapes": 60_000,
    "kernels": 10_000,
    "idx": 20_000,
    "config": 4_000,
    "weights": 400,
    "archive": 400,
}
OPTIONS = {
    "shapes": ["-max_len=128"],
    "kernels": ["-max_len=128"],
    "config": [f"-dict={HERE / 'config.dict'}", "-max_len=8192"],
    "weights": ["-max_len=32768"],
    "archive": ["-max_len=32768"],
}


class Target(NamedTuple):
    """Something that libFuzzer calls with bytes."""

    name: str  # of its corpus
    title: str  # of it alone
    command: list[str]


def targets(build: Path) -> list[Target]:
    """All that can run here."""
    found = [
        Target(name, path.name, [str(path)])
        for name in ("shapes", "kernels")
        for path in sorted(build.glob(f"{name}-x86-64-v?")) + sorted(build.glob(f"{name}-native"))
    ]
    if importlib.util.find_spec("atheris") is None:
        print("SKIPPED: idx, config, weights, archive (atheris is not installed)")
        return found
    for name in ("idx", "config", "weights", "archive"):
        command = [sys.executable, "-W", "ignore", str(HERE / "targets.py"), name]
        found.append(Target(name, name, command))
    return found


def run(target: Target, runs: int, folder: Path) -> bool:
    """Whether the target got through; prints a line, and where it did not what it said."""
    new, findings = folder / "corpus" / target.name, folder / "findings"
    for each in (new, findings):
        each.mkdir(parents=True, exist_ok=True)
    options = [
        *("-print_final_stats=1", "-timeout=60", "-rss_limit_mb=3000", "-entropic=0"),
        f"-artifact_prefix={findings}/{target.title}-",
        *OPTIONS.get(target.name, []),
    ]
    command = [*target.command, str(new), str(CORPUS / target.name), f"-runs={runs}", *options]
    start = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    seconds = time.monotonic() - start
    executed = re.search(r"number_of_executed_units:\s*(\d+)", done.stderr)
    features = re.findall(r"cov: (\d+) ft: (\d+)", done.stderr) or [("?", "?")]
    count = int(executed[1]) if executed else 0
    verdict = "no finding" if done.returncode == 0 else f"FINDING, status {done.returncode}"
    print(
        f"{target.title:20} {count:10} executions {seconds:6.0f} s"
        f"  {features[-1][0]:>6} edges {features[-1][1]:>6} features  {verdict}",
        flush=True,
    )
    if done.returncode != 0:
        print(done.stderr[-4000:])
    return done.returncode == 0


def main() -> None:
    build, *rest = sys.argv[1:] or [""]
    if not Path(build).is_dir():
        raise SystemExit("The first argument must be the folder of the harnesses.")
    numbers = [int(word) for word in rest if word.isdigit()]
    wanted = [word for word in rest if not word.isdigit()]
    chosen = [t for t in targets(Path(build)) if not wanted or {t.name, t.title} & set(wanted)]
    runs = numbers[0] if numbers else None
    verdicts = [run(target, runs or RUNS[target.name], Path(build)) for target in chosen]
    if not chosen or not all(verdicts):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
