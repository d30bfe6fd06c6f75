"""Bias labels of which some are not known."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.fitting import plain_bias
from sklearn_debias.metrics import encode_bias


@dataclass(frozen=True)
class Known:
    """Bias labels of some rows.

    Parameters
    ----------
    codes : ndarray of shape (n,)
        Codes of the values; -1 where unknown.
    values : ndarray of shape (k,) or (k, attributes)
        The values, as the user gave them.
    """

    codes: np.ndarray
    values: np.ndarray

    @property
    def mask(self) -> np.ndarray:
        """Which rows (n,) have a bias label."""
        return self.codes >= 0


def read_known(bias_labels: Any, n: int) -> Known:
    """Return the bias labels that are known; -1, None and NaN are not.

    Raises
    ------
    ValueError
        Where none are given, none are known, or all are of one value.
    """
    if bias_labels is None:
        raise ValueError(
            "`bias_labels` must be given for `method`='ssa', which spreads those that are known: "
            "pass -1, None or NaN for the others."
        )
    given = plain_bias(bias_labels)
    unknown = _missing(given, n, minus_one=True)
    if unknown.all():
        raise ValueError("`bias_labels` must be known of some rows, all are missing.")
    if unknown.any():
        # As a list, so that what is left of a column has a type of its own.
        given = np.asarray(given, dtype=object)[~unknown].tolist()
    codes = np.full(n, -1)
    codes[~unknown], values = encode_bias(given, n - unknown.sum())
    if len(values) < 2:
        raise ValueError(
            f"`bias_labels` must hold at least 2 known values for `method`='ssa', got {values}; -1 "
            "is none."
        )
    return Known(codes, _array_of(values))


def check_complete(bias_labels: Any, n: int, method: str) -> None:
    """Raise a ValueError where labels are missing, for a method that does not look at them."""
    if bias_labels is None:
        return
    given = plain_bias(bias_labels)
    # -1 beside 1 is a coding of two values; beside others it stands for what is not known.
    coding = set(np.unique(np.asarray(given, dtype=str))) == {"-1", "1"}
    unknown = _missing(given, n, minus_one=not coding)
    if unknown.any():
        raise ValueError(
            "`bias_labels` must not contain NaN or None, nor -1 beside other values than 1 (here "
            f"in {unknown.sum()} of {n} rows): `method`={method!r} does not look at them, and only "
            "'ssa' spreads some to the others."
        )
    encode_bias(given, n)


def _missing(bias_labels: Any, n: int, *, minus_one: bool) -> np.ndarray:
    """Return in which rows (n,) a bias value is missing; none where the labels are no table."""
    table = np.asarray(bias_labels, dtype=object)
    if table.ndim not in (1, 2) or len(table) != n:
        # `encode_bias` says what is wrong with them.
        return np.zeros(n, dtype=bool)
    missing = pd.isna(table)
    if minus_one:
        missing |= np.where(missing, 0, table) == -1
    return np.asarray(missing.reshape(n, -1).any(1))


def _array_of(values: list) -> np.ndarray:
    """Return values as an array, of objects where NumPy would make texts of numbers."""
    if len({type(value) for value in values}) == 1:
        return np.array(values)
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found
