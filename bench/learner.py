"""Trains until a test accuracy is exceeded. time_to_accuracy.py starts this, a process a run.

Prints a line of JSON once it is ready to train and one after every quarter of an epoch; who reads
them takes the time.
"""

from __future__ import annotations

import argparse
import json
import os

import numpy as np
from _models import BATCH_SIZE, MODELS
from worker import worker_for

QUARTER = 15_000 // BATCH_SIZE * BATCH_SIZE  # whole batches
TEST_BATCH_SIZE = 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("package")
    parser.add_argument("variant")
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("data", help="directory of data sets and initial weights")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--target", type=float, required=True)
    parser.add_argument("--epochs", type=int, required=True, help="give up after so many")
    arguments = parser.parse_args()

    worker = worker_for(arguments.package, arguments.threads)
    worker.setup(arguments.variant, arguments.threads, arguments.data)
    worker.build(arguments.model)
    data = worker.data
    labels = data["y_test"].argmax(axis=1)
    tell({"ready": True})
    generator = np.random.default_rng(arguments.seed)
    # Filled anew each time: fresh memory would be given page by page, at the package's expense.
    x = np.empty((QUARTER, *data["x_train"].shape[1:]), data["x_train"].dtype)
    y = np.empty((QUARTER, *data["y_train"].shape[1:]), data["y_train"].dtype)
    images = 0
    for _ in range(arguments.epochs):
        order = generator.permutation(len(data["x_train"]))
        for first in range(0, len(order) - QUARTER + 1, QUARTER):
            rows = order[first : first + QUARTER]
            np.take(data["x_train"], rows, axis=0, out=x, mode="clip")
            np.take(data["y_train"], rows, axis=0, out=y, mode="clip")
            worker.fit(x, y, shuffle=False)
            images += QUARTER
            predicted = worker.predict_rows(data["x_test"], TEST_BATCH_SIZE).argmax(axis=1)
            accuracy = float(np.mean(predicted == labels))
            tell({"images": images, "accuracy": accuracy})
            if accuracy > arguments.target:
                # Tidying up is not part of the task; TensorFlow takes a while for it.
                os._exit(0)


def tell(fact: dict[str, object]) -> None:
    print(json.dumps(fact), flush=True)


if __name__ == "__main__":
    main()
