"""Classes and bias values from anyone: whole numbers or text, and no two for one thing."""

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.datasets.readers._gaps import is_gap
from sklearn_debias.datasets.readers._splits import some

LARGEST = 2**53  # from here on floats, and so files, mix up numbers that lie side by side


def codes(
    column: pd.Series, path: Path, split: np.ndarray, known: Mapping[Any, str] | None = None
) -> np.ndarray:
    """Return a column of classes or bias values (n,): whole numbers or text.

    Parameters
    ----------
    column : Series of n values
    path : Path
        For errors.
    split : ndarray of shape (n,)
        The names of the splits of the rows.
    known : mapping of value to name, default=None
        All values that there may be.

    Raises
    ------
    ValueError
        Where a value is missing, or a word that can only mean so; where a number is not whole;
        where two texts are one thing; where there are ``known`` values and it is none of them.
    """
    named = f"{path}: the column {column.name!r}"
    blank = int(is_gap(column).sum())
    if blank:
        raise ValueError(
            f"{named} must have a value in each row; {blank:,} have none. Fill them in, or leave "
            "these rows out; rename what is called NA or the like."
        )
    if pd.api.types.is_bool_dtype(column):
        values = column.to_numpy(dtype=np.int64)
    elif pd.api.types.is_numeric_dtype(column):
        values = _whole(column, named)
    else:
        values = column.to_numpy().astype(str)
    distinct = pd.unique(values).tolist()
    if known is not None:
        unknown = sorted(value for value in distinct if value not in known)
        if unknown:
            raise ValueError(
                f"{named} must hold {some(known, 12)}; found {some(unknown)}. For a table of your "
                "own, leave `layout` out."
            )
    if values.dtype.kind == "U":
        rows = pd.Series(values).groupby(np.asarray(split))
        check_alike({str(name): set(own.unique()) for name, own in rows}, named)
    return values


def _whole(column: pd.Series, named: str) -> np.ndarray:
    """Return whole numbers as int64."""
    values = column.to_numpy() if column.dtype.kind in "iu" else column.to_numpy(dtype=np.float64)
    sizes = np.abs(values.astype(np.float64))
    wrong = values[~(sizes < LARGEST) | (values != np.round(values))]
    if len(wrong):
        raise ValueError(
            f"{named} must hold whole numbers or text, found {some(pd.unique(wrong).tolist())}; "
            "numbers must be finite, and below 2**53 in size. Name another one in `columns`."
        )
    return values.astype(np.int64)


def numbers(column: pd.Series, path: Path, *, gaps: bool = False) -> np.ndarray:
    """Return a column of numbers (n,).

    Raises
    ------
    ValueError
        Where it holds anything else, or NaN unless there may be ``gaps``.
    """
    found = pd.to_numeric(column, errors="coerce")
    odd = column[found.isna() & column.notna()]
    named = f"{path}: the column {column.name!r} must hold a number in each row"
    if len(odd):
        raise ValueError(f"{named}; {len(odd):,} hold others: {some(odd.tolist())}. Mend the file.")
    blank = int(found.isna().sum())
    if blank and not gaps:
        raise ValueError(f"{named}; {blank:,} have none. Fill them in, or leave these rows out.")
    return found.to_numpy(dtype=np.float64)


def check_alike(names: Mapping[str, Collection[str]], source: str) -> None:
    """Raise where two names are of one thing.

    Names that differ in spaces around them, or in how their accents are kept, always are. Names
    that differ in case alone are where no split has both: "A" and "a" may be two letters.

    Parameters
    ----------
    names : mapping of str to collection of str
        The names in each split.
    source : str
        What they were read from, for errors.
    """
    every = sorted(set().union(*names.values()))
    pairs = [pair for pair in _alike(every) if _are_one(pair, names.values())]
    if pairs:
        pair = " and ".join(ascii(name) for name in pairs[0])
        more = f" ({len(pairs) - 1:,} more)" if len(pairs) > 1 else ""
        raise ValueError(
            f"{source} must not hold two names for one thing; found {pair}{more}. Write them alike."
        )


def _alike(names: Collection[str]) -> list[tuple[str, str]]:
    """Return the pairs of names that differ in case, spaces around or kinds of accents alone."""
    alike = defaultdict(list)
    for name in names:
        alike[_plain(_plain(name).casefold())].append(name)
    return [pair for group in alike.values() for pair in combinations(group, 2)]


def _are_one(pair: tuple[str, str], splits: Collection[Collection[str]]) -> bool:
    one, other = pair
    differ_in_case_alone = one.casefold() == other.casefold()
    return not differ_in_case_alone or not any(set(pair) <= set(names) for names in splits)


def _plain(name: str) -> str:
    # Files from a Mac hold accents as letters of their own.
    return unicodedata.normalize("NFC", name).strip()
