"""Image files and arrays. Needs Pillow: `pip install 'convlet[image]'`."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from convlet.utils.image_files import decoded_image, pillow_image
from convlet.utils.validation import check_bool, check_tuple, refuse_unsupported

if TYPE_CHECKING:
    from PIL import Image

_INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
_MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
# Pillow's modes of one channel that hold more than 8 bits.
_GRAY_MODES = ("L", "I;16", "I")


def load_img(
    path: str | os.PathLike[str] | io.BytesIO,
    color_mode: str = "rgb",
    target_size: tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Image.Image:
    """Loads an image file.

    Args:
        path: Path of the file, or its content.
        color_mode: `"rgb"`, `"rgba"` or `"grayscale"`.
        target_size: `(height, width)` to scale it to, or `None`.
        interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"hamming"`, `"box"` or `"lanczos"`.
        keep_aspect_ratio: Whether to cut off what does not fit the shape rather than to distort.

    Returns:
        A Pillow image.

    Raises:
        ValueError: If an argument has no meaning, or the image has more than 100 million pixels, or
            more than 2 million and more than a hundred for each byte of the file.
        TypeError: If `path` is neither a path nor a `BytesIO`.
        OSError: If the file cannot be read, is not an image or is a broken one.
    """
    pillow = pillow_image("`load_img`")
    if color_mode not in _MODES:
        raise ValueError('color_mode must be "grayscale", "rgb", or "rgba"')
    if interpolation not in _INTERPOLATIONS:
        raise ValueError(
            f"Invalid interpolation method {interpolation} specified. Supported methods are "
            f"{', '.join(_INTERPOLATIONS)}"
        )
    size = None if target_size is None else check_tuple("target_size", target_size, 2)
    check_bool("keep_aspect_ratio", keep_aspect_ratio)
    if not isinstance(path, (str, os.PathLike, io.BytesIO)):
        raise TypeError(f"path should be path-like or io.BytesIO, not {type(path)}")
    image = decoded_image(path, "`load_img`")
    kept = _GRAY_MODES if color_mode == "grayscale" else (_MODES[color_mode],)
    if image.mode not in kept:
        image = image.convert(_MODES[color_mode])
    if size is None or image.size == (size[1], size[0]):
        return image
    box = _inner_box(image.size, (size[1], size[0])) if keep_aspect_ratio else None
    resample = getattr(pillow.Resampling, interpolation.upper())
    return image.resize((size[1], size[0]), resample, box=box)


def img_to_array(
    img: Any, data_format: str | None = None, dtype: npt.DTypeLike | None = None
) -> npt.NDArray[Any]:
    """Converts a Pillow image to an array.

    Args:
        img: The image.
        data_format: `None` or `"channels_last"`.
        dtype: Type of the array; `None` for float32.

    Returns:
        An array of shape (height, width, channels).

    Raises:
        ValueError: If it is not an image or the order of the axes is not supported.
    """
    refuse_unsupported("img_to_array", {"data_format": (data_format, "channels_last")})
    array = np.asarray(img, dtype=np.float32 if dtype is None else dtype)
    if array.ndim not in {2, 3}:
        raise ValueError(f"Unsupported image shape: {array.shape}")
    return array if array.ndim == 3 else array[..., None]


def array_to_img(
    x: npt.ArrayLike,
    data_format: str | None = None,
    scale: bool = True,
    dtype: npt.DTypeLike | None = None,
) -> Image.Image:
    """Converts an array to a Pillow image.

    Args:
        x: Array of shape (height, width, channels), with 1, 3 or 4 channels.
        data_format: `None` or `"channels_last"`.
        scale: Whether to spread the values over 0 to 255.
        dtype: Type to compute in; `None` for float32.

    Returns:
        A Pillow image.

    Raises:
        ValueError: If the shape is another one or the order of the axes is not supported.
    """
    pillow = pillow_image("`array_to_img`")
    refuse_unsupported("array_to_img", {"data_format": (data_format, "channels_last")})
    array = np.asarray(x, dtype=np.float32 if dtype is None else dtype)
    if array.ndim != 3:
        raise ValueError(
            "Expected image array to have rank 3 (single image). "
            f"Got array with shape: {array.shape}"
        )
    if array.shape[2] not in {1, 3, 4}:
        raise ValueError(f"Unsupported channel number: {array.shape[2]}")
    if scale:
        array = array - array.min()
        largest = array.max()
        array = (array / largest if largest else array) * 255
    if array.shape[2] == 1:
        gray = array[..., 0]
        pixels = gray.astype(np.int32 if gray.max() > 255 else np.uint8)
    else:
        pixels = array.astype(np.uint8)
    image: Image.Image = pillow.fromarray(pixels)
    return image


def save_img(
    path: str | os.PathLike[str] | io.BytesIO,
    x: npt.ArrayLike,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Writes an array to an image file.

    Args:
        path: Path of the file, or a `BytesIO`.
        x: Array of shape (height, width, channels), with 1, 3 or 4 channels. A JPEG file has no
            fourth channel; it is left out.
        data_format: `None` or `"channels_last"`.
        file_format: Format of the file; `None` for the one that the path ends in.
        scale: Whether to spread the values over 0 to 255.
        **kwargs: What Pillow's `save` takes for the format.

    Raises:
        ValueError: If the shape is another one or the order of the axes is not supported.
        OSError: If the file cannot be written.
    """
    if file_format is None and isinstance(path, (str, os.PathLike)):
        file_format = Path(path).suffix[1:]
    image = array_to_img(x, data_format=data_format, scale=scale)
    name = "jpeg" if (file_format or "").lower() == "jpg" else file_format
    if image.mode == "RGBA" and (name or "").lower() == "jpeg":
        image = image.convert("RGB")
    image.save(path, format=name, **kwargs)


def _inner_box(size: tuple[int, int], target: tuple[int, int]) -> tuple[int, int, int, int]:
    """Returns the largest part, in the middle, of an image that has the shape of the target."""
    width, height = size
    box_height = min(height, width * target[1] // target[0])
    box_width = min(width, height * target[0] // target[1])
    left, top = (width - box_width) // 2, (height - box_height) // 2
    return left, top, left + box_width, top + box_height
