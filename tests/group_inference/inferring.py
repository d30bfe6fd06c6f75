"""What the tests of inference share: small data with a shortcut, and quick settings."""

import warnings
from functools import cache

import numpy as np

from sklearn_debias import ERMClassifier
from sklearn_debias.datasets import load_biased_digits, make_spurious_embeddings
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.group_inference import GroupInferrer

METHODS = ("errors", "eiil", "xrm", "clusters", "ssa")
NETS = ("xrm", "ssa")
# Fits this small leave classes in one piece, or teach little.
SMALL = {"max_epochs": 2, "batch_size": 32, "lr": 0.05, "random_state": 0}


@cache
def embeddings(seed=0, n=400):
    """Training and other rows of embeddings; one row in twenty is conflicting."""
    return make_spurious_embeddings(n, n_validation=100, n_test=20, random_state=seed)


@cache
def digits(seed=0):
    """Coloured digits: images (n, 3, 8, 8), ten classes and ten colours."""
    return load_biased_digits(random_state=seed).train


def partly_known(bias, seed=0, share=10):
    """Return the bias labels of one row in ``share``, and -1 for the others."""
    rng = np.random.default_rng(seed)
    known = rng.permutation(len(bias))[: len(bias) // share]
    labels = np.full(len(bias), -1)
    labels[known] = bias[known]
    return labels


def given(method, bias, seed=0):
    """Return the arguments of ``fit`` that the method needs."""
    return {"bias_labels": partly_known(bias, seed)} if method == "ssa" else {}


def inferrer(method, **params):
    """Return a quick inferrer for features."""
    small = {"estimator": ERMClassifier(**SMALL)} if method in NETS else {}
    return GroupInferrer(method, **{"random_state": 0, **small, **params})


def fitted(method, **params):
    """Return an inferrer that is fitted to the embeddings, in double precision."""
    rows = embeddings().train
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DebiasWarning)
        return inferrer(method, **params).fit(
            rows.data.astype(np.float64), rows.target, **given(method, rows.bias_labels)
        )


def aligned_value(y, bias):
    """Return the bias value (n,) that is the most frequent one of each row's class."""
    most = {c: np.bincount(bias[y == c]).argmax() for c in np.unique(y)}
    return np.array([most[c] for c in y])


def found_and_conflicting(method, labels, bias, aligned):
    """Return which rows are inferred to be in the minority, and which are."""
    return (labels != aligned if method == "ssa" else labels > 0), bias != aligned
