"""Labels of any type as codes, and random places within each of them."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sklearn_debias.rows import as_array, check_list_of_labels


def encode(
    name: str, labels: npt.ArrayLike, *, n_rows: int | None = None, n_values: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Return the sorted values of `labels`, and the code of each row, int64 of shape (n,).

    There must be `n_values` different ones or more.
    """
    labels = _as_array(name, labels)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(
            f"`{name}` must have the shape (n,), n >= 1, one label per row; got {labels.shape}."
        )
    if n_rows is not None and len(labels) != n_rows:
        raise ValueError(f"`{name}` must have {n_rows} entries, one per row; got {len(labels)}.")
    _check_values(name, labels)
    try:
        values, codes = np.unique(labels, return_inverse=True)
    except TypeError as error:
        hint = "Convert them, as in `numpy.asarray(labels, dtype=str)`."
        raise ValueError(
            f"`{name}` must hold labels of one type that can be sorted: {error}. {hint}"
        ) from error
    if len(values) < n_values:
        raise ValueError(
            f"`{name}` must hold {n_values} or more different labels, got {values.tolist()}."
        )
    return values, codes.astype(np.int64)


def encode_groups(name: str, labels: npt.ArrayLike, n_rows: int) -> tuple[list[Any], np.ndarray]:
    """Return the combinations of labels that occur, sorted, and the code of each row.

    The labels are of shape (n,) or (n, n_columns).
    """
    labels = _as_array(name, labels)
    if labels.ndim != 2:
        values, codes = encode(name, labels, n_rows=n_rows)
        return values.tolist(), codes
    if not labels.size:
        raise ValueError(
            f"`{name}` must have one or more rows and columns, got the shape {labels.shape}."
        )
    encoded = [encode(name, column, n_rows=n_rows) for column in labels.T]
    table = np.stack([codes for _, codes in encoded], axis=1)
    seen, codes = np.unique(table, axis=0, return_inverse=True)
    columns = [values[column].tolist() for (values, _), column in zip(encoded, seen.T, strict=True)]
    # NumPy 2.0.0 gives the inverse a second axis.
    return list(zip(*columns, strict=True)), codes.reshape(-1).astype(np.int64)


def random_places(codes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the place of each row in a random order of the rows that share its code.

    Places are 0, 1, ... in each stratum. Taking the rows with a place below k draws k of each
    stratum, and a larger k only adds rows.
    """
    # lexsort goes by its last key first: by code, and at random within.
    order = np.lexsort((rng.permutation(len(codes)), codes))
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    places = np.empty(len(codes), dtype=np.int64)
    places[order] = np.arange(len(codes)) - starts[codes[order]]
    return places


def ranks_by_size(sizes: np.ndarray) -> np.ndarray:
    """Return the place of each entry among the sizes, the largest first; ties keep their order."""
    ranks = np.empty(len(sizes), dtype=np.int64)
    ranks[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return ranks


def _as_array(name: str, labels: npt.ArrayLike) -> np.ndarray:
    """Return the labels as an array without a mask."""
    # `np.asarray` would drop the mask, and take what lies under it for labels.
    if np.ma.is_masked(labels):
        raise ValueError(
            f"`{name}` must have no missing value, got a masked array with masked entries."
        )
    check_list_of_labels(labels, name)
    return as_array(labels, name)


def _check_values(name: str, labels: np.ndarray) -> None:
    """Check that the labels are plain, whole and not missing."""
    if labels.dtype.kind not in "biufUSO":
        raise ValueError(
            f"`{name}` must hold numbers, strings or booleans, got the dtype {labels.dtype}."
        )
    if labels.dtype.kind in "fO" and pd.isna(labels).any():  # no other kind can miss a value
        row = int(np.flatnonzero(pd.isna(labels))[0])
        raise ValueError(
            f"`{name}` must have no missing value (NaN, None), found one in row {row}."
        )
    # Whole floats pass: integers with a gap become floats in many a frame.
    if labels.dtype.kind == "f" and not (np.isfinite(labels) & (labels == np.rint(labels))).all():
        hint = "Bin continuous values first."
        raise ValueError(
            f"`{name}` must hold labels, got floats that are not whole numbers. {hint}"
        )
