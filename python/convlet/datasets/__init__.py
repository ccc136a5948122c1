"""Small data sets for examples and tests, and the format they come in."""

from convlet.datasets import cifar10, cifar100, fashion_mnist, mnist
from convlet.datasets.idx import read_idx, write_idx

__all__ = ["cifar10", "cifar100", "fashion_mnist", "mnist", "read_idx", "write_idx"]
