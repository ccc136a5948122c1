"""What this machine can compute at most, measured."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

SOURCE = Path(__file__).parent / "fma_peak.cpp"


def compiler() -> str:
    """The system's C++ compiler."""
    return os.environ.get("CXX") or "c++"


def fma_peak(threads: int) -> float:
    """float32 operations a second of so many threads that do nothing but multiply and add."""
    with tempfile.TemporaryDirectory(prefix="convlet-bench-") as directory:
        program = str(Path(directory) / "fma_peak")
        flags = ["-std=c++17", "-O3", "-march=native", "-fopenmp"]
        subprocess.run([compiler(), *flags, str(SOURCE), "-o", program], check=True)
        environ = {**os.environ, "OMP_NUM_THREADS": str(threads)}
        done = subprocess.run([program], env=environ, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)
