"""convlet.datasets.read_idx and write_idx: round trips, and every way a file can be bad."""

from __future__ import annotations

import contextlib
import functools
import gzip
import os
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from convlet.datasets import read_idx, write_idx

DTYPES = ["uint8", "int8", "int16", "int32", "float32", "float64"]
TYPE_CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}


def idx_bytes(shape, data=b"", code=8):
    """An IDX file by hand, independent of the writer."""
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + data


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def example(dtype, shape=(3, 4, 5)):
    values = np.random.default_rng(7).normal(size=shape) * 50
    return (np.abs(values) if dtype == "uint8" else values).astype(dtype)


@pytest.mark.parametrize("name", ["a", "a.gz"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(7,), (3, 4, 5), (2, 0, 3), (0,), (1,) * 32])
def test_round_trip(tmp_path, name, dtype, shape):
    array = example(dtype, shape)
    write_idx(tmp_path / name, array)
    back = read_idx(str(tmp_path / name))
    assert back.dtype.newbyteorder("=") == array.dtype
    np.testing.assert_array_equal(back, array)
    assert not back.flags.writeable
    assert names(tmp_path) == [name]


@pytest.mark.parametrize("dtype", DTYPES)
def test_layout_is_the_documented_one(tmp_path, dtype):
    array = example(dtype)
    write_idx(tmp_path / "a", array)
    expected = idx_bytes(
        array.shape, array.astype(array.dtype.newbyteorder(">")).tobytes(), TYPE_CODES[dtype]
    )
    assert (tmp_path / "a").read_bytes() == expected


def test_plain_files_are_memory_mapped(tmp_path):
    write_idx(tmp_path / "a", np.arange(10, dtype="int32"))
    assert isinstance(read_idx(tmp_path / "a"), np.memmap)


def test_compression_is_told_from_the_content_not_the_name(tmp_path):
    (tmp_path / "a").write_bytes(gzip.compress(idx_bytes((2,), b"xy")))
    (tmp_path / "b.gz").write_bytes(idx_bytes((2,), b"xy"))
    assert bytes(read_idx(tmp_path / "a")) == bytes(read_idx(tmp_path / "b.gz")) == b"xy"


def test_symbolic_links_are_followed(tmp_path):
    write_idx(tmp_path / "a", np.zeros(3, "uint8"))
    (tmp_path / "link").symlink_to(tmp_path / "a")
    write_idx(tmp_path / "link", np.ones(3, "uint8"))
    assert (tmp_path / "link").is_symlink()
    assert read_idx(tmp_path / "a").tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype=">i4").reshape(4, 6),
        np.asfortranarray(np.arange(24, dtype="int16").reshape(4, 6)),
        np.arange(24, dtype="float32")[::-2],
        np.broadcast_to(np.float64(3), (4, 6)),
        np.arange(1 << 18, dtype="int32").reshape(-1, 2, 2),
    ],
    ids=["big-endian", "fortran", "negative stride", "stride zero", "several pieces"],
)
def test_any_memory_layout_can_be_written(tmp_path, array):
    write_idx(tmp_path / "a", array)
    np.testing.assert_array_equal(read_idx(tmp_path / "a"), array)


def test_equal_arrays_give_equal_compressed_files(tmp_path):
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(100, dtype="int16"))
    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@functools.cache
def bad_files():
    images = idx_bytes((2, 3), b"abcdef")
    noise = np.random.default_rng(0).bytes(300_000)
    noisy = gzip.compress(idx_bytes((len(noise),), noise))
    huge = 2**32 - 1
    return {
        "empty": (b"", "truncated"),
        "magic": (b"\0\1\x08\1" + images[4:], "wrong magic number 0x00010801"),
        "type": (idx_bytes((2,), b"ab", code=0x0A), "wrong magic number"),
        "html": (b"<!DOCTYPE html><html></html>", "wrong magic number"),
        "rank 0": (idx_bytes((), b"a"), "0 dimensions"),
        "rank 255": (idx_bytes((1,) * 255, b"a"), "255 dimensions"),
        "header cut": (images[:9], "inside its header"),
        "short": (images[:-1], "truncated: its header promises 18 bytes"),
        "long": (images + b"g", "too long: its header promises 18 bytes"),
        "large": (idx_bytes((2**31 - 1, 2), b"ab"), "truncated"),
        "larger": (idx_bytes((huge, huge), b"ab"), "impossibly large"),
        "overflow": (idx_bytes((2**31, 2**31, 4), b""), "impossibly large"),
        "empty but absurd": (idx_bytes((0, huge, huge)), "impossibly large"),
        "gzip of nothing": (gzip.compress(b""), "inside its header"),
        "gzip of another": (gzip.compress(b"hello, world"), "wrong magic number"),
        "gzip too short": (gzip.compress(images[:-1]), "truncated"),
        "gzip too long": (gzip.compress(images + b"g"), "expands past its IDX header"),
        "gzip cut in data": (noisy[: len(noisy) // 2], "gzip data ends too early"),
        "gzip cut in checksum": (noisy[:-3], "gzip data ends too early"),
        "gzip bit flip": (noisy[:-6] + b"\0\0\0\0\0\0", "corrupt gzip data"),
        "gzip garbage": (gzip.compress(images) + b"!", "trailing garbage"),
        "gzip zeros": (gzip.compress(images) + b"\0\0", "trailing garbage"),
        "gzip two members": (gzip.compress(images) * 2, "second gzip member"),
        "gzip absurd": (gzip.compress(idx_bytes((huge, 1000))), "more than"),
        "gzip bomb": (gzip.compress(idx_bytes((1,)) + bytes(10**7)), "expands past its IDX header"),
    }


@pytest.mark.parametrize("case", bad_files())
def test_bad_file_is_a_value_error_that_names_it(tmp_path, case):
    content, message = bad_files()[case]
    path = tmp_path / "some-file"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message) as raised:
            read_idx(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert str(path) in str(raised.value)
    assert peak < 2_000_000


@pytest.mark.parametrize("compressed", [False, True])
def test_truncation_anywhere_is_an_error(tmp_path, compressed):
    whole = idx_bytes((5, 7), bytes(range(35)))
    whole = gzip.compress(whole) if compressed else whole
    for length in range(len(whole)):
        (tmp_path / "a").write_bytes(whole[:length])
        with pytest.raises(ValueError, match="a: "):
            read_idx(tmp_path / "a")


def test_random_bytes_never_do_worse_than_a_value_error(tmp_path):
    rng = np.random.default_rng(1)
    good = {False: idx_bytes((5, 7), bytes(range(35)))}
    good[True] = gzip.compress(good[False])
    for _ in range(500):
        damaged = bytearray(good[bool(rng.integers(2))])
        for _ in range(rng.integers(1, 4)):
            damaged[rng.integers(len(damaged))] = rng.integers(256)
        (tmp_path / "a").write_bytes(damaged)
        with contextlib.suppress(ValueError):
            assert read_idx(tmp_path / "a").nbytes <= 35


def test_directory_and_special_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="a directory"):
        read_idx(tmp_path)
    os.mkfifo(tmp_path / "fifo")
    for special in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(ValueError, match="special file"):
            read_idx(special)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_idx(tmp_path / "none")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(3, "int64"), "int64"),
        (np.zeros(3, "bool"), "bool"),
        (np.zeros(3, "complex64"), "complex64"),
        (np.array(["a"]), "<U1"),
        (np.array([None]), "object"),
        (None, "object"),
        (np.uint8(3), r"shape \(\)"),
        (np.broadcast_to(np.uint8(3), (0, 2**32)), "4294967295"),
    ],
)
def test_what_idx_cannot_hold_is_refused_before_writing(tmp_path, array, message):
    with pytest.raises(ValueError, match=message):
        write_idx(tmp_path / "a", array)
    assert names(tmp_path) == []


def test_only_regular_files_are_replaced(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for target in (tmp_path / "fifo", tmp_path, Path("/dev/null")):
        with pytest.raises(ValueError, match="not a regular file"):
            write_idx(target, np.zeros(3, "uint8"))


def test_failed_write_leaves_the_old_file(tmp_path):
    """The file size limit stands for a full disk."""
    path = tmp_path / "a"
    write_idx(path, np.arange(100, dtype="uint8"))
    code = """if True:
        import resource, sys
        import numpy as np
        from convlet.datasets import write_idx
        resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000))
        try:
            write_idx(sys.argv[1], np.zeros(10_000, "uint8"))
        except OSError:
            sys.exit(7)
    """
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == 7
    assert read_idx(path).tolist() == list(range(100))
    assert names(tmp_path) == ["a"]


def test_written_files_obey_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        write_idx(tmp_path / "a", np.zeros(3, "uint8"))
    finally:
        os.umask(old)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
