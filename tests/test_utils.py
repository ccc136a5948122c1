"""utils, backend and config."""

from __future__ import annotations

import contextlib
import hashlib
import io
import random
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from convlet import backend, config, utils
from convlet.utils.naming import to_snake_case
from convlet.utils.random_state import generator


def test_to_categorical() -> None:
    encoded = utils.to_categorical([0, 2, 1])
    assert encoded.dtype == np.float32
    assert encoded.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float64])
def test_to_categorical_takes_every_real_type(dtype: Any) -> None:
    labels = np.array([0, 1, 1], dtype)
    assert utils.to_categorical(labels, 3).tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    ("shape", "result"),
    [((4,), (4, 5)), ((4, 1), (4, 5)), ((2, 2), (2, 2, 5)), ((1,), (1, 5)), ((), (5,))],
    ids=str,
)
def test_to_categorical_shapes(shape: tuple[int, ...], result: tuple[int, ...]) -> None:
    assert utils.to_categorical(np.zeros(shape, int), 5).shape == result


@pytest.mark.parametrize(
    ("x", "classes", "message"),
    [
        ([0, 3], 3, r"class index in \[0, 3\). Received: 3"),
        ([-1, 0], None, "Received: -1"),
        ([], None, "must not be empty"),
        (["a"], None, "must hold numbers"),
        ([0.5], None, "whole number"),
        ([np.nan], None, "whole number"),
        ([np.inf], None, "whole number"),
        ([0], 0, "`num_classes`"),
        ([0], 2.5, "`num_classes`"),
    ],
    ids=str,
)
def test_to_categorical_refuses_what_is_no_class(x: Any, classes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        utils.to_categorical(x, classes)


def test_seed_is_that_of_every_generator() -> None:
    def draw() -> list[float]:
        return [random.random(), float(np.random.random()), float(generator().random())]  # noqa: NPY002

    utils.set_random_seed(7)
    first = draw()
    assert draw() != first
    utils.set_random_seed(7)
    assert draw() == first


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "a", None, True])
def test_seed_that_is_none_is_refused(seed: Any) -> None:
    with pytest.raises(ValueError, match="`seed` must be an integer from 0 to 4294967295"):
        utils.set_random_seed(seed)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Conv2D", "conv2d"),
        ("MaxPooling2D", "max_pooling2d"),
        ("GlobalAveragePooling2D", "global_average_pooling2d"),
        ("BatchNormalization", "batch_normalization"),
        ("ReLU", "re_lu"),
        ("LeakyReLU", "leaky_re_lu"),
        ("RMSprop", "rm_sprop"),
        ("AdamW", "adam_w"),
        ("ELU", "elu"),
        ("InputLayer", "input_layer"),
    ],
)
def test_snake_case_is_kerass(name: str, expected: str) -> None:
    assert to_snake_case(name) == expected


def test_normalize() -> None:
    x = np.array([[3.0, 4.0], [0.0, 0.0]])
    np.testing.assert_allclose(utils.normalize(x), [[0.6, 0.8], [0, 0]])
    np.testing.assert_allclose(utils.normalize(x, axis=0), [[1, 1], [0, 0]])
    np.testing.assert_allclose(utils.normalize(x, order=1), [[3 / 7, 4 / 7], [0, 0]])
    with pytest.raises(ValueError, match="`axis` must be an integer from -2 to 1"):
        utils.normalize(x, axis=2)


def test_unique_numbers_start_anew_with_the_session() -> None:
    utils.clear_session()
    assert [backend.get_uid("a"), backend.get_uid("a"), backend.get_uid("b")] == [1, 2, 1]
    utils.clear_session()
    assert backend.get_uid("a") == 1


def test_settings_are_what_they_are() -> None:
    assert (config.floatx(), config.image_data_format()) == ("float32", "channels_last")
    assert config.epsilon() == backend.epsilon() == 1e-7
    config.set_floatx("float32")
    config.set_image_data_format("channels_last")
    config.set_epsilon(1e-7)


@pytest.mark.parametrize(
    ("function", "value"),
    [
        (config.set_floatx, "float16"),
        (config.set_image_data_format, "channels_first"),
        (config.set_epsilon, 1e-5),
    ],
)
def test_other_settings_are_refused(function: Callable[[Any], None], value: Any) -> None:
    with pytest.raises(ValueError, match="the only supported value is"):
        function(value)


def test_progbar(capsys: pytest.CaptureFixture[str]) -> None:
    bar = utils.Progbar(4, stateful_metrics=["rate"], verbose=2)
    for step in range(4):
        bar.add(1, [("loss", float(step)), ("rate", 0.25 * step)])
    assert capsys.readouterr().out.endswith("/step - loss: 3.0000 - rate: 0.7500\n")
    bar = utils.Progbar(8, stateless_metrics=["loss"], verbose=2)
    bar.update(2, [("loss", 1.0), ("rate", 1.0)])
    bar.update(4, [("loss", 2.0), ("rate", 2.0)])
    bar.update(4, finalize=True)
    assert capsys.readouterr().out.endswith("/step - loss: 1.5000 - rate: 2.0000\n")
    with pytest.raises(ValueError, match="`width=30`"):
        utils.Progbar(4, width=30)
    with pytest.raises(ValueError, match="Only one of"):
        utils.Progbar(4, stateful_metrics=[], stateless_metrics=[])


# ---- get_file -----------------------------------------------------------------------------------


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source" / "data.txt"
    path.parent.mkdir()
    path.write_text("some data")
    return path


def get(path: Path, tmp_path: Path, **arguments: Any) -> Path:
    arguments = {"origin": path.as_uri(), "cache_dir": tmp_path / "cache", **arguments}
    return Path(utils.get_file(**arguments))


def test_get_file(source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = get(source, tmp_path)
    assert path == tmp_path / "cache" / "datasets" / "data.txt"
    assert path.read_text() == "some data"
    assert "without a `file_hash`" in caplog.text
    source.write_text("other data")
    assert get(source, tmp_path).read_text() == "some data"
    assert get(source, tmp_path, force_download=True).read_text() == "other data"
    assert get(source, tmp_path, fname="a", cache_subdir="b/c").parent.name == "c"


def test_hash_of_a_file(source: Path, tmp_path: Path) -> None:
    right = hashlib.sha256(b"some data").hexdigest()
    path = get(source, tmp_path, file_hash=right)
    path.write_text("spoilt")
    assert get(source, tmp_path, file_hash=right).read_text() == "some data"
    get(source, tmp_path, md5_hash=hashlib.md5(b"some data").hexdigest())
    with pytest.raises(ValueError, match=f"its sha256 is {right}, expected 0000"):
        get(source, tmp_path, file_hash="0" * 64)
    assert path.read_text() == "some data"
    assert [entry.name for entry in path.parent.iterdir()] == ["data.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"origin": None}, 'Please specify the "origin" argument'),
        ({"origin": "http://example.com/a"}, "must be an https: or a file: URL"),
        ({"origin": "ftp://example.com/a"}, "must be an https: or a file: URL"),
        ({"fname": "../a"}, "Paths must be relative and stay in their directory"),
        ({"fname": "/a"}, "Paths must be relative"),
        ({"cache_subdir": "a/../../b"}, "Paths must be relative"),
        ({"file_hash": "abc"}, "`file_hash` must have 64 hexadecimal digits"),
        ({"hash_algorithm": "crc"}, "The `hash_algorithm` argument must be one of"),
        ({"archive_format": "rar"}, "The `archive_format` argument must be one of"),
        ({"extract": True}, "not a tar or zip archive"),
    ],
)
def test_get_file_refuses(
    source: Path, tmp_path: Path, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        get(source, tmp_path, **arguments)


def make_tar(path: Path, member: tarfile.TarInfo, content: bytes = b"text") -> None:
    with tarfile.open(path, "w:gz") as archive:
        if member.isreg():
            member.size = len(content)
        archive.addfile(member, io.BytesIO(content))


def test_archives_are_unpacked(tmp_path: Path) -> None:
    make_tar(tmp_path / "a.tar.gz", tarfile.TarInfo("folder/file.txt"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("folder/file.txt", "text")
    for name in ("a.tar.gz", "a.zip"):
        directory = get(tmp_path / name, tmp_path, extract=True)
        assert directory.name == f"{name}_extracted"
        assert (directory / "folder" / "file.txt").read_text() == "text"


def links(kind: bytes, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo("link")
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize(
    "member",
    [
        tarfile.TarInfo("../outside"),
        tarfile.TarInfo("/outside"),
        tarfile.TarInfo("a/../../outside"),
        links(tarfile.SYMTYPE, "/etc"),
        links(tarfile.LNKTYPE, "../../outside"),
        links(tarfile.FIFOTYPE, ""),
    ],
    ids=lambda member: f"{member.name} {member.type!r}",
)
def test_hostile_archive_is_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    make_tar(tmp_path / "a.tar.gz", member)
    with pytest.raises(ValueError, match=r"Paths must be relative|neither a file nor a directory"):
        get(tmp_path / "a.tar.gz", tmp_path, untar=True)
    assert not (tmp_path / "cache" / "datasets" / "a.tar.gz_extracted").exists()
    assert not list(tmp_path.rglob("outside"))


def test_archive_that_is_much_smaller_than_its_content_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for index in range(21):
            archive.writestr(f"{index}", bytes(10 << 20))
    with pytest.raises(ValueError, match="more than 200 times as large"):
        get(tmp_path / "a.zip", tmp_path, extract=True)


# ---- Images -------------------------------------------------------------------------------------


def test_images(tmp_path: Path, rng: np.random.Generator) -> None:
    pytest.importorskip("PIL", reason="Pillow is not installed: pip install 'convlet[image]'")
    for channels, mode in [(1, "grayscale"), (3, "rgb"), (4, "rgba")]:
        pixels = rng.integers(0, 256, (7, 9, channels)).astype(np.float32)
        path = tmp_path / f"{mode}.png"
        utils.save_img(path, pixels, scale=False)
        image = utils.load_img(path, color_mode=mode)
        assert image.size == (9, 7)
        array = utils.img_to_array(image)
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, pixels)
        assert utils.img_to_array(utils.load_img(path, target_size=(4, 3))).shape == (4, 3, 3)
    spread = utils.img_to_array(utils.array_to_img(np.linspace(-1, 1, 12).reshape(3, 4, 1)))
    assert (spread.min(), spread.max()) == (0, 255)
    utils.save_img(tmp_path / "a.jpg", np.zeros((4, 4, 4)))
    assert utils.load_img(io.BytesIO((tmp_path / "a.jpg").read_bytes())).mode == "RGB"


@pytest.mark.filterwarnings("ignore")
def test_damaged_images_are_refused(tmp_path: Path, rng: np.random.Generator) -> None:
    pytest.importorskip("PIL", reason="Pillow is not installed: pip install 'convlet[image]'")
    path = tmp_path / "a.png"
    utils.save_img(path, rng.integers(0, 256, (5, 6, 3)), scale=False)
    whole = path.read_bytes()
    accepted = 0
    for place in range(len(whole)):
        changed = [whole[:place] + bytes([v]) + whole[place + 1 :] for v in (0, 0x7F, 0x80, 0xFF)]
        for content in (whole[:place], *changed):
            with contextlib.suppress(OSError, ValueError):
                utils.load_img(io.BytesIO(content))
                accepted += 1
    assert accepted < 3 * len(whole)
    huge = bytearray(whole)
    huge[16:24] = (2**15).to_bytes(4, "big") * 2  # width and height
    huge[29:33] = zlib.crc32(huge[12:29]).to_bytes(4, "big")
    with pytest.raises(ValueError, match="the image is too large"):
        utils.load_img(io.BytesIO(huge))


def test_aspect_ratio_can_be_kept(tmp_path: Path) -> None:
    pytest.importorskip("PIL", reason="Pillow is not installed: pip install 'convlet[image]'")
    pixels = np.zeros((4, 12, 1), np.float32)
    pixels[:, 4:8] = 255
    utils.save_img(tmp_path / "a.png", pixels, scale=False)
    image = utils.load_img(tmp_path / "a.png", "grayscale", (2, 2), keep_aspect_ratio=True)
    np.testing.assert_array_equal(utils.img_to_array(image), np.full((2, 2, 1), 255))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: utils.load_img("a.png", color_mode="cmyk"), "color_mode must be"),
        (lambda: utils.load_img("a.png", interpolation="cubic"), "Invalid interpolation method"),
        (lambda: utils.array_to_img(np.zeros((4, 4))), "to have rank 3"),
        (lambda: utils.array_to_img(np.zeros((4, 4, 2))), "Unsupported channel number: 2"),
        (lambda: utils.array_to_img(np.zeros((4, 4, 1)), "channels_first"), "channels_first"),
        (lambda: utils.img_to_array(np.zeros(4)), "Unsupported image shape"),
    ],
)
def test_images_that_cannot_be(call: Callable[[], Any], message: str) -> None:
    pytest.importorskip("PIL", reason="Pillow is not installed: pip install 'convlet[image]'")
    with pytest.raises(ValueError, match=message):
        call()


def test_missing_pillow_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(ImportError, match=r"pip install 'convlet\[image\]'"):
        utils.load_img("a.png")
