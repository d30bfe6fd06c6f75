"""Names that the packages above import; they may change without notice."""

from sklearn_debias.corruptions._corrupt import check_images
from sklearn_debias.corruptions._draws import read_seed
from sklearn_debias.corruptions._registry import BIASADV, ORIGINAL, SEVERITIES, find, fits

__all__ = [
    "BIASADV",
    "ORIGINAL",
    "SEVERITIES",
    "check_images",
    "find",
    "fits",
    "read_seed",
]
