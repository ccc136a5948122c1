"""A model of the seconds of a step of data-parallel training, fitted to measurements.

A step is the work on a process's rows, and an all-reduce of the gradients:

    work(rows) = fixed + rows * each
    all_reduce(n) = 2 log2(processes) * latency + 2 (processes - 1) / processes * n / bandwidth

The latter is Rabenseifner's algorithm, reduce-scatter and all-gather by halving and doubling
(Thakur, Rabenseifner and Gropp, 2005, section 4.4), without its additions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np


class Network(NamedTuple):
    """A network: seconds of a message without content, bytes a second."""

    name: str
    latency: float
    bandwidth: float


# Taken for granted, not measured: TCP over Ethernet, and remote direct memory access.
NETWORKS = [
    Network("10 Gbit/s, 30 us", 30e-6, 10e9 / 8),
    Network("100 Gbit/s, 2 us", 2e-6, 100e9 / 8),
]


class Work(NamedTuple):
    """Seconds of a step's work: in any case, and for each row."""

    fixed: float
    each: float

    def seconds(self, rows: float) -> float:
        return self.fixed + rows * self.each


def fit_work(seconds: Mapping[int, float]) -> Work:
    """From the seconds of steps by their rows, with equal relative errors."""
    rows, times = (np.array(list(each), float) for each in (seconds, seconds.values()))
    columns = np.stack([np.ones_like(rows), rows], axis=1) / times[:, None]
    fixed, each = np.linalg.lstsq(columns, np.ones_like(times), rcond=None)[0]
    return Work(float(fixed), float(each))


def all_reduce(processes: int, size: float, network: Network) -> float:
    """Seconds for so many bytes."""
    if processes == 1:
        return 0.0
    moved = 2 * (processes - 1) / processes * size / network.bandwidth
    return 2 * math.log2(processes) * network.latency + moved


def fit_network(seconds: Mapping[int, float], processes: int) -> Network:
    """From the seconds of all-reduces by their bytes."""
    sizes, times = (np.array(list(each), float) for each in (seconds, seconds.values()))
    columns = np.stack(
        [
            np.full_like(sizes, 2 * math.log2(processes)),
            2 * (processes - 1) / processes * sizes,
        ],
        axis=1,
    )
    latency, inverse = np.linalg.lstsq(columns / times[:, None], np.ones_like(times), rcond=None)[0]
    return Network(f"this machine, {processes} processes", float(latency), float(1 / inverse))
