"""Labels of any type as codes, and random places within each of them."""

import numpy as np
import pandas as pd


def encode(name, labels, *, n_rows=None, n_values=1):
    """Sorted values of `labels` (`n_values` or more), and the code of each row, int64 of shape (n,)."""
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


def encode_groups(name, labels, n_rows):
    """Combinations that occur (a list, sorted) and their codes, from labels of shape (n,) or (n, n_columns)."""
    labels = _as_array(name, labels)
    if labels.ndim != 2:
        values, codes = encode(name, labels, n_rows=n_rows)
        return values.tolist(), codes
    if not labels.size:
        raise ValueError(
            f"`{name}` must have one or more rows and columns, got the shape {labels.shape}."
        )
    columns = [encode(name, column, n_rows=n_rows) for column in labels.T]
    seen, codes = np.unique(
        np.stack([codes for _, codes in columns], axis=1), axis=0, return_inverse=True
    )
    values = zip(
        *(values[seen[:, i]].tolist() for i, (values, _) in enumerate(columns)), strict=True
    )
    return list(values), codes.reshape(-1).astype(np.int64)


def random_places(codes, rng):
    """Place of each row in a random order of the rows that share its code: 0, 1, ... in each stratum.

    Taking the rows with a place below k draws k of each stratum, and a larger k only adds rows.
    """
    order = np.lexsort((rng.permutation(len(codes)), codes))
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    places = np.empty(len(codes), dtype=np.int64)
    places[order] = np.arange(len(codes)) - starts[codes[order]]
    return places


def ranks_by_size(sizes):
    """Place of each entry among the sizes, the largest first; ties keep their order."""
    ranks = np.empty(len(sizes), dtype=np.int64)
    ranks[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return ranks


def _as_array(name, labels):
    if np.ma.is_masked(labels):
        raise ValueError(
            f"`{name}` must have no missing value, got a masked array with masked entries."
        )
    try:
        return np.asarray(labels)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, tensors on other devices
        raise ValueError(f"`{name}` must be an array of labels: {error}.") from error


def _check_values(name, labels):
    if labels.dtype.kind not in "biufUSO":
        raise ValueError(
            f"`{name}` must hold numbers, strings or booleans, got the dtype {labels.dtype}."
        )
    if labels.dtype.kind in "fO" and pd.isna(labels).any():
        row = int(np.flatnonzero(pd.isna(labels))[0])
        raise ValueError(
            f"`{name}` must have no missing value (NaN, None), found one in row {row}."
        )
    if labels.dtype.kind == "f" and not (np.isfinite(labels) & (labels == np.rint(labels))).all():
        hint = "Bin continuous values first."
        raise ValueError(
            f"`{name}` must hold labels, got floats that are not whole numbers. {hint}"
        )
