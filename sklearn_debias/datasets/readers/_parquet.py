"""Which columns of a table are the features, and which are anything else."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.datasets.readers._splits import some

# Numbers, maybe, that tell rows apart, and never features; in small letters.
NAMES_OF_ROWS = frozenset(
    (
        *("id", "idx", "index", "row", "filename", "file", "path", "level_0"),
        *("img_id", "image_id", "row_id", "sample_id", "__index_level_0__"),
    )
)
FEW = 30  # rows, of which a column may agree with the class by chance
LOOKED_AT = 1000  # rows that tell which columns may be the class
HOW = 'Name the features: columns={"x": ...} takes a column, or how the names of columns begin.'


def read_parquet(path: Path) -> pd.DataFrame:
    """Return the table of a parquet file."""
    try:
        return pd.read_parquet(path)
    except ImportError as error:
        raise ImportError(
            f"{path} is a parquet file, which pandas reads by pyarrow: `pip install pyarrow`, or "
            "save the features as .npz."
        ) from error
    except (OSError, ValueError) as error:  # pyarrow's own are derived from these
        raise ValueError(f"{path} must be a whole parquet file: {error}.") from error


def features_of(
    table: pd.DataFrame, labels: Collection[str], y: str, x: str | None, path: Path
) -> tuple[np.ndarray, list[str]]:
    """Return the features (n, d), and the columns that they are.

    Parameters
    ----------
    table : DataFrame
    labels : collection of str
        Columns of the class, the bias value and the split.
    y : str
        Column of the class.
    x : str or None
        Column of the features, or how the names of several begin. None: the one column of lists,
        where the columns of floats beside it are fewer than a list is long; without lists, all
        columns of floats; without these, all of whole numbers.
    path : Path
        For errors.
    """
    others = [name for name in table.columns if name not in labels]
    if x is not None:
        names = _named(table, others, x, path)
    else:
        names = _found(table, [name for name in others if not _tells_rows_apart(name)], path)
    if _is_of_lists(table[names[0]]):
        return _stacked(table[names[0]], path), names
    found = table[names].to_numpy()
    if found.dtype.kind == "O":  # pandas' own kinds of numbers, which have gaps
        found = table[names].to_numpy(dtype=np.float64, na_value=np.nan)
    found = found if found.dtype.kind == "f" else found.astype(np.float32)
    if x is None:
        _check_no_class(found, names, table[y], path)
    return found, names


def _named(table: pd.DataFrame, others: Sequence[str], x: str, path: Path) -> list[str]:
    """Return the column of a name, or the columns of numbers whose names begin so."""
    if x in others and (_is_of_lists(table[x]) or _is_of_numbers(table[x])):
        return [x]
    names = [name for name in others if str(name).startswith(x) and _is_of_numbers(table[name])]
    if not names:
        raise ValueError(
            f"{path} has no column of numbers or of their lists that is called {x!r} or begins so, "
            f"only {some(table.columns, 12)}. {HOW}"
        )
    return names


def _found(table: pd.DataFrame, others: Sequence[str], path: Path) -> list[str]:
    """Return the columns that can be nothing but features."""
    lists = [name for name in others if _is_of_lists(table[name])]
    if len(lists) > 1:
        raise ValueError(
            f"{path} has {len(lists)} columns of lists to choose from: {some(lists)}. {HOW}"
        )
    numbers = [name for name in others if _is_of_numbers(table[name])]
    floats = [name for name in numbers if pd.api.types.is_float_dtype(table[name])]
    if lists:
        _check_lists_are_features(table[lists[0]], floats, path)
        return lists
    if not numbers:
        raise ValueError(
            f"{path} must have columns of numbers or of their lists, the features; it has none "
            f"beside {some([name for name in table if name not in others], 12)}."
        )
    whole = [name for name in numbers if name not in floats]
    if floats and whole:
        raise ValueError(
            f"{path} has the whole numbers {some(whole)} beside the floats {some(floats)}: these "
            f"may be labels, or features. {HOW}"
        )
    return numbers


def _check_lists_are_features(column: pd.Series, floats: Sequence[str], path: Path) -> None:
    """Raise where lists may be something else, such as boxes, and floats beside them features."""
    first = np.asarray(column.iloc[0])
    if floats and (first.dtype.kind != "f" or len(floats) >= len(first)):
        kind = "floats" if first.dtype.kind == "f" else "whole numbers"
        raise ValueError(
            f"{path} has the lists {column.name!r} of {len(first)} {kind} beside {len(floats):,} "
            f"columns of floats, {some(floats)}: either may be the features. {HOW}"
        )


def _check_no_class(x: np.ndarray, names: Sequence[str], y: pd.Series, path: Path) -> None:
    """Raise where a column has one value for each class: it is the class by another name."""
    classes, distinct = pd.factorize(y)
    if len(y) < FEW or not 2 <= len(distinct) <= len(y) // 2:
        return
    looked_at = np.unique(np.linspace(0, len(x) - 1, LOOKED_AT).astype(int))
    maybe = np.flatnonzero(_tells(x[looked_at], classes[looked_at]))
    same = [names[int(i)] for i in maybe if _tells(x[:, [i]], classes)[0]]
    if same:
        raise ValueError(
            f"{path}: each class has one value of its own in {some(same)}, "
            f"which tells it to any model. {HOW}"
        )


def _tells(x: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Return which columns have one value in each class, and not the same one in all."""
    _, start, codes = np.unique(classes, return_index=True, return_inverse=True)
    first = x[start]
    return (x == first[codes]).all(axis=0) & (first != first[0]).any(axis=0)


def _stacked(column: pd.Series, path: Path) -> np.ndarray:
    """Return lists of one length as rows."""
    lengths = column.map(lambda row: len(row) if _is_list(row) else -1).to_numpy()
    odd = np.flatnonzero(lengths != lengths[0])
    if len(odd):
        raise ValueError(
            f"{path}: the lists in {column.name!r} must have one length; row 0 has {lengths[0]}, "
            f"row {odd[0]} {max(lengths[odd[0]], 0)}."
        )
    x = np.array(column.tolist())
    return x.astype(np.float32) if x.dtype.kind in "iu" else x


def _tells_rows_apart(name: Any) -> bool:
    plain = str(name).lower()
    return plain in NAMES_OF_ROWS or plain.startswith("unnamed:")


def _is_of_numbers(column: pd.Series) -> bool:
    kinds = pd.api.types
    return kinds.is_numeric_dtype(column) and not kinds.is_bool_dtype(column)


def _is_of_lists(column: pd.Series) -> bool:
    """Return whether a column holds lists of numbers, by its first row."""
    first = column.iloc[0] if len(column) else None
    return _is_list(first) and np.asarray(first).dtype.kind in "fiu"


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray)
