"""Rows set aside by group."""

import numpy as np


def split_by(
    stratum: np.ndarray, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of two parts, sorted, the second with ``share`` of each stratum (n,).

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
