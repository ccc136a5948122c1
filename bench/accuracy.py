"""Test accuracy of the notebook's ConvNet after five epochs, over several seeds.

    python bench/accuracy.py [--seeds 5] [--epochs 5] [--threads 2] [--policy mixed_bfloat16]

Trains as the notebook does, under the dtype policy given. Ends with status 1 if the mean is below the limit.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

import numpy as np
from _common import RESULTS, check, environment, markdown_table, save
from _models import build

import convlet
from convlet.datasets import mnist
from convlet.utils import set_random_seed, to_categorical

LIMIT = 0.990


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--policy", default="float32")
    parser.add_argument("--output", type=Path, default=RESULTS)
    arguments = parser.parse_args()

    convlet.set_num_threads(arguments.threads)
    convlet.config.set_dtype_policy(arguments.policy)
    train, test = (
        (images[..., None].astype(np.float32) / 255, to_categorical(labels))
        for images, labels in mnist.load_data()
    )
    accuracies, rows = [], []
    for seed in range(arguments.seeds):
        set_random_seed(seed)
        model = build(convlet, "mnist_convnet")
        start = time.perf_counter()
        model.fit(*train, batch_size=64, epochs=arguments.epochs, verbose=0)
        seconds = time.perf_counter() - start
        loss, accuracy = model.evaluate(*test, verbose=0)
        accuracies.append(accuracy)
        rows.append([str(seed), f"{accuracy:.4f}", f"{loss:.4f}", f"{seconds:.1f}"])
        print(f"seed {seed}: accuracy {accuracy:.4f}, {seconds:.1f} s", flush=True)
    mean = statistics.mean(accuracies)
    rows.append(["**mean**", f"**{mean:.4f}**", "", ""])
    record = {
        "environment": environment(arguments.threads),
        "policy": arguments.policy,
        "epochs": arguments.epochs,
        "accuracies": accuracies,
        "mean": mean,
    }
    header = ["seed", "test accuracy", "test loss", "training [s]"]
    name = "accuracy" if arguments.policy == "float32" else f"accuracy_{arguments.policy}"
    save(name, arguments.output, record, markdown_table(header, rows))
    check(mean >= LIMIT, f"mean test accuracy {mean:.4f} is at least {LIMIT}")


if __name__ == "__main__":
    main()
