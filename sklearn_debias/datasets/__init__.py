"""Data with shortcuts, long tails and noisy labels: generators, and readers of local files.

Nothing is downloaded.
"""

from sklearn_debias.datasets._attributes import attribute_long_tail
from sklearn_debias.datasets._bar import read_bar
from sklearn_debias.datasets._biased_mnist import colour_mnist, patch_mnist
from sklearn_debias.datasets._binary_mnist import binary_colour_mnist
from sklearn_debias.datasets._corrupted import corrupted_images
from sklearn_debias.datasets._digits import load_biased_digits
from sklearn_debias.datasets._embeddings import make_spurious_embeddings
from sklearn_debias.datasets._folder import data_folder
from sklearn_debias.datasets._glt import glt_split
from sklearn_debias.datasets._label_noise import flip_labels
from sklearn_debias.datasets._long_tail import balanced_indices, long_tail_indices
from sklearn_debias.datasets._mnist import read_mnist
from sklearn_debias.datasets.readers import read_group_folders, read_metadata_csv

__all__ = [
    "attribute_long_tail",
    "balanced_indices",
    "binary_colour_mnist",
    "colour_mnist",
    "corrupted_images",
    "data_folder",
    "flip_labels",
    "glt_split",
    "load_biased_digits",
    "long_tail_indices",
    "make_spurious_embeddings",
    "patch_mnist",
    "read_bar",
    "read_group_folders",
    "read_metadata_csv",
    "read_mnist",
]
