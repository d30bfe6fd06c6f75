"""What goes with rows: indexes that must agree, lists of labels that must keep their types."""

from collections.abc import Mapping, Set
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

__all__ = [
    "as_array",
    "as_pandas",
    "check_has_rows",
    "check_list_of_labels",
    "check_same_rows",
    "is_of_polars",
    "pickable_form",
]


def is_of_polars(values: Any) -> bool:
    """Return whether values are a frame or a column of polars, which is not imported."""
    return type(values).__module__.partition(".")[0] == "polars"


def as_pandas(values: Any) -> Any:
    """Return a frame of polars as one of pandas, column by column; other values as they are.

    Examples
    --------
    >>> from sklearn_debias.rows import as_pandas
    >>> as_pandas([1, 2])
    [1, 2]
    """
    if not is_of_polars(values) or not hasattr(values, "get_columns"):
        return values
    return pd.DataFrame({column.name: column.to_numpy() for column in values.get_columns()})


def as_array(values: Any, name: str, dtype: Any = None) -> np.ndarray:
    """Return an array; raise a ValueError that names the argument where there is none."""
    try:
        if hasattr(values, "detach") and hasattr(values, "resolve_neg"):  # a tensor, of any state
            values = values.detach().cpu().resolve_conj().resolve_neg()
        return np.asarray(values, dtype=dtype)
    except (TypeError, ValueError, RuntimeError, OverflowError) as error:
        reason = str(error).partition("\n")[0]
        kind = "numeric" if dtype is float else "an array-like of numbers or labels"
        raise ValueError(
            f"`{name}` must be {kind}, got a {type(values).__name__}: {reason}"
        ) from error


def check_has_rows(value: Any, name: str) -> None:
    """Raise a TypeError unless ``value`` may be rows of the argument ``name``.

    Examples
    --------
    >>> from sklearn_debias.rows import check_has_rows
    >>> check_has_rows([[0.1], [0.2]], "X")
    """
    unordered = isinstance(value, (str, bytes, Set, Mapping))
    shape = getattr(value, "shape", None)
    ordered = hasattr(value, "__len__") or hasattr(value, "__array__")
    if unordered or not (ordered if shape is None else len(shape)):
        advice = " Call its collect()." if hasattr(value, "collect") else ""
        raise TypeError(
            f"`{name}` must be array-like, with one row per sample, got a {type(value).__name__}."
            f"{advice}"
        )


def pickable_form(X: Any) -> str | None:
    """Return how to write rows so that numbers pick them, as splitters do; None where X is so.

    Examples
    --------
    >>> from sklearn_debias.rows import pickable_form
    >>> pickable_form({"input_ids": [[5, 6], [7]]})
    '[dict(zip(X, row)) for row in zip(*X.values())]'
    """
    if hasattr(X, "column_names"):  # a dataset of Hugging Face, its splits, or a table of Arrow
        if isinstance(X, Mapping):
            return f"list(X[{next(iter(X), 'train')!r}])"
        return "X.to_pylist()" if hasattr(X, "to_pylist") else "list(X)"
    return "[dict(zip(X, row)) for row in zip(*X.values())]" if isinstance(X, Mapping) else None


def check_same_rows(parts: Mapping[str, Any], advice: Mapping[str, str] | None = None) -> None:
    """Raise a ValueError where two indexes say that rows at one position do not belong together.

    Parameters
    ----------
    parts : mapping of str to Any
        What has one row per sample, by the name of its argument. Only what is a pandas object has
        an index to look at.
    advice : mapping of str to str, default=None
        What else to do where the rows of an argument are refused, by its name.

    Raises
    ------
    ValueError
        If a label of one index stands at another position in the other. A label that occurs twice
        has no one position: then if one row has two names, both of which either index knows. An
        index that counts from 0, as ``reset_index``, transformers and ``concat`` leave it behind,
        contradicts its permutations, and rows before it that were drawn from it, only.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklearn_debias.rows import check_same_rows
    >>> X = pd.DataFrame({"a": [0.1, 0.2]}, index=["i", "j"])
    >>> check_same_rows({"X": X, "y": pd.Series([0, 1], index=["i", "j"])})
    """
    indexes = {
        name: part.index
        for name, part in parts.items()
        if isinstance(part, pd.Series | pd.DataFrame)
    }
    for (name, index), (other, second) in combinations(indexes.items(), 2):
        if not index.equals(second) and _contradict(index, second):
            # A label that occurs twice would bring all its rows.
            by_index = f"{other}.loc[{name}.index] where the index says which row is which, or "
            raise ValueError(
                f"`{other}` must have its rows in the order of `{name}`, as rows are taken by "
                f"position, but its index has labels of `{name}` at other positions. Pass "
                f"{by_index if second.is_unique else ''}{other}.to_numpy() where the order does."
                f"{(advice or {}).get(other, '')}"
            )


def check_list_of_labels(labels: Any, name: str) -> None:
    """Raise a ValueError where NumPy would make text of what is none.

    An array of ``["a", nan]`` holds the text "nan", and one of ``[1, "1"]`` a single label.

    Parameters
    ----------
    labels : Any
        Only lists and tuples are looked at: an array has its type.
    name : str
        The argument, for messages.

    Examples
    --------
    >>> from sklearn_debias.rows import check_list_of_labels
    >>> check_list_of_labels(["a", "b"], "y")
    """
    if not isinstance(labels, list | tuple):
        return
    if labels and isinstance(labels[0], list | tuple):  # a table: each column has a type
        rows = [row for row in labels if isinstance(row, list | tuple)]
        for column in zip(*rows, strict=False):
            check_list_of_labels(column, name)
        return
    is_text = [isinstance(label, str) for label in labels]
    if not any(is_text) or all(is_text):
        return
    place = is_text.index(False)
    other = labels[place]
    if np.ndim(other):  # ragged: not a label at all
        return
    if pd.isna(other):
        raise ValueError(
            f"`{name}` must have no missing value, but Input {name} contains NaN: found one in row "
            f"{place}, {other!r}. Leave these rows out, or give them a label of their own."
        )
    raise ValueError(
        f"`{name}` must hold labels of one type, got text and {other!r} of type "
        f"{type(other).__name__}, of which an array would make text. Convert them."
    )


def _contradict(index: pd.Index, other: pd.Index) -> bool:
    """Return whether a label of one index stands at another position in the other."""
    one, two = _numbered(index, other)
    same_length = len(one) == len(two)
    if same_length and np.array_equal(np.sort(one), np.sort(two)):
        return True  # a permutation is one, whatever its labels
    if _is_default(other) and same_length and not _is_counted(index):
        return bool(np.isin(one, two).all())  # rows of 0 to n - 1 that were drawn anew
    if _is_counted(index) or _is_counted(other):
        return False
    # A label that occurs twice has no one position.
    times = np.bincount(two[two >= 0], minlength=one.max(initial=-1) + 1)
    place = np.full(len(times), -1)
    place[two[two >= 0]] = np.flatnonzero(two >= 0)
    place[times > 1] = -1
    there = np.where(one >= 0, place[one], -1)
    if ((there >= 0) & (there != np.arange(len(one)))).any():
        return True
    if not same_length:
        return False
    # But a row has one name, where both that it has are names in either index.
    known = (one >= 0) & (two >= 0) & np.isin(one, two) & np.isin(two, one)
    return bool((known & (one != two)).any())


def _numbered(index: pd.Index, other: pd.Index) -> tuple[np.ndarray, np.ndarray]:
    """Return the labels of two indexes as numbers, the same for the same label; -1 for NaN."""
    labels = [part.astype(object).to_numpy() for part in (index, other)]
    numbers, _ = pd.factorize(np.concatenate(labels))
    return numbers[: len(index)], numbers[len(index) :]


def _is_default(index: pd.Index) -> bool:
    """Return whether an index counts rows from 0, as one that nobody set does."""
    return isinstance(index, pd.RangeIndex) and index.start == 0 and index.step == 1


def _is_counted(index: pd.Index) -> bool:
    """Return whether an index counts rows from 0, or does so anew for each part of a `concat`."""
    if _is_default(index):
        return True
    if not pd.api.types.is_integer_dtype(index.dtype) or index.is_unique:
        return False
    labels = index.to_numpy()
    goes_on = np.diff(labels, prepend=-1) == 1
    return bool((goes_on | (labels == 0)).all())
