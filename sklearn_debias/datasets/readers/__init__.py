"""Readers of the field's data, from local copies in the layouts that the field keeps them in.

Nothing is downloaded, and no image is opened.
"""

from sklearn_debias.datasets.readers._cifar import read_cifar
from sklearn_debias.datasets.readers._cifar_c import read_cifar_c
from sklearn_debias.datasets.readers._features import read_features
from sklearn_debias.datasets.readers._group_folders import read_group_folders
from sklearn_debias.datasets.readers._long_tail_lists import read_long_tail
from sklearn_debias.datasets.readers._metadata_csv import read_metadata_csv
from sklearn_debias.datasets.readers._prepare import prepare_embeddings

__all__ = [
    "prepare_embeddings",
    "read_cifar",
    "read_cifar_c",
    "read_features",
    "read_group_folders",
    "read_long_tail",
    "read_metadata_csv",
]
