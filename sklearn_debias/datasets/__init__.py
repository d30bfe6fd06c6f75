"""Data with shortcuts, long tails and noisy labels: generators, and readers of local files.

Nothing is downloaded.
"""

from typing import TYPE_CHECKING

from sklearn_debias.lazy import on_demand

if TYPE_CHECKING:
    from sklearn_debias.datasets._attributes import attribute_long_tail
    from sklearn_debias.datasets._bar import read_bar
    from sklearn_debias.datasets._biased_mnist import colour_mnist, patch_mnist
    from sklearn_debias.datasets._binary_mnist import binary_colour_mnist
    from sklearn_debias.datasets._cnc_mnist import cnc_colour_mnist
    from sklearn_debias.datasets._corrupted import corrupted_images
    from sklearn_debias.datasets._digits import load_biased_digits
    from sklearn_debias.datasets._embeddings import make_spurious_embeddings
    from sklearn_debias.datasets._folder import data_folder
    from sklearn_debias.datasets._glt import glt_split
    from sklearn_debias.datasets._irm_mnist import irm_colour_mnist
    from sklearn_debias.datasets._label_noise import flip_labels
    from sklearn_debias.datasets._long_tail import balanced_indices, long_tail_indices
    from sklearn_debias.datasets._mnist import read_mnist
    from sklearn_debias.datasets._spuco_mnist import spuco_mnist
    from sklearn_debias.datasets._xrm_mnist import xrm_colour_mnist
    from sklearn_debias.datasets.readers import (
        prepare_embeddings,
        read_cifar,
        read_cifar_c,
        read_features,
        read_group_folders,
        read_long_tail,
        read_metadata_csv,
    )

__all__ = [
    "attribute_long_tail",
    "balanced_indices",
    "binary_colour_mnist",
    "cnc_colour_mnist",
    "colour_mnist",
    "corrupted_images",
    "data_folder",
    "flip_labels",
    "glt_split",
    "irm_colour_mnist",
    "load_biased_digits",
    "long_tail_indices",
    "make_spurious_embeddings",
    "patch_mnist",
    "prepare_embeddings",
    "read_bar",
    "read_cifar",
    "read_cifar_c",
    "read_features",
    "read_group_folders",
    "read_long_tail",
    "read_metadata_csv",
    "read_mnist",
    "spuco_mnist",
    "xrm_colour_mnist",
]

_PLACES = {
    "attribute_long_tail": "sklearn_debias.datasets._attributes",
    "balanced_indices": "sklearn_debias.datasets._long_tail",
    "binary_colour_mnist": "sklearn_debias.datasets._binary_mnist",
    "cnc_colour_mnist": "sklearn_debias.datasets._cnc_mnist",
    "colour_mnist": "sklearn_debias.datasets._biased_mnist",
    "corrupted_images": "sklearn_debias.datasets._corrupted",
    "data_folder": "sklearn_debias.datasets._folder",
    "flip_labels": "sklearn_debias.datasets._label_noise",
    "glt_split": "sklearn_debias.datasets._glt",
    "irm_colour_mnist": "sklearn_debias.datasets._irm_mnist",
    "load_biased_digits": "sklearn_debias.datasets._digits",
    "long_tail_indices": "sklearn_debias.datasets._long_tail",
    "make_spurious_embeddings": "sklearn_debias.datasets._embeddings",
    "patch_mnist": "sklearn_debias.datasets._biased_mnist",
    "prepare_embeddings": "sklearn_debias.datasets.readers",
    "read_bar": "sklearn_debias.datasets._bar",
    "read_cifar": "sklearn_debias.datasets.readers",
    "read_cifar_c": "sklearn_debias.datasets.readers",
    "read_features": "sklearn_debias.datasets.readers",
    "read_group_folders": "sklearn_debias.datasets.readers",
    "read_long_tail": "sklearn_debias.datasets.readers",
    "read_metadata_csv": "sklearn_debias.datasets.readers",
    "read_mnist": "sklearn_debias.datasets._mnist",
    "spuco_mnist": "sklearn_debias.datasets._spuco_mnist",
    "xrm_colour_mnist": "sklearn_debias.datasets._xrm_mnist",
}

if not TYPE_CHECKING:
    # Readers need no torch, which takes most of the time of an import.
    __getattr__, __dir__ = on_demand(__name__, _PLACES)
