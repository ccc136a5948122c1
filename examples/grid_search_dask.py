"""A search for hyperparameters that may outgrow a machine: scikit-learn's, on a cluster of Dask.

    python -m pip install 'convlet[dask]'
    python examples/grid_search_dask.py

Without an address it starts a cluster of two processes on this machine. On a real one, start
`dask scheduler` on one machine and `dask worker tcp://ADDRESS:8786 --nthreads 1 --nworkers 4` on
all, each with the same packages, and name it:

    python examples/grid_search_dask.py --scheduler tcp://ADDRESS:8786

Each candidate is trained in one thread of Dask. convlet's own threads are as many as
`OMP_NUM_THREADS` or `CONVLET_NUM_THREADS` says, which Dask's workers set to 1.
"""

import argparse

import joblib
from dask.distributed import Client, LocalCluster
from sklearn.model_selection import GridSearchCV

from convlet.datasets import mnist
from convlet.sklearn import ConvNetClassifier

GRID = {"filters": [(16,), (32, 64)], "learning_rate": [0.001, 0.003]}


def connect(address):
    """Returns a client of the cluster at an address, or of a new one on this machine."""
    if address:
        return Client(address)
    return Client(LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None))


def main():
    parser = argparse.ArgumentParser(description="Search for hyperparameters on a cluster.")
    parser.add_argument("--scheduler", help="address of a Dask scheduler, tcp://HOST:PORT")
    parser.add_argument("--images", type=int, default=6000, help="of MNIST, to search with")
    parser.add_argument("--epochs", type=int, default=3)
    args = parser.parse_args()

    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    x_train, y_train = x_train[: args.images, ..., None] / 255, y_train[: args.images]
    x_test = x_test[..., None] / 255

    classifier = ConvNetClassifier(epochs=args.epochs, random_state=0)
    search = GridSearchCV(classifier, GRID, cv=3)
    with connect(args.scheduler) as client, joblib.parallel_config(backend="dask"):
        print("Workers:", len(client.scheduler_info()["workers"]))
        search.fit(x_train, y_train)

    for parameters, score in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        print(f"{parameters}: {score:.4f}")
    print("Best:", search.best_params_)
    print(f"Test accuracy: {search.score(x_test, y_test):.4f}")


if __name__ == "__main__":  # Dask's processes import this file
    main()
