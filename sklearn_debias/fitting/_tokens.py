"""X as rows of tokens: dicts of what a tokenizer returns, in all the forms they come in."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.core.internal import COLUMNS
from sklearn_debias.rows import is_of_polars
from sklearn_debias.training import (
    TOKEN_ADVICE,
    TokenSource,
    blamed,
    check_known,
    read_row,
    row_in,
)

OF_TABLES = ("arrow", "pandas", "polars")  # formats of datasets


class Rows:
    """The rows of columns that are held side by side, one at a time, as dicts.

    Parameters
    ----------
    columns : mapping of str to sequence
        By place, as a Series is not.
    """

    def __init__(self, columns: Mapping[str, Any]) -> None:
        self.columns = columns
        self.n = len(columns[COLUMNS[0]])

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: int) -> dict[str, Any]:
        return {name: column[i] for name, column in self.columns.items()}


def token_rows(X: Any) -> Any:
    """Return rows of tokens, one by one as dicts; None where X holds none.

    Parameters
    ----------
    X : list or array of dicts; or columns: a mapping, a frame, a table of pyarrow or a dataset of
        Hugging Face

    Raises
    ------
    TypeError
        If X holds dicts of something else.
    """
    rows: Any = None
    if is_table(X):
        X = {name: X.column(name) for name in X.column_names}
    if is_hugging_face(X):
        rows = _rows_of_dataset(X)
    elif isinstance(X, Mapping):
        rows = _rows_of(X) if COLUMNS[0] in X else None
    elif _is_frame(X) and COLUMNS[0] in X.columns:
        rows = _rows_of_frame(X)
    elif isinstance(X, list | tuple) or (isinstance(X, np.ndarray) and X.dtype == object):
        # Each is looked at later: the first, too, may be none.
        rows = X if any(isinstance(row, Mapping) for row in (*X[:1], *X[-1:])) else None
    return rows if rows is not None and len(rows) else None


def _rows_of_dataset(X: Any) -> Any:
    """Return a dataset of Hugging Face that gives dicts of tokens one by one; None of others."""
    if isinstance(X, Mapping):
        raise TypeError(
            f"`X` must be one dataset, got the splits {list(X)}. Pass one of them, such as "
            f"X[{next(iter(X), 'train')!r}]."
        )
    kind = _format_of(X)
    if kind in OF_TABLES:  # whose rows are tables
        X = without_format(X)
    # A transform may make columns that are not stored.
    made = X[0] if kind == "custom" and hasattr(X, "__len__") and len(X) else X.column_names
    return X if COLUMNS[0] in (made or ()) else None


def without_format(X: Any) -> Any:
    """Return a dataset of Hugging Face that gives rows as they are stored, or as a transform does.

    The columns that its format shows stay the only ones.
    """
    if _format_of(X) in (None, "custom"):
        return X
    return X.with_format(None, columns=X.format["columns"])


def _format_of(X: Any) -> str | None:
    """Return what a dataset of Hugging Face gives rows as; a stream of rows has no say."""
    return X.format["type"] if hasattr(X, "format") else None


def is_table(X: Any) -> bool:
    """Return whether X is a table of pyarrow, which is not imported."""
    return hasattr(X, "column_names") and hasattr(X, "to_pylist")


def _is_frame(X: Any) -> bool:
    """Return whether X is a frame of pandas or polars that is in memory."""
    return isinstance(X, pd.DataFrame) or (is_of_polars(X) and hasattr(X, "get_columns"))


def _rows_of_frame(frame: Any) -> Rows | None:
    """Return the rows of a frame of pandas or polars whose cells are lists; None of numbers."""
    first = next(iter(frame[COLUMNS[0]]), None)
    is_list = first is None or np.ndim(first) == 1
    return _rows_of({name: frame[name] for name in frame.columns}) if is_list else None


def open_tokens(rows: Any, item: Any) -> tuple[TokenSource, np.ndarray]:
    """Open rows of tokens; return them, and the first of them, which was read as ``item``.

    Parameters
    ----------
    rows : sequence of dict, or Dataset of dict or (dict, target)
        Dicts of 1-D integers.
    item : dict or (dict, target)
    """
    with blamed("X[0]", TOKEN_ADVICE):
        first = read_row(row_in(item))
    return TokenSource(rows, len(first)), first


def is_hugging_face(X: Any) -> bool:
    """Return whether X is a dataset of the package datasets, which is not asked."""
    return hasattr(X, "column_names") and hasattr(X, "with_format")


def _rows_of(columns: Mapping) -> Rows:
    """Return the rows of columns, those of tokens only, if they are equally many."""
    check_known(columns)
    given = {name: columns[name] for name in columns if name in COLUMNS}
    known = {name: _listed(column) for name, column in given.items() if column is not None}
    sizes = {}
    for name, column in known.items():
        if not hasattr(column, "__len__") or (len(column) and np.ndim(column[0]) != 1):
            raise ValueError(
                f"`X[{name!r}]` must hold one row of integers per sample. A single row needs [row]."
            )
        sizes[name] = len(column)
    if len(set(sizes.values())) > 1:
        raise ValueError(f"`X` must have as many rows in each column, got {sizes}.")
    return Rows(known)


def _listed(column: Any) -> Any:
    """Return a column as a sequence by place: a Series goes by labels, and Arrow has scalars."""
    for method in ("to_pylist", "to_list"):
        if hasattr(column, method):
            return getattr(column, method)()
    return column
