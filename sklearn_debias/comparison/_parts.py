"""Training, validation and test rows, as a comparison is given them."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import issparse
from sklearn.utils import _safe_indexing

from sklearn_debias.content import fingerprint
from sklearn_debias.metrics.internal import encode_bias, encode_labels
from sklearn_debias.rows import as_pandas, check_has_rows, check_same_rows, pickable_form

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
        X = fingerprint(list(_keys(self.X, None)), _columns(self.X))
        return {
            f"rows of `{self.name}`": str(len(self)),
            f"X of `{self.name}`": X,
            f"classes of `{self.name}`": fingerprint(_plain(self.y)),
            f"bias labels of `{self.name}`": fingerprint(_plain(self.bias_labels)),
        }

    def kind(self) -> dict[str, Any]:
        """Return what all draws of rows have in common."""
        bias = self.bias_labels
        return {
            "rows of shape": tuple(getattr(self.X, "shape", ()))[1:],  # images may differ in size
            "columns": _columns(self.X),
            "bias labels of shape": None if bias is None else np.shape(bias)[1:],
        }

    @cached_property
    def content(self) -> str:
        """What tells these rows from others, in one word."""
        return fingerprint(json.dumps(self.facts()))


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
    if issparse(part.X):
        raise TypeError(f"X of `{name}` must be dense, got a sparse matrix. Pass X.toarray().")
    if form := pickable_form(part.X):
        raise TypeError(
            f"X of `{name}` must have rows that can be picked by an array of numbers, got a "
            f"{type(part.X).__name__}. Pass them as a list, {form}."
        )
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


def read_draws(draw: Callable[[int], Any], seeds: list[int], like: Part) -> dict[int, Part]:
    """Return the training rows that are drawn for each seed; all are rows as those of ``like``.

    Raises
    ------
    TypeError, ValueError
        If one holds no rows, or other ones: of another shape, or with bias labels where others have
        none.
    """
    parts = {seed: read_part(draw(seed), like.name) for seed in seeds}
    for seed, part in parts.items():
        expected = like.kind()
        for what, found in part.kind().items():
            if found != expected[what]:
                raise ValueError(
                    f"`train` must draw rows of one kind, got {what} {expected[what]} and, for the "
                    f"seed {seed}, {found}."
                )
    return parts


def classes_of(parts: Iterable[Part]) -> np.ndarray:
    """Return the classes of all rows, sorted; raise where parts name them by other types.

    1 and "1", or 1 and True, are other labels to some classifiers, and the same to others.
    """
    labels = [(part.name, _plain_labels(part.y)) for part in parts]
    kinds = {(name, *sorted({type(value).__name__ for value in own})) for name, own in labels}
    if len({own[1:] for own in kinds}) > 1:
        raise ValueError(f"`y` must hold labels of one type in all parts, got {sorted(kinds)}.")
    return np.unique(np.concatenate([np.asarray(own) for _, own in labels]))


def _plain_labels(y: Any) -> list[Any]:
    """Return the labels as Python values, whatever holds them."""
    return np.asarray(_plain(y), dtype=object).ravel().tolist()


def overlaps(parts: list[Part]) -> dict[tuple[str, str], int]:
    """Return how many rows of the second of two parts are in the first, too, where any are.

    Of several draws of one part, it is the largest number.
    """
    # float64 and float32 of one row are equal rows, in different parts.
    dtypes = [getattr(_plain(part.X), "dtype", None) for part in parts]
    shared = min((d for d in dtypes if d is not None and d.kind == "f"), default=None)
    keys = [(part.name, list(_keys(part.X, shared))) for part in parts]
    found: dict[tuple[str, str], int] = {}
    for (one, rows), (other, more) in combinations(keys, 2):
        known = set(rows)
        n = sum(key in known for key in more) if one != other else 0
        if n:
            found[one, other] = max(n, found.get((one, other), 0))
    return found


def _keys(X: Any, floats: Any) -> Iterator[bytes]:
    """Yield a name for each row, equal where the rows are; files go by their content.

    ``floats`` is the type that floats are compared in; None keeps theirs.
    """
    X = as_pandas(X)  # a frame of polars would be read column by column
    if isinstance(X, pd.DataFrame) and X.to_numpy().dtype.kind not in "fiub":
        hashes = pd.util.hash_pandas_object(X.map(_hashable), index=False)
        yield from (int(key).to_bytes(8, "big") for key in hashes)
        return
    for row in X if isinstance(X, list) else _plain(X):
        yield _key(row, floats)


def _columns(X: Any) -> list | None:
    """Return the names of the columns of a frame."""
    return list(X.columns) if hasattr(X, "columns") else None


def _key(row: Any, floats: Any) -> bytes:
    """Return a name of a row, or of a value of one that is a dict."""
    if isinstance(row, str | os.PathLike):
        return _digest(_content(row))
    if isinstance(row, Mapping):
        named = sorted((str(name).encode(), _key(value, floats)) for name, value in row.items())
        return _digest(repr(named).encode())
    array = np.asarray(row)
    if array.dtype.kind == "O":
        return _digest(repr(array.tolist()).encode())
    whole = array.dtype.kind in "iub"
    return _digest(array.astype(np.int64 if whole else floats or array.dtype).tobytes())


def _hashable(cell: Any) -> Any:
    """Return a cell that may be a list, such as one of tokens, as its text."""
    return repr(np.asarray(cell).tolist()) if isinstance(cell, list | tuple | np.ndarray) else cell


def _content(path: Any) -> bytes:
    """Return what a file holds; its name where it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return os.path.realpath(path).encode()


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).digest()


def _plain(values: Any) -> Any:
    """Return an array of a tensor or a frame, whose content can be read."""
    if hasattr(values, "detach"):
        return values.detach().cpu().numpy()
    values = as_pandas(values)
    if isinstance(values, pd.DataFrame | pd.Series):
        return values.to_numpy()
    return values
