"""`convlet demo [MODEL]`."""

from __future__ import annotations

import argparse
import webbrowser
from typing import TYPE_CHECKING, Any

from convlet.cli.arguments import add_command, add_threads, port

if TYPE_CHECKING:
    from convlet.cli.arguments import Commands
    from convlet.model import Model


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "demo",
        run,
        help_="draw a digit and watch the network",
        description="Serve a page, to this machine alone, on which you draw a digit and see the "
        "prediction and the response maps of every layer follow the pen. Ctrl-C ends it.",
        examples="convlet demo\nconvlet demo digits.keras --port 0 --no-browser",
    )
    parser.add_argument(
        "model",
        nargs="?",
        metavar="MODEL",
        help="a saved classifier of MNIST's digits (default: train one for an epoch, and keep it)",
    )
    parser.add_argument(
        "--port",
        type=port,
        default=8028,
        metavar="N",
        help="port to listen on; 0 takes a free one (default: %(default)s)",
    )
    parser.add_argument("--no-browser", action="store_true", help="do not open a browser")
    add_threads(parser)


def run(options: argparse.Namespace) -> None:
    """Serves until Ctrl-C."""
    from convlet.cli.classifier import load_classifier
    from convlet.demo.observer import DigitObserver
    from convlet.demo.server import DemoServer

    model = _own_model() if options.model is None else load_classifier(options.model)
    with DemoServer(options.port, DigitObserver(model)) as server:
        print(f"Draw a digit at {server.url} (Ctrl-C ends this)", flush=True)
        if not options.no_browser:
            webbrowser.open(server.url)
        server.serve_forever()


def _own_model() -> Model:
    """Loads the model of an earlier run, or trains one and keeps it."""
    from convlet.cli.classifier import load_classifier
    from convlet.cli.digit_convnet import compiled_digit_convnet
    from convlet.datasets import mnist
    from convlet.datasets.cache import cache_directory
    from convlet.utils import to_categorical

    path = cache_directory() / "demo" / "digits.keras"
    if path.is_file():
        return load_classifier(str(path))
    print("Training a network for one epoch; it is kept for the next time.", flush=True)
    (x_train, y_train), _ = mnist.load_data()
    model: Any = compiled_digit_convnet()
    model.fit(x_train[..., None], to_categorical(y_train, 10), batch_size=64, verbose=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    return load_classifier(str(path))
