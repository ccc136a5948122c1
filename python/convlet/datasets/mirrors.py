"""Downloading the files of a data set from its mirrors."""

from __future__ import annotations

import io
import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, TypeVar

from convlet.datasets.errors import DownloadError
from convlet.datasets.idx import read_idx_stream
from convlet.datasets.image_dataset import Arrays, IdxFile, ImageArray, ImageDataset

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_Result = TypeVar("_Result")

_LOGGER = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 14
# The gzip files are smaller than their content; this leaves room for a file of noise.
_SIZE_MARGIN = 1 << 16
_TRANSIENT_STATUS = (408, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Patience:
    """How long to put up with a mirror.

    Args:
        timeout: Seconds to wait for a connection, and then each time for more data.
        attempts: How often to ask for a file if the connection breaks.
        backoff: Seconds to wait before the second attempt; twice that before the third, and so on.
    """

    timeout: float = 20.0
    attempts: int = 3
    backoff: float = 1.0


def download(dataset: ImageDataset, patience: Patience) -> Arrays:
    """Downloads a data set, each file from the first mirror that has it unharmed.

    Args:
        dataset: Description of the data set.
        patience: Timeouts and attempts.

    Returns:
        The arrays by file name.

    Raises:
        DownloadError: If one of the files could not be had from any mirror.
    """
    arrays: Arrays = {}
    failures = []
    for mirror in dataset.mirrors:
        failure = _download_missing(dataset, arrays, mirror, patience)
        if failure is None:
            return arrays
        _LOGGER.warning("Cannot download %s", failure)
        failures.append(failure)
    raise DownloadError(failures)


def _download_missing(
    dataset: ImageDataset, arrays: Arrays, mirror: str, patience: Patience
) -> str | None:
    """Adds to `arrays` what is missing, and returns what went wrong, if anything did."""
    try:
        for file in dataset.files:
            if file.name not in arrays:
                arrays[file.name] = _download_file(dataset, file, mirror, patience)
    except DownloadError as error:
        return str(error)
    return None


def _download_file(
    dataset: ImageDataset, file: IdxFile, mirror: str, patience: Patience
) -> ImageArray:
    """Downloads and checks one file."""
    name = f"{file.name}.gz"

    def get() -> ImageArray:
        content = CappedBytesIO(name, limit=math.prod(file.shape) + _SIZE_MARGIN)
        fetch(f"{mirror}{name}", content, patience.timeout)
        return _read(dataset, file, content)

    return with_patience(f"{mirror}{name}", get, patience)


def with_patience(url: str, get: Callable[[], _Result], patience: Patience) -> _Result:
    """Calls a function that downloads from a URL, again if the connection breaks.

    Args:
        url: The URL, for the error message.
        get: The function; a ValueError of its own means that what came is wrong.
        patience: Number of attempts, and the time between them.

    Returns:
        What `get` returns.

    Raises:
        DownloadError: If it fails for good.
    """
    import requests
    import urllib3

    attempt = 1
    while True:
        try:
            return get()
        except ValueError as error:
            # Content that is wrong will be wrong the next time too.
            reason = str(error).removeprefix(f"{url.rpartition('/')[2]}: ")
            raise DownloadError([f"{url}: {reason}"]) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            if attempt >= patience.attempts or not _is_transient(error):
                raise DownloadError([f"{url}: {_reason(error)}"]) from error
        time.sleep(patience.backoff * attempt)
        attempt += 1


def fetch(url: str, target: BinaryIO, timeout: float) -> None:
    """Downloads a URL into a file, with a bar where somebody watches.

    Args:
        url: The URL.
        target: The file.
        timeout: Seconds to wait for a connection, and then each time for more data.
    """
    from pooch import HTTPDownloader
    from tqdm import tqdm

    hidden = sys.stderr is None or not sys.stderr.isatty()
    _LOGGER.info("Downloading %s", url)
    # The total is pooch's to set; but a bar without one counts as no bar.
    name = url.rpartition("/")[2]
    with tqdm(desc=name, total=1, unit="B", unit_scale=True, disable=hidden) as bar:
        download = HTTPDownloader(progressbar=bar, chunk_size=_CHUNK_BYTES, timeout=timeout)
        download(url, target, None)


def _read(dataset: ImageDataset, file: IdxFile, content: CappedBytesIO) -> ImageArray:
    """Reads and checks a file that was downloaded."""
    name = f"{file.name}.gz"
    size = content.seek(0, io.SEEK_END)
    content.seek(0)
    array = read_idx_stream(content, name, size, file.shape)
    dataset.check(file, array, name)
    return array


class CappedBytesIO(io.BytesIO):
    """A file in memory that refuses to grow past a limit."""

    def __init__(self, name: str, limit: int) -> None:
        super().__init__()
        self._name = name
        self._limit = limit

    def write(self, data: ReadableBuffer, /) -> int:
        if self.tell() + memoryview(data).nbytes > self._limit:
            raise ValueError(
                f"{self._name}: too long: the server sent more than {self._limit} bytes."
            )
        return super().write(data)


def _is_transient(error: Exception) -> bool:
    """Tells whether the mirror answers but the connection broke, so that asking again may help.

    A mirror that cannot be reached at all (no such host, connection refused or not answered, a
    proxy or certificate in the way) is not asked again: the next mirror is the better chance.
    """
    import requests
    import urllib3

    if isinstance(error, requests.HTTPError):
        return error.response is not None and error.response.status_code in _TRANSIENT_STATUS
    unreachable = (
        requests.ConnectTimeout,
        requests.exceptions.ProxyError,
        requests.exceptions.SSLError,
        urllib3.exceptions.NewConnectionError,
    )
    if isinstance(error, unreachable) or isinstance(_cause(error), unreachable):
        return False
    broken = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    return isinstance(error, (*broken, urllib3.exceptions.HTTPError))


def _cause(error: Exception) -> object:
    """Returns what a `requests` exception wraps: the `reason` of urllib3's `MaxRetryError`."""
    wrapped = error.args[0] if error.args else None
    return getattr(wrapped, "reason", None) or wrapped


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {_cause(error) or error}"
