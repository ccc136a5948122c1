"""Reading HDF5 files that come from anywhere.

Everything about an object is checked before it is read: links to elsewhere, data in other files,
types with pointers in them, filters, and sizes that the file does not really hold are refused.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import h5py

Array: TypeAlias = npt.NDArray[Any]
Source: TypeAlias = str | os.PathLike[str] | io.BytesIO

# HDF5's numbers of the filters that Keras's files can have: deflate and shuffle.
_ALLOWED_FILTERS = (1, 2)
# Deflate cannot do better (zlib: https://zlib.net/zlib_tech.html).
_LARGEST_EXPANSION = 1032
_LARGEST_ATTRIBUTE = 16 * 2**20  # bytes
_LONGEST_LIST = 10**6  # entries of an attribute that is a list of strings
_MOST_MEMBERS = 10**5  # of a group whose members are all opened


class Mismatch(ValueError):
    """What a file holds is sound, but of another model."""


@contextlib.contextmanager
def open_hdf5(source: Source) -> Iterator[h5py.File]:
    """Opens a file for reading; whatever h5py raises for a damaged one becomes a ValueError.

    Args:
        source: Path, or the file's bytes.

    Raises:
        ValueError: If it is not HDF5 or is damaged.
    """
    import h5py

    try:
        with h5py.File(source, "r") as file:
            yield file
    # What h5py raises for a damaged file depends on the place of the damage.
    except (OSError, KeyError, RuntimeError, TypeError, UnicodeError, OverflowError) as error:
        raise ValueError(f"not a readable HDF5 file: {error}") from error


def child(parent: h5py.Group, name: str, kind: type) -> Any:
    """Returns a member of a group, or `None`; a member of another kind is refused.

    A link to elsewhere in the file or to another file is refused (CVE-2026-1669 in Keras).
    """
    import h5py

    if name in ("", "."):
        raise ValueError(f"has an empty name in a path below {parent.name!r}.")
    if name not in parent:
        return None
    link = parent.get(name, getlink=True)
    if not isinstance(link, h5py.HardLink):
        raise ValueError(f"has a {type(link).__name__} at '{parent.name}/{name}', which is unsafe.")
    member = parent[name]
    if not isinstance(member, kind):
        raise ValueError(f"has no {kind.__name__} at {member.name!r}.")
    return member


def group(parent: h5py.Group, path: str) -> h5py.Group | dict[str, Any]:
    """Returns a group by its path, name by name; an empty one if it is not there."""
    import h5py

    found: h5py.Group | None = parent
    for name in path.split("/"):
        found = None if found is None else child(found, name, h5py.Group)
    return {} if found is None else found


def dataset(parent: h5py.Group | dict[str, Any], path: str) -> h5py.Dataset | None:
    """Returns a dataset by its path, name by name; `None` if it is not there."""
    import h5py

    found: Any = parent
    *groups, name = path.split("/")
    for each in groups:
        found = child(found, each, h5py.Group) if found else None
    return child(found, name, h5py.Dataset) if found else None


def read(variable: h5py.Dataset, shape: Sequence[int] | None = None) -> Array:
    """Reads one variable, after everything about it has been checked.

    Args:
        variable: The dataset.
        shape: The shape it must have.

    Raises:
        Mismatch: If it has another shape.
        ValueError: If it does not hold numbers or is stored in an unsafe way.
    """
    if variable.dtype.kind not in "fiu":
        raise ValueError(f"has values of type {variable.dtype} at {variable.name!r}.")
    if shape is not None and variable.shape != tuple(shape):
        raise Mismatch(
            f"has a variable of shape {variable.shape} at {variable.name!r}, where the model has "
            f"one of shape {tuple(shape)}."
        )
    _refuse_unsafe_storage(variable)
    value: Array = variable[()]
    return np.asarray(value)


def count_values(parent: h5py.Group) -> int:
    """Returns how many numbers the datasets below a group really hold.

    Links to elsewhere are not followed; what `read` would refuse does not count.
    """
    import h5py

    total = 0

    def visit(_: str, item: Any) -> None:
        nonlocal total
        if isinstance(item, h5py.Dataset) and item.dtype.kind in "fiu":
            with contextlib.suppress(ValueError):
                _refuse_unsafe_storage(item)
                total += math.prod(item.shape or ())

    parent.visititems(visit)
    return total


def check_member_count(parent: h5py.Group | dict[str, Any]) -> int:
    """Returns how many members a group has, if they can all be opened.

    Raises:
        ValueError: If there are more than any model has.
    """
    count = len(parent)
    if count > _MOST_MEMBERS:
        raise ValueError(f"has a group of {count} members; at most {_MOST_MEMBERS} are read.")
    return count


def text_attribute(owner: h5py.Group, name: str) -> str | None:
    """Returns an attribute that is a string, or `None`."""
    if name not in owner.attrs:
        return None
    _check_attribute(owner, name)
    value = owner.attrs[name]
    if isinstance(value, np.ndarray):
        raise ValueError(f"has a list where {name!r} of {owner.name!r} must be a string.")
    return _as_text(value)


def list_attribute(owner: h5py.Group, name: str) -> list[str]:
    """Returns an attribute that is a list of strings; a long one is split into name0, name1..."""
    names = [name]
    if name not in owner.attrs:
        count = 0
        while f"{name}{count}" in owner.attrs:
            count += 1
        names = [f"{name}{index}" for index in range(count)]
    strings: list[str] = []
    for each in names:
        _check_attribute(owner, each)
        strings += [_as_text(value) for value in np.atleast_1d(owner.attrs[each])]
    # The same object a million times would take more memory than the file.
    if len(set(strings)) < len(strings) or len(strings) > _MOST_MEMBERS:
        raise ValueError(f"has a list {name!r} that is too long or names something twice.")
    return strings


def _as_text(value: Any) -> str:
    if not isinstance(value, (bytes, str)):
        raise ValueError(f"has an attribute of type {type(value).__name__}, not a string.")
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _check_attribute(owner: h5py.Group, name: str) -> None:
    """Refuses an attribute that is not text, or more than any model needs."""
    import h5py

    attribute = owner.attrs.get_id(name)
    count = math.prod(attribute.shape or ())
    # Keras writes an empty list as an empty array of float64.
    is_text = h5py.check_string_dtype(attribute.dtype) is not None or not count
    if not is_text or count > _LONGEST_LIST:
        raise ValueError(f"has an attribute {name!r} of type {attribute.dtype} at {owner.name!r}.")
    if count * attribute.dtype.itemsize > _LARGEST_ATTRIBUTE:
        raise ValueError(f"has an attribute {name!r} of more than 16 MB at {owner.name!r}.")


def _refuse_unsafe_storage(variable: h5py.Dataset) -> None:
    """Refuses data that lie in other files, or take more memory to read than they fill."""
    properties = variable.id.get_create_plist()
    if variable.external or variable.is_virtual:
        raise ValueError(f"keeps {variable.name!r} in another file, which is unsafe.")
    filters = {properties.get_filter(index)[0] for index in range(properties.get_nfilters())}
    if not filters.issubset(_ALLOWED_FILTERS):
        raise ValueError(f"uses an unsupported HDF5 filter at {variable.name!r}.")
    size = math.prod(variable.shape or ())
    if variable.chunks is not None and math.prod(variable.chunks) > size:
        raise ValueError(f"has chunks larger than the data at {variable.name!r}.")
    largest = variable.id.get_storage_size() * (_LARGEST_EXPANSION if filters else 1)
    if size * variable.dtype.itemsize > largest:
        raise ValueError(
            f"promises {size} values at {variable.name!r}, more than the file can hold."
        )
