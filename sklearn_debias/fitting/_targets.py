"""Labels as codes and back, and which rows a fit holds out."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.preprocessing import LabelEncoder
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y, check_consistent_length
from torch import Tensor

from sklearn_debias.fitting._plain import plain
from sklearn_debias.fitting._types import Estimator
from sklearn_debias.rows import check_list_of_labels
from sklearn_debias.training import blamed


def encode_target(estimator: Estimator, y: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return codes (n,) of the labels ``y``, and the sorted classes."""
    if y is None:
        raise ValueError(
            f"This {type(estimator).__name__} estimator requires y to be passed, but the target y "
            "is None"
        )
    check_list_of_labels(y, "y")
    y = column_or_1d(plain(y, "y"), warn=True)
    if pd.isna(y).any():  # scikit-learn misses None and pandas' NA among strings
        raise ValueError("Input y contains NaN.")
    y = _check_y(y, multi_output=False, estimator=estimator)
    check_classification_targets(y)
    if len(y) != n:
        check_consistent_length(np.empty(n), y)
    encoder = LabelEncoder().fit(y)
    if len(encoder.classes_) < 2:
        raise ValueError(
            "`y` must hold at least 2 classes to train a classifier, got one class: "
            f"{encoder.classes_.tolist()}."
        )
    return encoder.transform(y).astype(np.int64), encoder.classes_


def encode_known(
    classes: np.ndarray, y: Any, n: int, name: str = "y", rows: str = "X"
) -> np.ndarray:
    """Return codes (n,) of labels that fit has seen."""
    check_list_of_labels(y, name)
    y = column_or_1d(np.asarray(plain(y, name)))
    if len(y) != n:
        raise ValueError(f"`{name}` must have one label per row of {rows}, {n}, got {len(y)}.")
    # Sorted by their text: labels of several types do not compare.
    unseen = sorted(set(y.tolist()) - set(classes.tolist()), key=str)
    if unseen:
        raise ValueError(
            f"`{name}` must hold labels seen in fit, {classes.tolist()}, got {unseen[:5]} too."
        )
    return np.searchsorted(classes, y).astype(np.int64)


def plain_bias(bias_labels: Any, name: str = "bias_labels") -> Any:
    """Return bias labels as `plain` does, but pandas' columns as they are: "category" says much."""
    if isinstance(bias_labels, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        return bias_labels
    return plain(bias_labels, name)


def read_codes(y: Any, n: int) -> Tensor:
    """Return the class codes (n,) that a plain module is asked about, as int64."""
    with blamed("y", "For a module it must hold class codes 0 to classes - 1, one per row of X."):
        labels = np.asarray(plain(y, "y"))
        texts = any(isinstance(label, str | bytes) for label in labels.flat)
        if labels.dtype.kind in "OSU" and texts:
            raise ValueError("it holds string labels, pass codes")
        # A copy, since torch warns of arrays that it cannot write to.
        codes = torch.tensor(labels.astype(labels.dtype.newbyteorder("=")))
        if codes.shape != (n,) or codes.is_floating_point() or codes.is_complex():
            raise ValueError(
                f"it has dtype {codes.dtype} and shape {tuple(codes.shape)} for {n} rows"
            )
    return codes.long()


def hold_out(strata: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Return a mask (n,) of about ``fraction`` of each stratum; one row of each stays."""
    held = np.zeros(len(strata), dtype=bool)
    # Fractions of rows are carried on, from a random start, so that small strata have their share.
    carry = rng.random()
    for stratum in np.unique(strata):
        rows = rng.permutation(np.flatnonzero(strata == stratum))
        wanted = fraction * len(rows) + carry
        taken = min(int(wanted), len(rows) - 1)
        carry = min(wanted - taken, 1.0)
        held[rows[:taken]] = True
    if not held.any():
        raise ValueError(
            f"`validation`={fraction} holds out no row of {len(strata)}. Raise it, or pass "
            "validation_data."
        )
    return held
