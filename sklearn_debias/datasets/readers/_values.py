"""Classes and bias values from anyone: whole numbers or text, and no two for one thing."""

import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.datasets.readers._gaps import is_gap
from sklearn_debias.datasets.readers._splits import some

LARGEST = 2**53  # from here on floats, and so files, mix up numbers that lie side by side


def codes(column: pd.Series, path: Path, known: Mapping[Any, str] | None = None) -> np.ndarray:
    """Return a column of classes or bias values (n,): whole numbers or text.

    Raises
    ------
    ValueError
        Where a value is missing, or a word that can only mean so; where a number is not whole;
        where two texts are written almost alike; where there are ``known`` values and it is none of
        them.
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
        check_alike(distinct, named)
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


def check_alike(names: Iterable[str], source: str) -> None:
    """Raise where names differ in case, spaces around them or the form of their letters alone."""
    alike: dict[str, list[str]] = {}
    for name in sorted(names):
        alike.setdefault(_plain(name), []).append(name)
    several = [group for group in alike.values() if len(group) > 1]
    if several:
        pair = " and ".join(ascii(name) for name in several[0][:2])
        more = f" ({len(several) - 1:,} more)" if len(several) > 1 else ""
        raise ValueError(
            f"{source} must not hold two names for one thing; found {pair}{more}. Write them alike."
        )


def _plain(name: str) -> str:
    # Files from a Mac hold accents as letters of their own.
    folded = unicodedata.normalize("NFC", name).strip().casefold()
    plain = unicodedata.normalize("NFC", folded)
    return plain.lstrip("0") if plain.isdecimal() else plain
