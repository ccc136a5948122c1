"""The Fashion-MNIST data set of clothing."""

from __future__ import annotations

import os

from convlet.datasets.image_dataset import IdxFile, ImageDataset, LoadedData
from convlet.datasets.loader import load

DATASET = ImageDataset(
    name="fashion-mnist",
    title="Fashion-MNIST",
    num_classes=10,
    files=(
        IdxFile(
            name="train-images-idx3-ubyte",
            npz_key="x_train",
            shape=(60_000, 28, 28),
            sha256="c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        IdxFile(
            name="train-labels-idx1-ubyte",
            npz_key="y_train",
            shape=(60_000,),
            sha256="bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        IdxFile(
            name="t10k-images-idx3-ubyte",
            npz_key="x_test",
            shape=(10_000, 28, 28),
            sha256="5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        IdxFile(
            name="t10k-labels-idx1-ubyte",
            npz_key="y_test",
            shape=(10_000,),
            sha256="0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    mirrors=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    keras_cache="fashion-mnist",
    # Debian's package dataset-fashion-mnist. (Its gzip headers lack the name and time of the
    # original files, so their own hashes differ; the content is the same to the bit.)
    system_directory="/usr/share/datasets/fashion-mnist",
)


def load_data(path: str | os.PathLike[str] | None = None, *, download: bool = True) -> LoadedData:
    """Loads the Fashion-MNIST data set: 70,000 pieces of clothing, 28 by 28 pixels, grey.

    The classes are 0 T-shirt/top, 1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt,
    7 sneaker, 8 bag, 9 ankle boot.

    It is looked for in the directory `CONVLET_DATA_DIR` if that variable is set (in its folder
    `fashion-mnist` if there is one), else in convlet's cache (`$CONVLET_HOME`,
    `$XDG_CACHE_HOME/convlet`, `~/.cache/convlet`), in Keras's cache (`$KERAS_HOME` or
    `~/.keras`), in `/usr/share/datasets/fashion-mnist`, and on several mirrors. Its content is
    compared with its SHA-256 wherever it comes from.

    Args:
        path: A directory that holds the four IDX files, plain or `.gz`, or `fashion-mnist.npz`
            with the arrays `x_train`, `y_train`, `x_test`, `y_test`; or such an archive itself.
            `None` stands for the search above.
        download: Whether the network may be used. `CONVLET_OFFLINE=1` forbids it as well.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8 arrays of shapes `(60000, 28, 28)`,
        `(60000,)`, `(10000, 28, 28)` and `(10000,)`. Pixels are 0 (background) to 255, labels 0
        to 9.

    Raises:
        FileNotFoundError: If the place that was asked for lacks the files, or they are nowhere on
            this machine and the network may not be used. The message says how to get them.
        ValueError: If a file in the place that was asked for is broken or is not Fashion-MNIST's.
        ConnectionError: If nothing could be downloaded. The message says what was tried.

    Fashion-MNIST is by Zalando SE, made available under the MIT licence.
    """
    return load(DATASET, path, download=download)
