"""One contender in a process of its own. compare.py starts these; nobody else needs to.

Reads one JSON request a line from standard input and answers each with one JSON line:

    {"do": "setup", "package": "keras", "variant": "tensorflow", "threads": 2, "data": DIRECTORY}
                                                -> {"versions"} or {"missing": PACKAGE}
    {"do": "build", "model": "lenet5"}          -> {}
    {"do": "probabilities", "rows": 100}        -> {"probabilities"}
    {"do": "train", "rows": 640}    (in order)  -> {"seconds", "loss"}
    {"do": "epoch", "rows": 60000}  (shuffled)  -> {"seconds", "loss"}
    {"do": "predict", "batch_size": 64}         -> {"seconds"}
    {"do": "one_image", "count": 300}           -> {"seconds": median}
    {"do": "evaluate"}                          -> {"accuracy"}
    {"do": "export"}                            -> {} or {"missing": PACKAGE}

The directory holds the data sets and, as MODEL.npz, the initial weights. Every answer also tells
how much CPU time the process used since its last answer ("idle_cpu"), which must be next to
nothing: the worker is blocked on its input, and another contender is being timed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from importlib import import_module
from typing import Any, TextIO

# Where the worker of a package is: (module, class). Imported once a package is chosen.
WORKERS = {
    "convlet": ("workers.keras_like", "Convlet"),
    "keras": ("workers.keras_like", "Keras"),
    "torch": ("workers.pytorch", "PyTorch"),
    "onnxruntime": ("workers.inference", "OnnxRuntime"),
    "openvino": ("workers.inference", "OpenVino"),
}


def serve(requests: TextIO, answers: TextIO) -> None:
    """Answers requests until the input ends."""
    worker = None
    last_cpu = time.process_time()
    for line in requests:
        idle_cpu = time.process_time() - last_cpu
        request = json.loads(line)
        do = request.pop("do")
        try:
            if do == "setup":
                worker = worker_for(request.pop("package"), request["threads"])
            answer = getattr(worker, do)(**request)
        except ModuleNotFoundError as error:
            answer = {"missing": error.name}
        answers.write(json.dumps({**answer, "idle_cpu": idle_cpu}) + "\n")
        answers.flush()
        last_cpu = time.process_time()


def worker_for(package: str, threads: int) -> Any:
    """The package's worker, in a process that keeps to as many CPUs as it has threads."""
    keep_to_cpus(threads)
    module, name = WORKERS[package]
    return getattr(import_module(module), name)()


def keep_to_cpus(count: int) -> None:
    """Leaves this process so many CPUs: not every package can be told a number of threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])


def main() -> None:
    # Answers go where standard output went; whatever a library prints goes to standard error.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        serve(sys.stdin, answers)


if __name__ == "__main__":
    main()
