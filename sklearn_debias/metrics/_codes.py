"""Count codes instead of sorting them: what labels and groups become before they are counted."""

from typing import Any

import numpy as np
import pandas as pd

__all__ = ["codes_of_whole_numbers", "kept_of", "observed", "whole_numbers"]

# Counting beats hashing while the table of all possible values is about as long as the column.
ROOM = 4
SPARE = 1000


def observed(codes: np.ndarray, bound: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes that occur, sorted, and the position of each sample's code among them.

    Parameters
    ----------
    codes : ndarray of shape (n,), dtype intp
        In [0, `bound`).
    bound : int

    Returns
    -------
    seen : ndarray of shape (n_seen,), dtype intp
    positions : ndarray of shape (n,), dtype intp
        `codes` itself where all of them occur.
    """
    if bound > ROOM * len(codes) + SPARE:
        positions, seen = pd.factorize(codes)
        order = np.argsort(seen)
        return seen[order], _ranks(order, len(seen))[positions]
    seen = np.flatnonzero(np.bincount(codes, minlength=bound))
    if len(seen) == bound:
        return seen, codes
    return seen, _ranks(seen, bound)[codes]


def kept_of(codes: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """Return the codes in the mask (n,), without a copy where all are."""
    return codes if keep.all() else codes[keep]


def whole_numbers(column: Any) -> np.ndarray | None:
    """Return a column of NumPy's integers or booleans as an array, None for any other."""
    dtype = getattr(column, "dtype", None)
    if not isinstance(dtype, np.dtype) or dtype.kind not in "iub":
        return None
    return np.asarray(column)


def codes_of_whole_numbers(column: np.ndarray) -> tuple[np.ndarray, list[Any]] | None:
    """Return (codes of shape (n,), sorted Python values) of integers or booleans.

    None if they are too far apart to be counted.
    """
    if len(column) == 0:
        return None
    low, high = int(column.min()), int(column.max())
    bound = high - low + 1
    if bound > ROOM * len(column) + SPARE:
        return None
    codes = column.astype(np.intp)  # a copy: the caller may go on and change the column
    codes -= np.array(low, column.dtype).astype(np.intp)  # what wraps around comes back by this
    seen, positions = observed(codes, bound)
    kind = bool if column.dtype == bool else int
    return positions, [kind(value + low) for value in seen.tolist()]


def _ranks(order: np.ndarray, n: int) -> np.ndarray:
    """Return the inverse of distinct positions in [0, n): the place of each in `order`."""
    rank = np.empty(n, dtype=np.intp)
    rank[order] = np.arange(len(order))
    return rank
