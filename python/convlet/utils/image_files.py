"""Decoding of image files from anywhere."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

# So many pixels are decoded whatever the size of the file; of more, so many for each of its bytes.
_FREE_PIXELS = 2_000_000
_PIXELS_PER_BYTE = 100
_MOST_PIXELS = 100_000_000


def pillow_image(needed_by: str) -> Any:
    """Returns Pillow's module Image, or raises ImportError that says what needs it."""
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(f"{needed_by} requires Pillow: pip install 'convlet[image]'") from error
    return Image


def decoded_image(source: str | os.PathLike[str] | io.BytesIO, needed_by: str) -> Image.Image:
    """Decodes an image at once: Pillow alone would find out later that it is broken.

    Args:
        source: Path of the file, or its content.
        needed_by: What errors say Pillow is for.

    Raises:
        ImportError: If Pillow is missing.
        OSError: If the file cannot be read, is no image or is a broken one.
        ValueError: If it would have too many pixels.
    """
    pillow = pillow_image(needed_by)
    is_path = isinstance(source, (str, os.PathLike))
    name = f"{os.fspath(source)}: " if is_path else ""  # type: ignore[arg-type]
    content = io.BytesIO(Path(source).read_bytes()) if is_path else source  # type: ignore[arg-type]
    try:
        image: Image.Image = pillow.open(content)
        _check_size(image, len(content.getbuffer()))  # type: ignore[union-attr]
        image.load()
    except (_TooLargeError, pillow.DecompressionBombError) as error:
        raise ValueError(f"{name}the image is too large: {error}") from error
    except pillow.UnidentifiedImageError as error:
        raise OSError(f"{name}not an image, or none of a format that Pillow reads") from error
    # What Pillow raises for a damaged image depends on the damage.
    except (
        EOFError,
        IndexError,
        KeyError,
        OSError,
        OverflowError,
        SyntaxError,
        TypeError,
        ValueError,
        struct.error,
    ) as error:
        raise OSError(f"{name}not a readable image: {error}") from error
    return image


class _TooLargeError(Exception):
    pass


def _check_size(image: Image.Image, file_size: int) -> None:
    pixels = image.width * image.height
    most = min(max(_FREE_PIXELS, _PIXELS_PER_BYTE * file_size), _MOST_PIXELS)
    if pixels > most:
        raise _TooLargeError(
            f"{image.width} x {image.height} pixels; of a file of {file_size:,} bytes at most "
            f"{most:,} are decoded"
        )
