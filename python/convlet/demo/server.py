"""The page's server: the standard library's, on the loopback address alone.

Other pages in the same browser may send requests here, too. The Host header must name the loopback
address (a foreign name that resolves to it, DNS rebinding, does not), a POST must come from this
page (Origin) and be JSON, and bodies are small. Only the files in a fixed table are served.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from convlet.demo.observer import DigitObserver

ADDRESS = "127.0.0.1"
MAX_BODY = 1_000_000
MAX_SIDE = 512

_FILES = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "frame-ancestors 'none'"
)
_TIMEOUT = 10.0  # seconds in which a request must have arrived


class DemoServer(ThreadingHTTPServer):
    """Serves the page and answers its drawings.

    Args:
        port: Port; 0 for any free one.
        observer: What looks at the drawings.

    Raises:
        OSError: If the port is taken or may not be used.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, observer: DigitObserver) -> None:
        self.observer = observer
        try:
            super().__init__((ADDRESS, port), _Handler)
        except OSError as error:
            raise OSError(
                f"Cannot listen on port {port}: {error.strerror}. Choose another one with --port; "
                "--port 0 takes a free one."
            ) from error

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{ADDRESS}:{self.server_port}/"

    @property
    def hosts(self) -> tuple[str, ...]:
        """The Host headers that mean this server."""
        return tuple(f"{name}:{self.server_port}" for name in (ADDRESS, "localhost"))


class _Refused(Exception):
    """A request that is not answered."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    server: DemoServer
    timeout = _TIMEOUT

    def do_GET(self) -> None:
        """Sends the page or one of its files."""
        self._answer(self._file)

    def do_POST(self) -> None:
        """Classifies a drawing."""
        self._answer(self._look)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (http.server's)
        """Says nothing: there is a request for every stroke."""

    def _answer(self, work: Any) -> None:
        try:
            if self.headers.get("Host") not in self.server.hosts:
                raise _Refused(HTTPStatus.FORBIDDEN, "This server is for this machine alone.")
            content, content_type = work()
            self._send(HTTPStatus.OK, content, content_type)
        except _Refused as error:
            self.close_connection = True
            content = json.dumps({"error": str(error)}).encode()
            self._send(error.status, content, "application/json")

    def _send(self, status: HTTPStatus, content: bytes, content_type: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Security-Policy", _POLICY)
        self.end_headers()
        self.wfile.write(content)

    def _file(self) -> tuple[bytes, str]:
        if self.path not in _FILES:
            raise _Refused(HTTPStatus.NOT_FOUND, "There is no such page.")
        name, content_type = _FILES[self.path]
        return resources.files(__package__).joinpath(name).read_bytes(), content_type

    def _look(self) -> tuple[bytes, str]:
        if self.path != "/look":
            raise _Refused(HTTPStatus.NOT_FOUND, "There is no such page.")
        if self.headers.get("Origin") not in [f"http://{host}" for host in self.server.hosts]:
            raise _Refused(HTTPStatus.FORBIDDEN, "Only the demo's own page may ask.")
        if self.headers.get_content_type() != "application/json":
            raise _Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Expected application/json.")
        answer = self.server.observer.look(drawing_from(self._body()))
        return json.dumps(answer).encode(), "application/json"

    def _body(self) -> bytes:
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdigit()):
            raise _Refused(HTTPStatus.LENGTH_REQUIRED, "Expected a Content-Length.")
        if len(length) > 9 or int(length) > MAX_BODY:
            raise _Refused(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"At most {MAX_BODY:,} bytes are read."
            )
        return self.rfile.read(int(length))


def drawing_from(body: bytes) -> npt.NDArray[np.uint8]:
    """Reads `{"width": w, "height": h, "pixels": [0 to 255, row by row]}`.

    Raises:
        _Refused: If it is anything else.
    """
    try:
        content = json.loads(body)
        height, width, pixels = (content[name] for name in ("height", "width", "pixels"))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _Refused(
            HTTPStatus.BAD_REQUEST, "Expected JSON with width, height and pixels."
        ) from error
    if not all(type(side) is int and 1 <= side <= MAX_SIDE for side in (height, width)):
        raise _Refused(HTTPStatus.BAD_REQUEST, f"Width and height must be 1 to {MAX_SIDE}.")
    if not isinstance(pixels, list) or len(pixels) != height * width:
        raise _Refused(HTTPStatus.BAD_REQUEST, f"Expected {height * width} pixels.")
    if not all(type(pixel) is int and 0 <= pixel <= 255 for pixel in pixels):
        raise _Refused(HTTPStatus.BAD_REQUEST, "Pixels must be integers from 0 to 255.")
    return np.array(pixels, np.uint8).reshape(height, width)
