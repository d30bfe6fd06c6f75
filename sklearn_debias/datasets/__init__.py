"""Data with shortcuts: generators, and readers of local files. Nothing is ever downloaded."""

from sklearn_debias.datasets._bar import read_bar
from sklearn_debias.datasets._biased_mnist import colour_mnist, patch_mnist
from sklearn_debias.datasets._digits import load_biased_digits
from sklearn_debias.datasets._embeddings import make_spurious_embeddings
from sklearn_debias.datasets._folder import data_folder
from sklearn_debias.datasets._mnist import read_mnist

__all__ = [
    "colour_mnist",
    "data_folder",
    "load_biased_digits",
    "make_spurious_embeddings",
    "patch_mnist",
    "read_bar",
    "read_mnist",
]
