"""Files that are damaged or made to harm: a clear error, in bounded memory and time.

The damage is done in a process of its own, whose peak of memory is measured: all hostile files of
a kind together may take twice the honest file and 64 MB beyond what the honest one took.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import subprocess
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from convlet import layers
from convlet.datasets import local_files
from convlet.datasets.idx import idx_header, read_idx
from convlet.datasets.image_dataset import IdxFile, ImageDataset
from convlet.digits import read_digit
from convlet.models import Sequential, load_model, model_from_json
from sanitizers import SANITIZED

Spoilt = Iterator[tuple[str, bytes]]
VALUES = (0x00, 0x7F, 0x80, 0xFF)

READER = """
import resource, signal, sys, time, warnings
from pathlib import Path
import numpy as np
warnings.simplefilter("ignore")
from test_hostile_files import LOADERS, state_of, trained

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

kind, folder = sys.argv[1], Path(sys.argv[2])
load = LOADERS[kind]
honest, *spoilt = sorted(folder.iterdir())
model = trained()
load(model, honest)
before, state, errors = peak(), state_of(model), 0
for path in spoilt:
    signal.alarm(60)  # ends the process
    try:
        load(model, path)
    except (ValueError, OSError) as error:
        errors += 1
        assert path.name in str(error), f"{path}: {error!r}"
        assert state_of(model) == state, f"{path} changed the model"
    else:
        state = state_of(model)
print(errors, len(spoilt), peak() - before)
"""


def trained() -> Sequential:
    model = Sequential([layers.Input((4,)), layers.Dense(3, name="a"), layers.Dense(2, name="b")])
    model.compile("adam", "mse")
    model.train_on_batch(np.ones((2, 4)), np.ones((2, 2)))
    return model


def state_of(model: Sequential) -> list[bytes]:
    optimizer: Any = model.optimizer
    return [array.tobytes() for array in (*model.get_weights(), *optimizer.get_state())]


LOADERS: dict[str, Callable[[Sequential, Path], Any]] = {
    "idx": lambda model, path: read_idx(path).sum(),
    "idx.gz": lambda model, path: read_idx(path).sum(),
    "npz": lambda model, path: local_files.read_dataset(TINY, path),
    "keras": lambda model, path: load_model(path),
    "h5": lambda model, path: load_model(path),
    "weights.h5": lambda model, path: model.load_weights(path),
    "json": lambda model, path: json_model(path),
    "png": lambda model, path: read_digit(path),
}


def json_model(path: Path) -> Any:
    try:
        return model_from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


# ---- Honest files -------------------------------------------------------------------------------


def tiny_arrays() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes = {"x_train": (3, 2, 2), "y_train": (3,), "x_test": (2, 2, 2), "y_test": (2,)}
    return {key: rng.integers(0, 9, shape, np.uint8) for key, shape in shapes.items()}


def tiny_dataset() -> ImageDataset:
    import hashlib

    files = [
        IdxFile(key, key, a.shape, hashlib.sha256(idx_header(a) + a.tobytes()).hexdigest())
        for key, a in tiny_arrays().items()
    ]
    return ImageDataset("tiny", "Tiny", 10, tuple(files), (), "tiny.npz")  # type: ignore[arg-type]


TINY = tiny_dataset()


def honest_file(kind: str, folder: Path) -> bytes:
    array = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    idx = idx_header(array) + array.astype(">i2").tobytes()
    path = folder / f"honest.{kind}"
    if kind == "idx":
        return idx
    if kind == "idx.gz":
        return gzip.compress(idx)
    if kind == "json":
        return trained().to_json().encode()
    if kind == "png":
        return png(8, 8, np.arange(64, dtype=np.uint8).tobytes())
    if kind == "npz":
        np.savez(path, **tiny_arrays())
    elif kind == "weights.h5":
        trained().save_weights(path)
    else:
        trained().save(path)
    return path.read_bytes()


# ---- Damage -------------------------------------------------------------------------------------


def damaged(whole: bytes, samples: int) -> Spoilt:
    """Cut off everywhere and each byte set to four values, or at a sample of the places."""
    rng = np.random.default_rng(0)
    places: Any = range(len(whole))
    if len(whole) > samples:
        tail = range(len(whole) - samples // 4, len(whole))
        places = [*range(samples // 4), *rng.integers(0, len(whole), samples // 2), *tail]
    for place in sorted({int(place) for place in places}):
        yield f"cut-{place}", whole[:place]
        for value in VALUES:
            yield f"byte-{place}-{value}", whole[:place] + bytes([value]) + whole[place + 1 :]


def huge_idx(kind: str) -> Spoilt:
    for shape in ((2**32 - 1,), (2**31, 2**31, 4), (2**20, 2**10), (0, 2**32 - 1), (1,) * 255):
        header = bytes([0, 0, 14, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
        yield f"shape-{shape[:3]}", gzip.compress(header) if kind == "idx.gz" else header
    if kind == "idx.gz":
        body = bytes([0, 0, 8, 1]) + struct.pack(">I", 1)
        yield "bomb", gzip.compress(body + bytes(2**27))


def zip_of(members: list[tuple[str, bytes]], **options: Any) -> bytes:
    content = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(content, "w", **options) as archive:
        warnings.simplefilter("ignore")  # of members twice
        for name, data in members:
            archive.writestr(name, data)
    return content.getvalue()


def bad_zips(whole: bytes) -> Spoilt:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = [(name, archive.read(name)) for name in archive.namelist()]
    packed = {"compression": zipfile.ZIP_DEFLATED}
    for name, _ in members:
        others = [member for member in members if member[0] != name]
        yield f"without-{name}", zip_of(others)
        yield f"elsewhere-{name}", zip_of([*others, (f"../{name}", dict(members)[name])])
    for name in (members[0][0], members[-1][0]):
        others = [member for member in members if member[0] != name]
        yield f"bomb-{name}", zip_of([*others, (name, bytes(2**27))], **packed)
    yield "twice", zip_of([*members, members[1]])
    yield "bz2", zip_of(members, compression=zipfile.ZIP_BZIP2)


def bad_arrays(whole: bytes) -> Spoilt:
    """`.npy` members whose headers promise too much, are too long, or hold objects."""
    members = tiny_arrays()
    for shape in ("(2147483647, 2, 2)", "(3, 2, 2, 2147483647)", "(-1,)", "3", "None", "(3,)" * 9):
        for dtype in ("|u1", "|O", "<f8", "U9999999"):
            header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
            data = (
                b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header.encode() + b"\n"
            )
            content = [(f"{key}.npy", as_npy(value)) for key, value in members.items()]
            content[0] = ("x_train.npy", data)
            yield f"npy-{shape[:9]}-{dtype[1:]}", zip_of(content)
    nested = b"\x93NUMPY\x01\x00" + struct.pack("<H", 60_000) + b"(" * 60_000
    yield "npy-nested", zip_of([("x_train.npy", nested)])


def as_npy(array: np.ndarray) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


def layer_of(**arguments: Any) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"units": 2, **arguments}}


def conv(**arguments: Any) -> dict[str, Any]:
    return {"class_name": "Conv2D", "config": {"filters": 2, "kernel_size": 3, **arguments}}


def config_of(*chain: dict[str, Any], shape: Any = (None, 8, 8, 2)) -> bytes:
    first = {"class_name": "InputLayer", "config": {"batch_shape": shape, "name": "i"}}
    config = {"name": "m", "layers": [first, *chain]}
    return json.dumps({"class_name": "Sequential", "config": config}).encode()


def bad_configs() -> Spoilt:
    """Numbers whose products overflow, and texts that grow when they are read."""
    for size in (2**31, 2**62, 2**63, 2**64, 10**30, -1, 0, 1.5, "9", None, [], {}, True):
        yield f"units-{size}", config_of(layer_of(units=size))
        yield f"filters-{size}", config_of(conv(filters=size))
        yield f"groups-{size}", config_of(conv(groups=size)) if size != 1.5 else b""
    most = 2**31 - 1
    for pair in ([most, most], [2**16, 2**16], [2**62, 2**62], [-1, 2], [0, 0], [1] * 9, [[1]]):
        yield f"kernel-{pair}", config_of(conv(kernel_size=pair))
        yield f"size-{pair}", config_of({"class_name": "UpSampling2D", "config": {"size": pair}})
    yield "shape-product", config_of(layer_of(), shape=(None, most, most, most))
    yield "wide-padding", config_of({"class_name": "ZeroPadding2D", "config": {"padding": most}})
    yield "reshape", config_of({"class_name": "Reshape", "config": {"target_shape": [most, most]}})
    yield "deep", b"[" * 10**6
    yield "deep-objects", b'{"a":' * 10**6
    yield "lists", b"[" + b"[]," * (5 * 10**6) + b"[]]"
    yield "objects", b"[" + b'{"a":1},' * 2 * 10**6 + b"1]"
    yield "long-key", b'{"' + b"a" * 2**23 + b'": 1}'
    yield "integer", b'{"a": ' + b"9" * 10**6 + b"}"
    yield "layers", config_of(*[layer_of()] * 10_001)
    yield "nested-models", nested_models(60)


def nested_models(depth: int) -> bytes:
    inner: dict[str, Any] = layer_of()
    for _ in range(depth):
        inner = {"class_name": "Sequential", "config": {"name": "s", "layers": [inner]}}
    return config_of(inner)


def bad_hdf5(whole: bytes) -> Spoilt:
    """Structures that are sound and take more memory or time than the file."""

    def changed(change: Callable[[h5py.File], None]) -> bytes:
        content = io.BytesIO(whole)
        with h5py.File(content, "r+") as file:
            change(file)
        return content.getvalue()

    def loop(file: h5py.File) -> None:
        file["layers/dense/loop"] = file["layers"]

    def deep(file: h5py.File) -> None:
        group = file["vars"]
        for _ in range(3000):
            group = group.create_group("g")
        del file["layers/dense/vars/0"]

    def many_links(file: h5py.File) -> None:
        group = file["layers/dense/vars"]
        for index in range(2, 20_000):
            group[str(index)] = group["1"]

    def attribute(file: h5py.File) -> None:
        file["vars"].attrs.create("layer_names", np.zeros(5000, "S1"))
        file.attrs["layer_names"] = np.array([b"layers"] * 9000)

    def self_path(file: h5py.File) -> None:
        file.attrs["layer_names"] = np.array([b"layers", b"./layers", b"//layers"])

    def chunks(file: h5py.File) -> None:
        del file["layers/dense/vars/1"]
        file.create_dataset("layers/dense/vars/1", (3,), "f4", chunks=(2**28,), maxshape=(None,))

    def bomb(file: h5py.File) -> None:
        del file["layers/dense/vars/1"]
        zeros = np.zeros(2**24, "f4")
        file.create_dataset("layers/dense/vars/1", data=zeros, compression=9, chunks=(2**22,))

    for change in (loop, deep, many_links, attribute, self_path, chunks, bomb):
        yield change.__name__, changed(change)


def png(width: int, height: int, pixels: bytes, depth: int = 8) -> bytes:
    """A gray PNG (ISO 15948) whose header may promise anything."""
    row = len(pixels) // height if height and len(pixels) >= height else len(pixels)
    rows = b"".join(b"\0" + pixels[i : i + row] for i in range(0, len(pixels), max(row, 1)))
    header = struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def bad_pngs() -> Spoilt:
    """Headers that promise too much, and pixels that are many in few bytes."""
    most = 2**31 - 1
    for width, height in ((most, most), (most, 1), (1, most), (2**16, 2**16), (0, 8), (8, 0)):
        yield f"size-{width}-{height}", png(width, height, bytes(64))
    yield "bomb", png(10_000, 10_000, bytes(10**8))
    yield "depth", png(8, 8, bytes(64), depth=255)
    yield "text", b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 2**31 - 1) + b"zTXt"


def hostile(kind: str, whole: bytes) -> Spoilt:
    if kind.startswith("idx"):
        yield from huge_idx(kind)
    if kind in ("npz", "keras"):
        yield from bad_zips(whole)
    if kind == "npz":
        yield from bad_arrays(whole)
    if kind == "json":
        yield from bad_configs()
    if kind == "png":
        yield from bad_pngs()
    if kind == "keras":
        with zipfile.ZipFile(io.BytesIO(whole)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        for name, config in bad_configs():
            changed = list({**members, "config.json": config}.items())
            yield name, zip_of(changed, compression=zipfile.ZIP_DEFLATED)
    if kind == "weights.h5":
        yield from bad_hdf5(whole)


@pytest.mark.parametrize(
    ("kind", "samples"),
    [
        *(("idx", 200), ("idx.gz", 200), ("npz", 120), ("json", 150)),
        *(("keras", 60), ("h5", 80), ("weights.h5", 80), ("png", 500)),
    ],
)
def test_hostile_files_take_little_and_change_nothing(
    kind: str, samples: int, tmp_path: Path
) -> None:
    if kind == "png":
        pytest.importorskip("PIL", reason="Pillow is not installed: pip install 'convlet[image]'")
    folder = tmp_path / "files"
    folder.mkdir()
    whole = honest_file(kind, tmp_path)
    (folder / f"0.{kind}").write_bytes(whole)
    made = 0
    for index, (name, content) in enumerate([*hostile(kind, whole), *damaged(whole, samples)]):
        made += not name.startswith(("cut", "byte"))
        safe = "".join(c if c.isalnum() else "_" for c in name)[:60]
        (folder / f"1-{index:05}-{safe}.{kind}").write_bytes(content)
    before = sorted(tmp_path.rglob("*"))
    tests = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", READER, kind, str(folder)],
        env={**os.environ, "PYTHONPATH": tests},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    errors, count, grown = map(int, done.stdout.split())
    assert errors >= count / 5  # the others changed numbers, or what nobody reads
    assert errors >= made - 2
    if not SANITIZED:  # they keep freed memory for a while
        assert grown <= 2 * len(whole) + 64 * 2**20
    assert sorted(tmp_path.rglob("*")) == before  # and no file is written
