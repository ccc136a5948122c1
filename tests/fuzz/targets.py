"""What is fuzzed: each reader of files as a function of bytes that may raise ValueError or OSError.

    python tests/fuzz/targets.py idx [FOLDERS OF INPUTS] [OPTIONS OF LIBFUZZER]

looks for bytes that do worse, guided by coverage; it needs `pip install atheris`. Without it the
tests run the same targets on the kept inputs, and on changes of honest files that are drawn at
random, always the same ones.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

EXPECTED = (ValueError, OSError)
CORPUS = Path(__file__).parent / "corpus"


def model() -> Any:
    from convlet import layers
    from convlet.models import Sequential

    made = Sequential([layers.Input((4,)), layers.Dense(3), layers.Dense(2)])
    made.compile("adam", "mse")
    made.train_on_batch(np.ones((2, 4)), np.ones((2, 2)))
    return made


def configurations() -> list[str]:
    """Of a few models with many kinds of layers."""
    from convlet import Model, layers
    from convlet.models import Sequential

    images = Sequential(
        [
            *(layers.Input((8, 8, 3)), layers.Rescaling(0.5), layers.RandomFlip()),
            layers.Conv2D(4, 3, padding="same", kernel_regularizer="l2", activation="relu"),
            *(layers.BatchNormalization(), layers.MaxPooling2D(), layers.Dropout(0.5)),
            layers.DepthwiseConv2D(3, dilation_rate=2, padding="same"),
            layers.Conv2DTranspose(2, 3, strides=2, kernel_constraint="max_norm"),
            *(layers.UpSampling2D(2), layers.ZeroPadding2D(1), layers.Cropping2D(1)),
            *(layers.GlobalAveragePooling2D(), layers.Reshape((2, 1)), layers.Permute((2, 1))),
            *(layers.LayerNormalization(), layers.Flatten(), layers.PReLU(), layers.Dense(2)),
        ]
    )
    x = layers.Input((4, 4, 2))
    y = layers.SeparableConv2D(2, 3, padding="same")(x)
    graph = Model(x, layers.Concatenate()([layers.Add()([x, y]), y]))
    return [made.to_json() for made in (model(), images, graph)]


def in_a_file(name: str, content: bytes, read: Callable[[Path], Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        with contextlib.suppress(*EXPECTED):
            read(path)


def idx(content: bytes) -> None:
    from convlet.datasets.idx import read_idx

    in_a_file("a.idx", content, lambda path: read_idx(path).sum())


def config(content: bytes) -> None:
    from convlet.models import model_from_json

    with contextlib.suppress(*EXPECTED):
        made = model_from_json(content.decode("utf-8", "replace"))
        assert made.count_params() >= 0


def weights(content: bytes) -> None:
    made = model()
    in_a_file("a.weights.h5", content, made.load_weights)


def archive(content: bytes) -> None:
    from convlet.models import load_model

    in_a_file("a.keras", content, load_model)


TARGETS: dict[str, Callable[[bytes], None]] = {
    each.__name__: each for each in (idx, config, weights, archive)
}


def seeds(name: str) -> list[bytes]:
    """Honest inputs of a target, to start from."""
    from convlet.datasets import write_idx

    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / known for known in ("a.idx", "b.gz", "a.weights.h5", "a.keras")]
        write_idx(paths[0], np.arange(6, dtype=np.int16).reshape(2, 3))
        write_idx(paths[1], np.arange(6, dtype=np.float32))
        model().save_weights(paths[2])
        model().save(paths[3])
        contents = [path.read_bytes() for path in paths]
    found = {"idx": contents[:2], "weights": contents[2:3], "archive": contents[3:]}
    return found.get(name) or [text.encode() for text in configurations()]


def kept(name: str) -> list[bytes]:
    """The inputs kept of earlier runs: each does something that no other one does."""
    return [path.read_bytes() for path in sorted((CORPUS / name).iterdir())]


def changed(content: bytes, rng: np.random.Generator) -> bytes:
    """A few bytes changed, repeated, left out or cut off."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 5)):
        place = int(rng.integers(len(data) + 1))
        length = int(rng.integers(1, 9))
        part = data[place : place + length]
        replacements = (b"", part * 2, rng.bytes(len(part)), b"\xff" * len(part), b"\0" * 8)
        data[place : place + length] = replacements[rng.integers(len(replacements))]
    return bytes(data)


def main() -> None:
    import atheris
    import mutations

    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in TARGETS:
        raise SystemExit(f"The first argument must be one of {', '.join(TARGETS)}.")
    with atheris.instrument_imports(include=["convlet"]):
        for seed in seeds(name):  # what is imported later is not instrumented
            TARGETS[name](seed)
    options: dict[str, Any] = {}
    if change := {"config": mutations.change_config, "archive": mutations.change_archive}.get(name):
        options["custom_mutator"] = lambda data, most, seed: change(
            data, most, seed, atheris.Mutate
        )
    atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[name], **options)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
