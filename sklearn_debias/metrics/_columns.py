"""Columns of labels, from whatever array, frame or list a caller brings."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.rows import as_array, as_pandas

__all__ = ["as_column", "columns_of"]


def columns_of(bias_labels: Any, name: str) -> list[Any]:
    """Return the attributes as a list of columns, at least one."""
    if bias_labels is None:
        raise ValueError(
            f"`{name}` must be given, got None. Pass the bias attribute of each sample."
        )
    if hasattr(bias_labels, "detach"):
        bias_labels = as_array(bias_labels, name)
    bias_labels = as_pandas(bias_labels)
    if isinstance(bias_labels, list | tuple):
        # One row that is a sequence makes all of it a table, and the other rows must follow.
        if any(isinstance(row, list | tuple) for row in bias_labels):
            return _columns_of_rows(bias_labels, name)
        return [bias_labels]
    n_dims = getattr(bias_labels, "ndim", 1)
    if n_dims == 2 and 0 in bias_labels.shape[1:]:
        raise ValueError(f"`{name}` must have at least one column, got shape {bias_labels.shape}.")
    if isinstance(bias_labels, pd.DataFrame):
        # Column by column: one array of the whole frame would give all columns one type.
        return [bias_labels.iloc[:, j] for j in range(bias_labels.shape[1])]
    if n_dims == 2:
        matrix = as_array(bias_labels, name)
        # NumPy makes a single object of a sparse matrix; that one is refused as a column.
        if matrix.ndim == 2:
            return list(matrix.T)
    return [bias_labels]


def _columns_of_rows(rows: Sequence[Any], name: str) -> list[list[Any]]:
    """Return the columns of a table that is given as a list of rows."""
    sizes = {len(row) if isinstance(row, list | tuple) else 0 for row in rows}
    if len(sizes) > 1 or 0 in sizes:
        raise ValueError(
            f"`{name}` must have the same number of attributes, at least one, in every row."
        )
    return [list(column) for column in zip(*rows, strict=True)]


def as_column(values: Any, name: str) -> Any:
    """Return one 1-D pandas or numpy column."""
    if hasattr(values, "detach"):
        values = as_array(values, name)
    has_length = hasattr(values, "__len__") or hasattr(values, "shape")
    if isinstance(values, str | bytes | dict | set) or not has_length:
        raise ValueError(
            f"`{name}` must be an array-like with one value per sample, got {values!s:.60} of type "
            f"{type(values).__name__}."
        )
    if isinstance(values, list | tuple):
        # `np.asarray([1, "a"])` would make text of the 1: an object array keeps each type.
        column = np.empty(len(values), dtype=object)
        try:
            column[:] = values
        except (ValueError, RuntimeError) as error:
            raise ValueError(f"`{name}` must be 1-D, got nested sequences.") from error
        return column
    if isinstance(values, pd.DataFrame):
        values = values.to_numpy()
    # pandas keeps its own columns: `np.asarray` would lose categories and nullable dtypes.
    if not isinstance(values, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        values = as_array(values, name)
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
    if values.ndim != 1:
        raise ValueError(f"`{name}` must be 1-D, got shape {values.shape}.")
    if values.dtype.kind == "c":
        raise ValueError(f"`{name}` must be labels or numbers, got complex ones.")
    return values
