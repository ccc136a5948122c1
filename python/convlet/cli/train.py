"""`convlet train mnist`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from convlet.cli.arguments import add_command, add_json, add_threads, positive, seed, writable_path

if TYPE_CHECKING:
    from convlet.cli.arguments import Commands


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "train",
        run,
        help_="train an example network",
        description="Train a small convolutional network and print its accuracy on the test set. "
        "Under mpirun all processes train it together.",
        examples="convlet train mnist\nconvlet train mnist --epochs 3 --seed 1 --save digits.keras",
    )
    parser.add_argument("dataset", choices=["mnist"], help="what to train on")
    parser.add_argument(
        "--epochs",
        type=positive,
        default=5,
        metavar="N",
        help="passes over the training set (default: %(default)s)",
    )
    parser.add_argument(
        "--batch-size",
        type=positive,
        default=64,
        metavar="N",
        help="images per step (default: %(default)s)",
    )
    parser.add_argument(
        "--seed",
        type=seed,
        metavar="N",
        help="make the run repeatable (default: another run every time)",
    )
    add_threads(parser)
    add_json(parser)
    parser.add_argument(
        "--data",
        metavar="PATH",
        help="directory with MNIST's IDX files or mnist.npz "
        "(default: search this machine, then download)",
    )
    parser.add_argument(
        "--save",
        type=_model_path,
        metavar="PATH",
        help="write the trained model to PATH (.keras), or its weights alone (.weights.h5)",
    )


def run(options: argparse.Namespace) -> None:
    """Loads MNIST, trains the network, prints what it has learned, and saves it if asked to."""
    from convlet.cli.digit_convnet import compiled_digit_convnet
    from convlet.datasets import mnist
    from convlet.distribution.data_parallel import DataParallel, started_together
    from convlet.utils import set_random_seed, to_categorical

    if options.seed is not None:
        set_random_seed(options.seed)
    distribution = DataParallel() if started_together() else None
    is_first = distribution is None or distribution.is_first
    if distribution is not None and not is_first:
        distribution.from_first(None)  # it may have to download the data set
    (x_train, y_train), (x_test, y_test) = mnist.load_data(options.data)
    if distribution is not None and is_first:
        distribution.from_first(None)
    model = compiled_digit_convnet(distribution)
    if not options.json:
        model.summary()
    # The images stay as they are, one byte for each pixel: the network reads them in place.
    history = model.fit(
        x_train[..., None],
        to_categorical(y_train, 10),
        epochs=options.epochs,
        batch_size=options.batch_size,
        verbose=0 if options.json else "auto",
    )
    test = model.evaluate(
        x_test[..., None], to_categorical(y_test, 10), verbose=0, return_dict=True
    )
    assert isinstance(test, dict)  # that is what return_dict asks for
    if not is_first:
        return
    if not options.json:
        print(f"Test loss: {test['loss']:.4f}")
        print(f"Test accuracy: {test['accuracy']:.2%}")
    if options.save is not None:
        whole = options.save.suffix == ".keras"
        (model.save if whole else model.save_weights)(options.save)
        if not options.json:
            print(f"{'Model' if whole else 'Weights'} written to {options.save}")
    if options.json:
        saved = None if options.save is None else str(options.save)
        print(json.dumps({"history": history.history, "test": test, "saved": saved}))


def _model_path(text: str) -> Path:
    if not text.endswith((".keras", ".weights.h5")):
        raise argparse.ArgumentTypeError(
            f"The filename must end in .keras (model) or .weights.h5 (weights), got {text!r}"
        )
    return writable_path(text)
