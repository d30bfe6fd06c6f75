"""Names that the packages above import; they may change without notice."""

from sklearn_debias.metrics._encoding import correctness, encode_labels
from sklearn_debias.metrics._fitted import find_fitted, refuse_unseen
from sklearn_debias.metrics._groups import find_groups
from sklearn_debias.metrics._intervals import binomial_bounds, check_confidence
from sklearn_debias.metrics._names import many_small, shorten
from sklearn_debias.metrics._numeric import check_numeric
from sklearn_debias.metrics._random import check_rng
from sklearn_debias.metrics._training_facts import aligned_mask
from sklearn_debias.metrics._types import Predictor, Seed

__all__ = [
    "Predictor",
    "Seed",
    "aligned_mask",
    "binomial_bounds",
    "check_confidence",
    "check_numeric",
    "check_rng",
    "correctness",
    "encode_labels",
    "find_fitted",
    "find_groups",
    "many_small",
    "refuse_unseen",
    "shorten",
]
