"""Values that are no numbers, and that NumPy would cast to some without a word."""

import datetime
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.rows import as_array

__all__ = ["check_numeric", "real_array"]

# By NumPy's letters.
KINDS = {"U": "text", "S": "bytes", "M": "dates", "m": "spans of time", "V": "records"}
TYPES = {
    str: "text",
    bytes: "bytes",
    datetime.date: "dates",
    datetime.timedelta: "spans of time",
    np.datetime64: "dates",
    np.timedelta64: "spans of time",
    pd.Period: "dates",
    type(pd.NaT): "dates",
}
WAYS_OUT = {  # of rows; of a parameter they are plain
    "text": "Encode categories by OneHotEncoder(sparse_output=False), and text by TfidfVectorizer "
    "and TruncatedSVD; a list of paths is read as images.",
    "bytes": "Decode them first.",
    "dates": "Make numbers of them, such as days since the first.",
    "spans of time": "Make numbers of them, such as seconds.",
    "records": "Take their fields as columns.",
}


def check_numeric(values: Any, name: str) -> None:
    """Raise a ValueError where an array-like holds text, bytes or times, even if all parse."""
    for column in _columns(values):
        found = _odd(column)
        if found is None:
            continue
        kind, example = found
        words = "could not convert string to float: " if kind in ("text", "bytes") else ""
        raise ValueError(
            f"{words}`{name}` must hold numbers, got {kind}, such as {example!r:.60}."
            f"{' ' + WAYS_OUT[kind] if name == 'X' else ''}"
        )


def real_array(values: Any, name: str) -> np.ndarray:
    """Return an array of floats, of the precision that they have; raise a ValueError for others."""
    check_numeric(values, name)
    array = as_array(values, name)
    if array.dtype.kind == "c":  # of which NumPy would drop the imaginary part, with a warning
        raise ValueError(f"`{name}` must be real numbers, got complex ones.")
    return array if array.dtype.kind == "f" else as_array(values, name, dtype=float)


def _columns(values: Any) -> Iterator[np.ndarray]:
    """Return what is to be looked at: of a frame the columns that are no numbers by their type."""
    if isinstance(values, pd.DataFrame):
        for j, dtype in enumerate(values.dtypes):
            if not pd.api.types.is_numeric_dtype(dtype):
                yield np.asarray(values.iloc[:, j])
        return
    try:
        yield np.asarray(values)
    except (TypeError, ValueError, RuntimeError):
        return  # ragged, or on another device: there are other words for that


def _odd(column: np.ndarray) -> tuple[str, Any] | None:
    """Return what a column holds instead of numbers, and an example."""
    if column.dtype.kind in KINDS and column.size:
        return KINDS[column.dtype.kind], column.flat[0]
    if column.dtype != object:
        return None
    for found in dict.fromkeys(map(type, column.flat)):
        for kind, word in TYPES.items():
            if issubclass(found, kind):
                return word, next(value for value in column.flat if type(value) is found)
    return None
