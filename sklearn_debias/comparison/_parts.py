"""Training, validation and test rows, as a comparison is given them."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils import _safe_indexing

from sklearn_debias.feature_extraction.internal import fingerprint
from sklearn_debias.metrics.internal import encode_bias, encode_labels
from sklearn_debias.rows import check_has_rows, check_same_rows

KEYS = ("data", "target", "bias_labels")


@dataclass(frozen=True)
class Part:
    """Rows with their classes and, where known, their bias labels.

    Parameters
    ----------
    name : str
        The argument that they came by.
    X, y, bias_labels
        As ``fit`` takes them.
    """

    name: str
    X: Any
    y: Any
    bias_labels: Any = None

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: np.ndarray, name: str) -> "Part":
        """Return some of the rows."""
        bias = None if self.bias_labels is None else _safe_indexing(self.bias_labels, rows)
        return Part(name, _safe_indexing(self.X, rows), _safe_indexing(self.y, rows), bias)

    def facts(self) -> dict[str, str]:
        """Return what tells these rows from others, in words that can be compared."""
        return {
            f"rows of `{self.name}`": str(len(self)),
            f"X of `{self.name}`": fingerprint(_plain(self.X)),
            f"classes of `{self.name}`": fingerprint(_plain(self.y)),
            f"bias labels of `{self.name}`": fingerprint(_plain(self.bias_labels)),
        }


def read_part(given: Any, name: str) -> Part:
    """Return rows given as a Bunch or as (X, y) or (X, y, bias_labels); raise where they are none.

    Raises
    ------
    TypeError, ValueError
        If the rows are given in another way, or their numbers differ.
    """
    if isinstance(given, Mapping):
        if missing := [key for key in KEYS[:2] if key not in given]:
            raise ValueError(
                f"`{name}` must hold {' and '.join(map(repr, KEYS[:2]))}, and 'bias_labels' where "
                f"they are known; {missing[0]!r} is missing, found {sorted(map(str, given))}."
            )
        values = [given.get(key) for key in KEYS]
    elif isinstance(given, tuple | list) and len(given) in (2, 3):
        values = list(given)
    else:
        raise TypeError(
            f"`{name}` must be a Bunch with `data` and `target`, or a tuple (X, y) or "
            f"(X, y, bias_labels), got a {type(given).__name__}"
            + (f" of length {len(given)}." if isinstance(given, tuple | list) else ".")
        )
    part = Part(name, *values)
    check_has_rows(part.X, f"X of {name}")
    check_same_rows({"X": part.X, "y": part.y, "bias_labels": part.bias_labels})
    n = len(encode_labels(part.y, f"y of {name}")[0])
    if len(part.X) != n:
        raise ValueError(
            f"`{name}` must have one class label per row, got {len(part.X)} rows and {n} labels."
        )
    if part.bias_labels is not None:
        encode_bias(part.bias_labels, n)
    return part


def overlaps(parts: list[Part]) -> dict[tuple[str, str], int]:
    """Return how many rows of the second of two parts are in the first, too, where any are."""
    keys = [(part, list(_keys(part.X))) for part in parts]
    found = {}
    for (one, rows), (other, more) in combinations(keys, 2):
        known = set(rows)
        if n := sum(key in known for key in more):
            found[one.name, other.name] = n
    return found


def _keys(X: Any) -> Iterator[bytes]:
    """Yield a name for each row, equal where the rows are."""
    if isinstance(X, pd.DataFrame) and not all(map(pd.api.types.is_numeric_dtype, X.dtypes)):
        yield from (int(key).to_bytes(8) for key in pd.util.hash_pandas_object(X, index=False))
        return
    for row in X if isinstance(X, list) else _plain(X):
        if isinstance(row, str | os.PathLike):
            yield os.path.realpath(row).encode()
        else:
            array = np.asarray(row)
            # float64 and float32 of one row are equal rows, in different parts.
            if array.dtype.kind in "fiub":
                array = array.astype(np.float32)
            yield hashlib.blake2b(array.tobytes(), digest_size=16).digest()


def _plain(values: Any) -> Any:
    """Return an array of a tensor or a frame, whose content can be read."""
    if hasattr(values, "detach"):
        return values.detach().cpu().numpy()
    if isinstance(values, pd.DataFrame | pd.Series):
        return values.to_numpy()
    return values
