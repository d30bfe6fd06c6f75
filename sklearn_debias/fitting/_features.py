"""Rows of features as heads predict them: read, checked and made float64 a few at a time."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklearn_debias.fitting._mapped import NUMBERS
from sklearn_debias.training import ArraySource, Source, check_whole


class LooseRows(ArraySource):
    """Rows of a 2-D array that nobody has looked at: who reads them looks.

    Parameters
    ----------
    items : ndarray of shape (n, d)
    refuse : callable
        Raises what is wrong with the rows; called where some are not finite.
    """

    def __init__(self, items: np.ndarray, refuse: Callable[[], Any]) -> None:
        super().__init__(np.asarray(items))  # slices of a memory map take longer
        self.refuse = refuse

    def rows(self, index: np.ndarray) -> "LooseRows":
        """Return some of the rows, in memory."""
        return LooseRows(self.items[index], self.refuse)


def are_plain(X: Any, n_features: int) -> bool:
    """Return whether X is an array of rows of numbers, so that only its values may be wrong."""
    if type(X) not in (np.ndarray, np.memmap):
        return False
    return X.ndim == 2 and X.dtype.kind in NUMBERS and len(X) > 0 and X.shape[1] == n_features


def in_double(source: Source, dtype: np.dtype, n_rows: int) -> Iterator[tuple[Tensor, int]]:
    """Yield batches (n_rows, d) in float64, and how many of their rows are rows of the source.

    The last batch is filled up with the last row.

    Parameters
    ----------
    source : Source
    dtype : dtype
        What the rows are rounded to first, as in a fit. What overflows in it is refused.
    n_rows : int
    """
    for rows in in_pieces(source, dtype, n_rows):
        # A new tensor for each, since a module may hand on what it is given.
        x = torch.empty((n_rows, rows.shape[1]), dtype=torch.float64)
        values = x.numpy()
        values[: len(rows)] = rows
        values[len(rows) :] = rows[-1]
        if isinstance(source, LooseRows) and rows.dtype.kind == "f" and not _are_finite(x):
            source.refuse()
        yield x, len(rows)


def in_pieces(source: Source, dtype: np.dtype, n_rows: int) -> Iterator[np.ndarray]:
    """Yield the rows, ``n_rows`` at a time, as ``dtype`` rounds them.

    Those of a type with fewer digits are still in it.
    """
    for start in range(0, len(source), n_rows):
        rows = _read(source, start, min(start + n_rows, len(source)))
        yield rows if np.can_cast(rows.dtype, dtype) else as_type(rows, dtype)


def as_type(rows: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Return rows in a floating type; what overflows in it is infinite."""
    if rows.dtype == np.float16 and dtype == np.float32:
        # Torch takes a tenth of NumPy's time. A copy, since it warns of arrays that are read-only.
        return torch.from_numpy(rows.astype(np.float16)).float().numpy()
    with np.errstate(all="ignore"):
        return rows.astype(dtype, copy=False)


def _read(source: Source, start: int, stop: int) -> np.ndarray:
    """Return rows that follow each other; those of an array are no copy."""
    if isinstance(source, ArraySource) and source.index is None and source.check is None:
        check_whole(source.items, source.argument)
        return source.items[start:stop]
    return source.take(np.arange(start, stop)).numpy()


def _are_finite(x: Tensor) -> bool:
    # The sum of all takes a fraction of the time, and may overflow.
    return math.isfinite(x.sum().item()) or bool(torch.isfinite(x).all())
