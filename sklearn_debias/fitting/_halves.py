"""Fits of scikit-learn heads: rows set aside by group, and nothing left of a fit that failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from sklearn_debias.fitting._params import forget


@contextmanager
def all_or_nothing(estimator: Any) -> Iterator[None]:
    """Forget the fitted attributes before a fit, and again if it fails."""
    forget(estimator)
    try:
        yield
    except BaseException:
        forget(estimator)
        raise


def split_by(
    stratum: np.ndarray, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two parts, sorted, the second with ``share`` of each stratum (n,) of codes.

    Both parts hold every stratum: of two rows or more at least one each, a single row is in both.
    """
    first = []
    second = []
    for code in np.unique(stratum):
        rows = rng.permutation(np.flatnonzero(stratum == code))
        taken = min(max(round(share * len(rows)), 1), max(len(rows) - 1, 1))
        second.append(rows[:taken])
        first.append(rows[taken:] if len(rows) > 1 else rows)
    return np.sort(np.concatenate(first)), np.sort(np.concatenate(second))
