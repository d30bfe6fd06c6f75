"""Names that the packages above import; they may change without notice."""

from sklearn_debias.metrics._bootstrap import check_resamples
from sklearn_debias.metrics._callables import read_metrics
from sklearn_debias.metrics._crossed import Crossed, cross
from sklearn_debias.metrics._crossed_metrics import Fits, metrics_of_fits
from sklearn_debias.metrics._encoding import (
    correctness,
    encode_bias,
    encode_labels,
    encode_values,
)
from sklearn_debias.metrics._fitted import find_fitted, refuse_unseen, unseen_classes
from sklearn_debias.metrics._groups import Groups, cells_of, check_group_size, find_groups
from sklearn_debias.metrics._intervals import binomial_bounds, binomial_share, check_confidence
from sklearn_debias.metrics._names import FEW, many_small, shorten
from sklearn_debias.metrics._numeric import check_numeric
from sklearn_debias.metrics._random import check_rng
from sklearn_debias.metrics._rendering import Section, as_html, as_markdown, with_interval
from sklearn_debias.metrics._summaries import COEFFICIENTS
from sklearn_debias.metrics._training_facts import aligned_mask, aligned_of, shares_of
from sklearn_debias.metrics._types import Predictor, Seed

__all__ = [
    "COEFFICIENTS",
    "FEW",
    "Crossed",
    "Fits",
    "Groups",
    "Predictor",
    "Section",
    "Seed",
    "aligned_mask",
    "aligned_of",
    "as_html",
    "as_markdown",
    "binomial_bounds",
    "binomial_share",
    "cells_of",
    "check_confidence",
    "check_group_size",
    "check_numeric",
    "check_resamples",
    "check_rng",
    "correctness",
    "cross",
    "encode_bias",
    "encode_labels",
    "encode_values",
    "find_fitted",
    "find_groups",
    "many_small",
    "metrics_of_fits",
    "read_metrics",
    "refuse_unseen",
    "shares_of",
    "shorten",
    "unseen_classes",
    "with_interval",
]
