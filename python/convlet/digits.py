"""Pictures of digits, prepared as those of MNIST were.

MNIST's digits are light on dark, scaled into a box of 20 by 20 pixels with their aspect ratio kept,
and placed into 28 by 28 pixels with their centre of mass at pixel (14, 14)
(http://yann.lecun.com/exdb/mnist/).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from convlet.utils.image_files import decoded_image, pillow_image

SIDE = 28  # of the prepared picture
_CENTRE = 14  # where MNIST's digits have their centre of mass, pixels counted from 0
BOX = 20  # the digit is scaled into a square of this side
_INK = 0.1  # what is lighter than the background by this share of the contrast is part of the digit

GreyImage = npt.NDArray[np.uint8]


def read_digit(path: str | Path) -> GreyImage:
    """Reads a file with the picture of one digit, of any size, and prepares it.

    Args:
        path: The file, in any format that Pillow reads. Transparent is white.

    Returns:
        uint8, `(28, 28)`: light on dark, as in MNIST.

    Raises:
        OSError: If the file cannot be read or is no picture.
        ValueError: If the picture has too many pixels, see `load_img`.
        ImportError: If Pillow is missing.
    """
    image_class = pillow_image("Reading pictures")
    image = decoded_image(path, "Reading pictures")
    opaque = image_class.new("RGBA", image.size, "white")
    opaque.alpha_composite(image.convert("RGBA"))
    return prepare_digit(np.asarray(opaque.convert("L")))


def prepare_digit(image: npt.NDArray[Any]) -> GreyImage:
    """Turns a grey picture of one digit into one like MNIST's.

    The border tells the background: a picture with a light border is inverted. The darkest grey
    becomes 0 and the lightest 255; what stands out is scaled into 20 by 20 pixels and placed with
    its centre of mass at (14, 14) of 28 by 28.

    Args:
        image: uint8, `(height, width)`, dark on light or light on dark.

    Returns:
        uint8, `(28, 28)`; all zeros if the picture is of one grey.

    Raises:
        ValueError: If `image` is not of that shape and type.
    """
    if image.ndim != 2 or image.dtype != np.uint8 or 0 in image.shape:
        raise ValueError(
            "`image` must be a uint8 array of shape (height, width), got "
            f"{image.dtype} of shape {image.shape}."
        )
    ink = _ink(image)
    rows, columns = (np.flatnonzero((ink > _INK).any(axis=axis)) for axis in (1, 0))
    if rows.size == 0:
        return np.zeros((SIDE, SIDE), np.uint8)
    cropped = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return _centred(_fitted(cropped))


def _ink(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """The digit as 0 (background) to 1."""
    grey = image.astype(np.float32)
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    background = np.float32(np.median(border))
    low, high = grey.min(), grey.max()
    if high == low:
        return np.zeros_like(grey)
    light_on_dark = background - low <= high - background
    sign = np.float32(1 if light_on_dark else -1)
    ink = np.maximum((grey - background) * sign, 0)
    return np.asarray(ink / ink.max(), np.float32)


def _fitted(ink: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Scales the longer side to the box's, and the contrast back to 0 to 1."""
    scale = BOX / max(ink.shape)
    rows, columns = (_averages(length, max(1, round(length * scale))) for length in ink.shape)
    scaled = rows @ ink @ columns.T
    return np.asarray(scaled / scaled.max(), np.float32)


def _averages(length: int, new_length: int) -> npt.NDArray[np.float32]:
    """The matrix that resizes an axis: each new pixel is the average of what it covers."""
    edges = np.arange(new_length + 1) * (length / new_length)
    pixels = np.arange(length)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.asarray(np.maximum(covered, 0) * (new_length / length), np.float32)


def _centred(ink: npt.NDArray[np.float32]) -> GreyImage:
    """Moves the digit's centre of mass to the centre, as far as the frame allows."""
    rows = _placing(ink.sum(axis=1))
    columns = _placing(ink.sum(axis=0))
    placed = rows @ ink @ columns.T
    return np.asarray(np.rint(placed * (255 / placed.max())), np.uint8)


def _placing(mass: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The matrix that places an axis in the frame; a place between two pixels is shared by them."""
    length = mass.size
    pixels = np.arange(length)
    start = np.clip(_CENTRE - (mass @ pixels) / mass.sum(), 0, SIDE - length)
    distance = np.abs(np.arange(SIDE)[:, None] - (start + pixels))
    return np.asarray(np.maximum(1 - distance, 0), np.float32)
