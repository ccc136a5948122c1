"""The demo's server, without a browser: good and hostile requests."""

from __future__ import annotations

import base64
import http.client
import json

import numpy as np
import pytest

import convlet
from convlet import cli
from convlet.datasets import mnist
from convlet.demo.observer import DigitObserver
from convlet.digits import prepare_digit
from demo_server import make_observer, running


@pytest.fixture(scope="module")
def observer():
    return make_observer()


@pytest.fixture(scope="module")
def server(observer):
    with running(observer) as server:
        yield server


def request(server, method="POST", path="/look", body=None, headers=None):
    """Sends a request as the page would, but for what is given."""
    address = f"127.0.0.1:{server.server_port}"
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    given = {"Host": address, "Origin": f"http://{address}", "Content-Type": "application/json"}
    given.update(headers or {})
    try:
        connection.request(method, path, body, {k: v for k, v in given.items() if v is not None})
        response = connection.getresponse()
        return response.status, response.read(), response.headers
    finally:
        connection.close()


def drawing(digit, **changes):
    content = {"width": 28, "height": 28, "pixels": digit.reshape(-1).tolist(), **changes}
    return json.dumps(content)


DIGIT = np.arange(784, dtype=np.uint8).reshape(28, 28)


@pytest.mark.parametrize(
    ("path", "content_type", "part"),
    [
        ("/", "text/html", b"<title>"),
        ("/page.js", "text/javascript", b"fetch("),
        ("/page.css", "text/css", b"prefers-color-scheme"),
    ],
)
def test_page(server, path, content_type, part):
    status, content, headers = request(server, "GET", path, headers={"Origin": None})
    assert status == 200
    assert headers["Content-Type"].startswith(content_type)
    assert part in content
    assert b"https://" not in content
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_answer_is_what_the_model_predicts(server, observer):
    digit = mnist.load_data()[1][0][0]
    status, content, _ = request(server, body=drawing(digit))
    assert status == 200
    answer = json.loads(content)
    assert answer["digit"] == 7
    model = observer._model
    expected = model.predict(prepare_digit(digit)[None, ..., None], verbose=0)[0]
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)
    assert [layer["name"] for layer in answer["layers"]] == [layer.name for layer in model.layers]
    for layer in answer["layers"]:
        values = base64.b64decode(layer["data"])
        assert len(values) == np.prod(layer["shape"])
        assert max(values) == 255


def test_an_empty_drawing_is_no_digit(server):
    status, content, _ = request(server, body=drawing(np.full((28, 28), 255, np.uint8)))
    answer = json.loads(content)
    assert (status, answer["digit"], answer["probabilities"]) == (200, None, None)


@pytest.mark.parametrize(
    ("status", "changes"),
    [
        (403, {"headers": {"Host": "evil.example"}}),
        (403, {"headers": {"Host": "evil.example"}, "method": "GET", "path": "/"}),
        (403, {"headers": {"Origin": "http://evil.example"}}),
        (403, {"headers": {"Origin": None}}),
        (415, {"headers": {"Content-Type": "text/plain"}}),
        (413, {"headers": {"Content-Length": "99999999"}}),
        (413, {"headers": {"Content-Length": "9" * 5000}}),
        (411, {"headers": {"Content-Length": "-1"}}),
        (404, {"path": "/other"}),
        (404, {"method": "GET", "path": "/../server.py"}),
        (404, {"method": "GET", "path": "/%2e%2e/server.py"}),
        (501, {"method": "PUT"}),
    ],
)
def test_hostile_requests(server, status, changes):
    body = drawing(DIGIT) if "Content-Length" not in changes.get("headers", {}) else "{}"
    assert request(server, **{"body": body, **changes})[0] == status


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        drawing(DIGIT, pixels=None),
        drawing(DIGIT, pixels=[0.5] * 784),
        drawing(DIGIT, pixels=[float("nan")] * 784),
        drawing(DIGIT, pixels=[True] * 784),
        drawing(DIGIT, pixels=[256] * 784),
        drawing(DIGIT, pixels=[10**400] * 784),
        drawing(DIGIT, width=27),
        drawing(DIGIT, width=0),
        drawing(DIGIT, width=-28),
        drawing(DIGIT, width=28.0),
        drawing(DIGIT, width=10**9),
        b"\xff\xfe",
    ],
    ids=range(17),
)
def test_bodies_that_are_no_drawing(server, body):
    status, content, _ = request(server, body=body)
    assert status == 400
    assert json.loads(content)["error"].endswith(".")


def test_port_that_is_taken(server, monkeypatch, tmp_path, capsys):
    path = tmp_path / "a.keras"
    server.observer._model.save(path)
    port = str(server.server_port)
    assert cli.main(["demo", str(path), "--port", port, "--no-browser"]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"convlet: error: Cannot listen on port {port}: ")
    assert "--port 0" in error


def test_model_of_another_shape():
    model = convlet.Sequential(
        [convlet.Input((8, 8, 1)), convlet.layers.Flatten(), convlet.layers.Dense(10)]
    )
    with pytest.raises(ValueError, match=r"shape \(28, 28, 1\) to 10 classes"):
        DigitObserver(model)
