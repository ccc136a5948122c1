"""What is known about a data set of labelled images: its files, their contents, where they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from convlet.datasets.idx import idx_header

ImageArray: TypeAlias = npt.NDArray[np.uint8]
# (x_train, y_train), (x_test, y_test)
LoadedData: TypeAlias = tuple[tuple[ImageArray, ImageArray], tuple[ImageArray, ImageArray]]
# Array by file name.
Arrays: TypeAlias = dict[str, ImageArray]


@dataclass(frozen=True)
class IdxFile:
    """One of the four files of a data set.

    Args:
        name: Name of the uncompressed file.
        npz_key: Name of the same array in Keras's `.npz` archive.
        shape: Shape of the array. Labels have one dimension.
        sha256: SHA-256 of the uncompressed file, in hexadecimal.
    """

    name: str
    npz_key: str
    shape: tuple[int, ...]
    sha256: str


@dataclass(frozen=True)
class ImageDataset:
    """A data set of labelled images in four IDX files, and the places to look for it.

    Args:
        name: Name of its folder.
        title: Name for people to read.
        num_classes: Labels are 0 to `num_classes - 1`.
        files: Training images, training labels, test images, test labels.
        mirrors: URLs of folders that hold the files with `.gz` added, best first.
        keras_cache: Where Keras keeps it, below `~/.keras/datasets`.
        system_directory: Where a package of the operating system puts it, if one does.
        last_resort: Function that gets the arrays where no mirror can be reached, or raises a
            `DownloadError`.
    """

    name: str
    title: str
    num_classes: int
    files: tuple[IdxFile, IdxFile, IdxFile, IdxFile]
    mirrors: tuple[str, ...]
    keras_cache: str
    system_directory: str | None = None
    last_resort: Callable[[ImageDataset], Arrays] | None = None

    def check(self, file: IdxFile, array: npt.NDArray[Any], source: object) -> None:
        """Checks that `array` is the content of `file`, to the bit.

        Args:
            file: The file that `array` should be.
            array: The array, from whatever container.
            source: Where it was read, for the error message.

        Raises:
            ValueError: If it is something else.
        """
        if array.dtype != np.uint8 or array.shape != file.shape:
            raise ValueError(
                f"{source}: holds {array.dtype} values of shape {array.shape}; {file.name} of "
                f"{self.title} holds uint8 values of shape {file.shape}."
            )
        if array.ndim == 1 and array.size and array.max() >= self.num_classes:
            row = int(np.argmax(array >= self.num_classes))
            raise ValueError(
                f"{source}: label {array[row]} in row {row} is out of range: {self.title} has "
                f"the classes 0 to {self.num_classes - 1}."
            )
        digest = hashlib.sha256(idx_header(array))
        digest.update(np.ascontiguousarray(array).data)
        if digest.hexdigest() != file.sha256:
            raise ValueError(
                f"{source}: not the {file.name} of {self.title}: the SHA-256 of its unzipped "
                f"content is {digest.hexdigest()}, expected {file.sha256}. (Other data in IDX "
                "form can be read with convlet.datasets.read_idx.)"
            )

    def arrange(self, arrays: Mapping[str, ImageArray]) -> LoadedData:
        """Returns the arrays, given by file name, in the order Keras returns them."""
        x_train, y_train, x_test, y_test = (arrays[file.name] for file in self.files)
        return (x_train, y_train), (x_test, y_test)

    def by_file_name(self, data: LoadedData) -> Arrays:
        """Returns the arrays of `(x_train, y_train), (x_test, y_test)` by file name."""
        arrays = (array for split in data for array in split)
        return {file.name: array for file, array in zip(self.files, arrays, strict=True)}
