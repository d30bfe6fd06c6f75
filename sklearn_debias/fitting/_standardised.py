"""Tables of any size in float64, a part at a time: no copy of all rows is made."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import StandardScaler

VALUES = 2**22  # that are looked at together, 32 MB of float64


def parts(n: int, d: int) -> Iterator[slice]:
    """Yield slices that cut n rows of d columns into parts of some million values."""
    n_rows = max(1, VALUES // d)
    for start in range(0, n, n_rows):
        yield slice(start, min(start + n_rows, n))


def rows_at(X: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return the rows ``index`` of X in memory, in the type and the order that they are asked in.

    They are read from the first to the last: of a file on a disk any other order would be slow.
    """
    rows = np.empty((len(index), X.shape[1]), X.dtype)
    order = np.argsort(index, kind="stable")
    for part in parts(*rows.shape):
        rows[order[part]] = X[index[order[part]]]
    return rows


def scaler_of(X: np.ndarray) -> StandardScaler:
    """Return a scaler that is fitted to the rows of X, a part at a time."""
    scaler = StandardScaler()
    for part in parts(*X.shape):
        scaler.partial_fit(X[part].astype(np.float64))
    return scaler


@dataclass(frozen=True)
class Standardised:
    """Rows that are cast to float64 and standardised where a slice of them is asked for.

    Parameters
    ----------
    rows : ndarray of shape (n, d)
        Of any type of number.
    scaler : StandardScaler
        Fitted.
    """

    rows: np.ndarray
    scaler: StandardScaler

    @property
    def shape(self) -> tuple[int, ...]:
        return self.rows.shape

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, part: slice) -> np.ndarray:
        rows = self.rows[part].astype(np.float64)
        rows -= self.scaler.mean_
        rows /= self.scaler.scale_
        return rows
