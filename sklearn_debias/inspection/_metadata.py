"""What is known of each row, column by column: values as codes, and what cannot be judged."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.rows import as_array, as_pandas

MISSING = "(missing)"
OTHER = "(other)"
MOST_VALUES = 10  # of numbers that are values, not measurements
MOST_CATEGORIES = 100  # values of a column, with the pooled ones, whose cells are counted
ALMOST_ALL = 0.9  # share of rows with a value of their own, from which a column is an identifier
MOST_BINS = 8
ROWS_PER_BIN = 25


@dataclass(frozen=True)
class Column:
    """A column of the metadata.

    Parameters
    ----------
    name : str
    kind : {"categorical", "numeric"}
        "numeric": binned by its quantiles.
    codes : ndarray of shape (n,), dtype intp
        Position of each row's value in ``values``.
    values : list
        The values, sorted; texts of the bins of a numeric column. Then "(other)", where rare values
        are pooled, and last "(missing)", where a row has none.
    n_missing : int
    n_pooled : int, default=0
        How many different values "(other)" stands for.
    left_out : str, default=""
        Why the column is not judged.
    """

    name: Any
    kind: str
    codes: np.ndarray
    values: list[Any]
    n_missing: int
    n_pooled: int = 0
    left_out: str = ""


def read_metadata(metadata: Any, n: int, argument: str = "metadata") -> list[Column]:
    """Return the columns of a frame, a dict, a matrix or one column, each of ``n`` rows."""
    named = _named(metadata, argument)
    if not named:
        raise ValueError(f"`{argument}` must have at least one column, got none.")
    columns = []
    for name, values in named:
        series = _series(values, f"{argument}[{name!r}]")
        if len(series) != n:
            raise ValueError(
                f"`{argument}[{name!r}]` must have one value per row of `y`: expected {n}, got "
                f"{len(series)}."
            )
        columns.append(_read(name, series, f"{argument}[{name!r}]"))
    return columns


def _named(metadata: Any, argument: str) -> list[tuple[Any, Any]]:
    """Return the columns with their names."""
    metadata = as_pandas(metadata)
    if isinstance(metadata, pd.DataFrame):
        twice = metadata.columns[metadata.columns.duplicated()]
        if len(twice):
            raise ValueError(
                f"`{argument}` must have columns of different names, got {twice[0]!r} twice."
            )
        return [(name, metadata.iloc[:, j]) for j, name in enumerate(metadata.columns)]
    if isinstance(metadata, Mapping):
        return list(metadata.items())
    if isinstance(metadata, pd.Series):
        return [(argument if metadata.name is None else metadata.name, metadata)]
    if isinstance(metadata, str | bytes | set) or not hasattr(metadata, "__len__"):
        raise TypeError(
            f"`{argument}` must be a frame, a dict of columns or an array with one row per sample, "
            f"got a {type(metadata).__name__}."
        )
    rows = metadata if hasattr(metadata, "dtype") else list(metadata)
    if isinstance(rows, list) and not any(isinstance(row, list | tuple) for row in rows):
        return [(argument, rows)]
    if isinstance(rows, list):
        return _columns_of_rows(rows, argument)
    table = as_array(rows, argument)
    if table.ndim == 1:
        return [(argument, table)]
    if table.ndim != 2:
        raise ValueError(f"`{argument}` must be 1-D or 2-D, got shape {table.shape}.")
    return [(f"column {j}", table[:, j]) for j in range(table.shape[1])]


def _columns_of_rows(rows: list, argument: str) -> list[tuple[Any, Any]]:
    """Return the columns of a list of rows: one array of it would give all of them one type."""
    sizes = {len(row) if isinstance(row, list | tuple) else 0 for row in rows}
    if len(sizes) > 1:
        raise ValueError(f"`{argument}` must have the same number of values in every row.")
    return [(f"column {j}", list(column)) for j, column in enumerate(zip(*rows, strict=True))]


def _series(values: Any, name: str) -> pd.Series:
    """Return a column as a series of one of pandas' types."""
    if isinstance(values, pd.Series):
        return values
    if isinstance(values, str | bytes | set | Mapping) or not hasattr(values, "__len__"):
        raise ValueError(
            f"`{name}` must be a column with one value per row, got a {type(values).__name__}."
        )
    if isinstance(values, list | tuple):
        # pandas keeps the type of each of the values; NumPy would make text of mixed ones.
        return pd.Series(list(values))
    if isinstance(values, pd.Index | pd.api.extensions.ExtensionArray):
        return pd.Series(values)
    array = as_array(values, name)
    if array.ndim != 1:
        raise ValueError(f"`{name}` must be 1-D, got shape {array.shape}.")
    if array.dtype.kind in "SUV":
        array = array.astype(object)
    elif not array.dtype.isnative:  # pandas refuses numbers of foreign byte order
        array = array.astype(array.dtype.newbyteorder("="))
    return pd.Series(array)


def _read(name: Any, series: pd.Series, argument: str) -> Column:
    """Return a column with its values as codes, binned where they are measurements."""
    try:
        series = series.infer_objects()
        n_different = int(series.nunique())
        measured = _is_measured(series.dtype) and n_different > MOST_VALUES
        codes, values = _binned(series) if measured else _encoded(series)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(
            f"`{argument}` must hold plain values (numbers, texts, dates): {error}."
        ) from error
    missing = codes < 0
    n_missing = int(missing.sum())
    reason = _why_not(series, codes, n_different, measured)
    n_pooled = 0
    if not reason and len(values) > MOST_CATEGORIES:
        codes, values, n_pooled = _pooled(codes, values)
    if n_missing:
        codes = np.where(missing, len(values), codes)
        values = [*values, _new(MISSING, values)]
    kind = "numeric" if measured else "categorical"
    return Column(name, kind, codes.astype(np.intp), values, n_missing, n_pooled, reason)


def _new(name: str, values: list[Any]) -> str:
    """Return a name that is none of the values: quoted as often as it takes."""
    while name in values:
        name = repr(name)
    return name


def _is_measured(dtype: Any) -> bool:
    """Return whether a type holds numbers or times, which have an order."""
    if isinstance(dtype, pd.CategoricalDtype):
        return False
    if dtype.kind == "c":
        raise ValueError("got complex ones")
    return dtype.kind in "iufmM"


def _why_not(series: pd.Series, codes: np.ndarray, n_different: int, measured: bool) -> str:
    """Return why a column is not judged, or ""; ``codes`` (n,) are negative where none is known."""
    known = codes[codes >= 0]
    if n_different + (len(known) < len(codes)) < 2:
        return "constant: all rows are alike"
    if n_different <= MOST_VALUES:
        return ""
    if n_different == len(known) and not measured:
        return "unique: each row has a value of its own, as identifiers have"
    if n_different == len(known) and series.dtype.kind in "iu":
        return "unique: whole numbers, each once, as identifiers are; floats would be binned"
    if measured:
        return ""  # a measurement may differ in all rows, and is binned
    alone = (np.bincount(known) == 1).sum()
    if alone >= ALMOST_ALL * len(known):
        return "nearly unique: most rows have a value of their own, as identifiers have"
    return ""


def _pooled(codes: np.ndarray, values: list[Any]) -> tuple[np.ndarray, list[Any], int]:
    """Pool all but the most frequent values; return codes, values, and how many were pooled.

    The labels have no part in it, so that permuting them tests the pooled column as well as any.
    """
    sizes = np.bincount(codes[codes >= 0], minlength=len(values))
    if OTHER in values:
        sizes[values.index(OTHER)] = 0  # one of that name is among the others
    # Stable: among equals the first in their order are kept. A value of one row tells nothing.
    kept = np.sort(np.argsort(-sizes, kind="stable")[: MOST_CATEGORIES - 1])
    kept = kept[sizes[kept] > 1]
    place = np.full(len(values) + 1, len(kept), dtype=np.intp)
    place[kept] = np.arange(len(kept))
    place[-1] = -1  # of the rows without a value
    return place[codes], [*(values[i] for i in kept), OTHER], len(values) - len(kept)


def _encoded(series: pd.Series) -> tuple[np.ndarray, list[Any]]:
    """Return codes, -1 where there is no value, and the sorted values."""
    codes, unique = pd.factorize(series, use_na_sentinel=True)
    values = [value.item() if isinstance(value, np.generic) else value for value in unique]
    try:
        order = sorted(range(len(values)), key=values.__getitem__)
    except TypeError:  # values of several types
        order = sorted(range(len(values)), key=lambda i: (type(values[i]).__name__, str(values[i])))
    rank = np.full(len(values) + 1, -1, dtype=np.intp)  # the last place is that of -1
    rank[order] = np.arange(len(values))
    return rank[codes], [values[i] for i in order]


def _binned(series: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Return the bins of measurements, -1 where there is none, and the names of the bins."""
    numbers = _as_numbers(series)
    known = np.sort(numbers[~np.isnan(numbers)])
    n_bins = int(np.clip(len(known) // ROWS_PER_BIN, 2, MOST_BINS))
    # A bin begins with a value that occurs: what lies between infinite ones is no number.
    edges = np.unique(known[np.arange(1, n_bins) * len(known) // n_bins])
    edges = edges[edges > known[0]]
    if not len(edges):  # nearly all rows have the smallest value
        edges = known[known > known[0]][:1]
    codes = np.searchsorted(edges, numbers, side="right")
    texts = _texts(edges, series.dtype.kind)
    between = [f"{low} to {high}" for low, high in pairwise(texts)]
    names = [f"< {texts[0]}", *between, f">= {texts[-1]}"]
    return np.where(np.isnan(numbers), -1, codes), names


def _as_numbers(series: pd.Series) -> np.ndarray:
    """Return measurements as floats, NaN where there is none; times in microseconds."""
    kind = series.dtype.kind
    if kind not in "mM":
        return series.to_numpy(dtype=float, na_value=np.nan)
    name = "timedelta64[us]" if kind == "m" else "datetime64[us]"
    ticks = series.to_numpy(dtype=name).astype(np.int64)
    return np.where(series.isna(), np.nan, ticks)


def _texts(edges: np.ndarray, kind: str) -> list[str]:
    """Return the edges as texts of as few digits as tell them apart."""
    if kind == "M":
        return [str(np.datetime64(int(edge), "us").astype("datetime64[s]")) for edge in edges]
    if kind == "m":
        return [str(pd.Timedelta(int(edge), "us")) for edge in edges]
    for digits in range(4, 18):
        texts = [f"{edge:.{digits}g}" for edge in edges]
        if len(set(texts)) == len(edges):
            break
    return texts
