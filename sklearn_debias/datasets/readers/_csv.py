"""Tables of other people: which one, in which encoding, with which columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.datasets._folder import MissingDataError
from sklearn_debias.datasets.readers._splits import some

# What tells rows apart, the class, the bias value and the split: the field's shared schema.
SHARED = {"file": "filename", "y": "y", "a": "a", "split": "split"}


def only_file(folder: Path, names: Sequence[str], where: str, given: str | None = None) -> Path:
    """Return the one file of some names that a folder holds.

    Parameters
    ----------
    folder : Path
    names : sequence of str
        Patterns, relative to the folder.
    where : str
        Where the set comes from, for the error.
    given : str, default=None
        The user's choice, in place of the names.
    """
    if given is not None:
        path = folder / given
        if not path.is_file():
            raise MissingDataError(
                f"`csv` must name a file in {folder}; there is no {str(path)!r}."
            )
        return path
    found = sorted({path for name in names for path in folder.glob(name) if path.is_file()})
    if not found:
        raise MissingDataError(
            f"{folder} has no {' and no '.join(names)}. {where} Where the file has another name, "
            "pass it as `csv`."
        )
    if len(found) > 1:
        named = some(path.relative_to(folder).as_posix() for path in found)
        raise ValueError(f"{folder} has {len(found)} files to choose from: {named}. Pass `csv`.")
    return found[0]


def read_table(path: Path, **options: Any) -> pd.DataFrame:
    """Return a CSV file as a frame; file names stay text."""
    try:
        return pd.read_csv(path, encoding="utf-8", **options)
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} must be encoded in UTF-8: {error}. Convert it, as by `iconv -t utf-8`."
        ) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise ValueError(f"{path} must be a CSV file with a header: {error}.") from error


def named_columns(
    table: pd.DataFrame, styles: Sequence[Mapping[str, str]], path: Path
) -> dict[str, str]:
    """Return the first of some namings of columns whose columns are all there."""
    for columns in styles:
        if set(columns.values()) <= set(table.columns):
            return dict(columns)
    lacking = [[n for n in columns.values() if n not in table.columns] for columns in styles]
    missing = min(lacking, key=len)
    raise ValueError(
        f"{path} has no column {some(missing)}, only {some(table.columns, 12)}. Pass the names of "
        'yours, as in columns={"file": ..., "y": ..., "a": ..., "split": ...}.'
    )


def codes(column: pd.Series, path: Path, known: Mapping[Any, str] | None = None) -> np.ndarray:
    """Return a column of classes or bias values (n,): whole numbers or text.

    Raises
    ------
    ValueError
        Where a value is missing, or no whole number; where there are ``known`` values and it is
        none of them.
    """
    named = f"{path}: the column {column.name!r}"
    blank = int(column.isna().sum())
    if blank:
        raise ValueError(f"{named} must have a value in each row; {blank:,} have none.")
    values = column.to_numpy()
    if values.dtype.kind == "f":
        wrong = values[values != np.round(values)]
        if len(wrong):
            raise ValueError(
                f"{named} must hold whole numbers or text, found {some(wrong.tolist())}. Name "
                "another one in `columns`."
            )
        values = values.astype(np.int64)
    values = values.astype(np.int64 if values.dtype.kind in "iub" else str)
    if known is not None:
        unknown = [value for value in np.unique(values).tolist() if value not in known]
        if unknown:
            raise ValueError(
                f"{named} must hold {some(known, 12)}; found {some(unknown)}. For a table of your "
                "own, leave `layout` out."
            )
    return values


def check_unique(names: pd.Series, path: Path) -> None:
    """Raise where rows have the same name."""
    again = names[names.duplicated()]
    if len(again):
        raise ValueError(
            f"{path}: {len(again):,} rows repeat the {names.name} of another: "
            f"{some(again.tolist())}. Leave one of each."
        )
