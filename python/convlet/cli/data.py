"""`convlet data DATASET`."""

from __future__ import annotations

import argparse
import json
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from convlet.cli.arguments import add_command, add_json

if TYPE_CHECKING:
    from convlet.cli.arguments import Commands
    from convlet.datasets.image_dataset import LoadedData

DATASETS = ("mnist", "fashion_mnist", "cifar10", "cifar100")


def register(commands: Commands) -> None:
    """Adds the command."""
    parser = add_command(
        commands,
        "data",
        run,
        help_="fetch and verify data sets",
        description="Find data sets on this machine, or download them, compare them with their "
        "known SHA-256, and print where they are.",
        examples="convlet data mnist\nconvlet data mnist cifar10 --json\n"
        "convlet data mnist --offline",
    )
    parser.add_argument(
        "datasets", nargs="+", choices=DATASETS, metavar="DATASET", help=", ".join(DATASETS)
    )
    parser.add_argument("--offline", action="store_true", help="do not download")
    add_json(parser)


def load(name: str, path: str | None = None, *, download: bool = True) -> LoadedData:
    """Loads a data set by name, from `path` or from wherever it is found."""
    module = import_module(f"convlet.datasets.{name}")
    return cast("LoadedData", module.load_data(path, download=download))


def run(options: argparse.Namespace) -> None:
    """Loads each data set, which verifies it, and prints where it is and its checksums."""
    results = [_verified(name, not options.offline) for name in dict.fromkeys(options.datasets)]
    if options.json:
        print(json.dumps(results))
        return
    for result in results:
        print(f"{result['name']}: {result['place'] or 'not kept on this machine'}")
        print(f"  {result['training_images']} training and {result['test_images']} test images")
        for file, digest in result["sha256"].items():
            print(f"  {file}: SHA-256 {digest}")


def _verified(name: str, download: bool) -> dict[str, Any]:
    (x_train, _), (x_test, _) = load(name, download=download)
    place, sha256 = _place_and_checksums(name)
    return {
        "name": name,
        "place": place,
        "training_images": len(x_train),
        "test_images": len(x_test),
        "sha256": sha256,
    }


def _place_and_checksums(name: str) -> tuple[str | None, dict[str, str]]:
    """Returns where the data set was found, and the checksum of each file, which it has met."""
    from convlet.datasets import cifar, loader

    module = import_module(f"convlet.datasets.{name}")
    if hasattr(module, "ARCHIVE"):
        archive = module.ARCHIVE
        place, sha256 = cifar.locate(archive), {archive.file_name: archive.sha256}
    else:
        place = loader.locate(module.DATASET)
        sha256 = {file.name: file.sha256 for file in module.DATASET.files}
    return None if place is None else str(place), sha256
