"""Bias labels of which some are not known."""

from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.fitting import plain_bias
from sklearn_debias.metrics import encode_bias


def read_known(bias_labels: Any, n: int, *, partly: bool) -> tuple[np.ndarray, list] | None:
    """Return codes (n,) of the bias values, -1 where unknown, and the values.

    Raises
    ------
    ValueError
        Where labels are missing and may not be, or all are.
    """
    if bias_labels is None and not partly:
        return None
    if bias_labels is None:
        raise ValueError(
            "`bias_labels` must be given for `method`='ssa', which spreads those that are known: "
            "pass -1, None or NaN for the others."
        )
    given = plain_bias(bias_labels)
    unknown = unknown_rows(given, n)
    if unknown.any() and not partly:
        raise ValueError(
            "`bias_labels` must not contain NaN or None, nor -1, which stand for unknown values "
            f"(here in {unknown.sum()} of {n} rows): only `method`='ssa' takes them partly."
        )
    if unknown.all():
        raise ValueError("`bias_labels` must be known of some rows, all are missing.")
    if unknown.any():
        # As a list, so that what is left of a column has a type of its own.
        given = np.asarray(given, dtype=object)[~unknown].tolist()
    codes = np.full(n, -1)
    codes[~unknown], values = encode_bias(given, n - unknown.sum())
    if partly and len(values) < 2:
        raise ValueError(
            f"`bias_labels` must hold at least 2 known values for `method`='ssa', got {values}."
        )
    return codes, list(values)


def unknown_rows(bias_labels: Any, n: int) -> np.ndarray:
    """Return in which rows (n,) a bias value is missing; none where the labels are no table."""
    table = np.asarray(bias_labels, dtype=object)
    if table.ndim not in (1, 2) or len(table) != n:
        # `encode_bias` says what is wrong with them.
        return np.zeros(n, dtype=bool)
    missing = pd.isna(table)
    missing |= np.where(missing, 0, table) == -1
    return np.asarray(missing.reshape(n, -1).any(1))
