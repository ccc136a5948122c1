"""A server of the demo for tests, with a model that has seen a little of MNIST."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from convlet.cli.digit_convnet import compiled_digit_convnet
from convlet.datasets import mnist
from convlet.demo.observer import DigitObserver
from convlet.demo.server import DemoServer
from convlet.utils import set_random_seed, to_categorical


def make_observer() -> DigitObserver:
    """Trains a model for a moment."""
    set_random_seed(1)
    (x, y), _ = mnist.load_data()
    model = compiled_digit_convnet()
    model.fit(x[:10_000, ..., None], to_categorical(y[:10_000], 10), batch_size=64, verbose=0)
    return DigitObserver(model)


@contextlib.contextmanager
def running(observer: DigitObserver) -> Iterator[DemoServer]:
    """Serves on a free port, in a thread."""
    with DemoServer(0, observer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
