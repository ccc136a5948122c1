"""The command `convlet`: `convlet train mnist`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convlet.models import Sequential

_INTERRUPTED = 130  # what shells report for a process that Ctrl-C has ended: 128 + SIGINT


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: The command line without the name of the program; `None` for the process's own.

    Returns:
        The exit code: 0, 1 after an error, 130 after Ctrl-C. Wrong arguments end the process with
        exit code 2, as usual with argparse.
    """
    try:
        parser = _parser()
        options = parser.parse_args(arguments)
        _set_num_threads(parser, options.threads)
        _train_mnist(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader (`| head`) has had enough. What is still in the buffer has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (OSError, ValueError, MemoryError, ImportError) as error:
        print(f"convlet: error: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    from convlet import __version__

    parser = argparse.ArgumentParser(
        prog="convlet", description="Train convolutional networks on the CPU."
    )
    parser.add_argument("--version", action="version", version=f"convlet {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    train = commands.add_parser(
        "train",
        help="train an example network",
        description="Train a small convolutional network and print its accuracy on the test set.",
    )
    train.add_argument("dataset", choices=["mnist"], help="what to train on")
    train.add_argument(
        "--epochs",
        type=_positive,
        default=5,
        metavar="N",
        help="passes over the training set (default: %(default)s)",
    )
    train.add_argument(
        "--batch-size",
        type=_positive,
        default=64,
        metavar="N",
        help="images per step (default: %(default)s)",
    )
    train.add_argument(
        "--seed",
        type=_seed,
        metavar="N",
        help="make the run repeatable (default: another run every time)",
    )
    train.add_argument(
        "--threads",
        type=_positive,
        metavar="N",
        help="threads to use (default: the CPUs this process may use)",
    )
    train.add_argument(
        "--data",
        metavar="PATH",
        help="directory with MNIST's IDX files or mnist.npz "
        "(default: search this machine, then download)",
    )
    train.add_argument(
        "--save",
        type=_weights_path,
        metavar="PATH",
        help="write the trained weights to PATH, which must end in .weights.h5",
    )
    return parser


def _integer(text: str, low: int, high: int) -> int:
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not an integer: {text!r}") from None
    if not low <= value <= high:
        raise argparse.ArgumentTypeError(f"{value} is not from {low} to {high}")
    return value


def _positive(text: str) -> int:
    return _integer(text, 1, 2**31 - 1)


def _seed(text: str) -> int:
    return _integer(text, 0, 2**32 - 1)


def _weights_path(text: str) -> Path:
    """Finds out before the training, not after it, that the weights cannot be written."""
    from convlet.saving.api import check_weights_path

    path = Path(text).expanduser()
    try:
        check_weights_path(path)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"is a directory: {text!r}")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"no such directory: '{path.parent}'")
    if not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"cannot write to directory: '{path.parent}'")
    return path


def _set_num_threads(parser: argparse.ArgumentParser, threads: int | None) -> None:
    import convlet

    if threads is not None:
        try:
            convlet.set_num_threads(threads)
        except ValueError as error:
            parser.error(f"argument --threads: {error}")


def _train_mnist(options: argparse.Namespace) -> None:
    """Loads MNIST, trains the network, prints what it has learned, and saves it if asked to."""
    from convlet.datasets import mnist
    from convlet.utils import set_random_seed, to_categorical

    if options.seed is not None:
        set_random_seed(options.seed)
    (x_train, y_train), (x_test, y_test) = mnist.load_data(options.data)
    model = _mnist_model()
    model.compile(optimizer="rmsprop", loss="categorical_crossentropy", metrics=["accuracy"])
    model.summary()
    # The images stay as they are, one byte for each pixel: the network reads them in place.
    model.fit(
        x_train[..., None],
        to_categorical(y_train, 10),
        epochs=options.epochs,
        batch_size=options.batch_size,
    )
    test = model.evaluate(
        x_test[..., None], to_categorical(y_test, 10), verbose=0, return_dict=True
    )
    assert isinstance(test, dict)  # that is what return_dict asks for
    print(f"Test loss: {test['loss']:.4f}")
    print(f"Test accuracy: {test['accuracy']:.2%}")
    if options.save is not None:
        model.save_weights(options.save)
        print(f"Weights written to {options.save}")


def _mnist_model() -> Sequential:
    """Builds the network, with `Rescaling` in place of an array of scaled images."""
    from convlet import layers, models

    return models.Sequential(
        [
            layers.Input((28, 28, 1)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
