"""The CIFAR-10 data set of small colour photographs."""

from __future__ import annotations

import os

from convlet.datasets.cifar import CifarArchive, load
from convlet.datasets.image_dataset import LoadedData

ARCHIVE = CifarArchive(
    name="cifar-10",
    title="CIFAR-10",
    file_name="cifar-10-binary.tar.gz",
    size=170_052_171,
    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
    folder="cifar-10-batches-bin",
    train_files=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    test_files=("test_batch.bin",),
    rows_per_file=10_000,
    test_rows=10_000,
    label_classes=(10,),
    mirrors=(
        "https://www.cs.toronto.edu/~kriz/",
        "https://storage.googleapis.com/s4tf-hosted-binaries/datasets/CIFAR10/",
    ),
)


def load_data(path: str | os.PathLike[str] | None = None, *, download: bool = True) -> LoadedData:
    """Loads the CIFAR-10 data set: 60,000 photographs, 32 by 32 pixels, in colour.

    The classes are 0 airplane, 1 automobile, 2 bird, 3 cat, 4 deer, 5 dog, 6 frog, 7 horse,
    8 ship, 9 truck.

    The archive `cifar-10-binary.tar.gz` is looked for in the directory `CONVLET_DATA_DIR` if that
    variable is set (in its folder `cifar-10` if it is there), else in convlet's cache
    (`$CONVLET_HOME`, `$XDG_CACHE_HOME/convlet`, `~/.cache/convlet`) and on the mirrors. It is
    compared with its SHA-256 wherever it comes from.

    Args:
        path: The archive, or a directory that holds it; `None` stands for the search above.
        download: Whether the network may be used. `CONVLET_OFFLINE=1` forbids it as well.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8 arrays of shapes `(50000, 32, 32, 3)`,
        `(50000, 1)`, `(10000, 32, 32, 3)` and `(10000, 1)`.

    Raises:
        FileNotFoundError: If the place that was asked for lacks the archive, or it is nowhere on
            this machine and the network may not be used. The message says how to get it.
        ValueError: If the archive in the place that was asked for is broken or another one.
        ConnectionError: If it could not be downloaded. The message says what was tried.

    CIFAR-10 is by Alex Krizhevsky, Vinod Nair and Geoffrey Hinton (Krizhevsky, 2009).
    """
    return load(ARCHIVE, path, label=0, download=download)
