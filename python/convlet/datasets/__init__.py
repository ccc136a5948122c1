"""Small data sets for examples and tests, and the format they come in."""

from typing import TYPE_CHECKING

from convlet._lazy import LazyNames, attach

if TYPE_CHECKING:
    from convlet.datasets import cifar10, cifar100, fashion_mnist, mnist
    from convlet.datasets.idx import read_idx, write_idx

__all__ = ["cifar10", "cifar100", "fashion_mnist", "mnist", "read_idx", "write_idx"]

_FUNCTIONS = LazyNames(__name__, {"idx": ("read_idx", "write_idx")})
__getattr__, __dir__ = attach(__name__, _FUNCTIONS, submodules=set(__all__).difference(_FUNCTIONS))
