"""The CIFAR-100 data set of small colour photographs."""

from __future__ import annotations

import os

from convlet.datasets.cifar import CifarArchive, load
from convlet.datasets.image_dataset import LoadedData

ARCHIVE = CifarArchive(
    name="cifar-100",
    title="CIFAR-100",
    file_name="cifar-100-binary.tar.gz",
    size=168_513_733,
    sha256="58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
    folder="cifar-100-binary",
    train_files=("train.bin",),
    test_files=("test.bin",),
    rows_per_file=50_000,
    test_rows=10_000,
    label_classes=(20, 100),
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
)

_LABEL_BYTES = {"coarse": 0, "fine": 1}


def load_data(
    label_mode: str = "fine",
    path: str | os.PathLike[str] | None = None,
    *,
    download: bool = True,
) -> LoadedData:
    """Loads the CIFAR-100 data set: 60,000 photographs, 32 by 32 pixels, in colour.

    The archive `cifar-100-binary.tar.gz` is looked for in the directory `CONVLET_DATA_DIR` if that
    variable is set (in its folder `cifar-100` if it is there), else in convlet's cache
    (`$CONVLET_HOME`, `$XDG_CACHE_HOME/convlet`, `~/.cache/convlet`) and on the mirrors. It is
    compared with its SHA-256 wherever it comes from.

    Args:
        label_mode: `"fine"` for the 100 classes, `"coarse"` for the 20 groups of five.
        path: The archive, or a directory that holds it; `None` stands for the search above.
        download: Whether the network may be used. `CONVLET_OFFLINE=1` forbids it as well.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8 arrays of shapes `(50000, 32, 32, 3)`,
        `(50000, 1)`, `(10000, 32, 32, 3)` and `(10000, 1)`.

    Raises:
        FileNotFoundError: If the place that was asked for lacks the archive, or it is nowhere on
            this machine and the network may not be used. The message says how to get it.
        ValueError: If `label_mode` has no meaning, or the archive in the place that was asked for
            is broken or another one.
        ConnectionError: If it could not be downloaded. The message says what was tried.

    CIFAR-100 is by Alex Krizhevsky, Vinod Nair and Geoffrey Hinton (Krizhevsky, 2009).
    """
    if label_mode not in _LABEL_BYTES:
        raise ValueError(
            f'`label_mode` must be one of `"fine"`, `"coarse"`. Received: label_mode={label_mode}.'
        )
    return load(ARCHIVE, path, label=_LABEL_BYTES[label_mode], download=download)
