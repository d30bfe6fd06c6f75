"""Tables of other people: which one, in which encoding, with which columns."""

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from sklearn_debias.datasets._folder import MissingDataError
from sklearn_debias.datasets.readers._gaps import NO_NUMBERS
from sklearn_debias.datasets.readers._splits import some

# What tells rows apart, the class, the bias value and the split: the field's shared schema.
SHARED = {"file": "filename", "y": "y", "a": "a", "split": "split"}
TRUTH = {"true": True, "false": False}


def only_file(
    folder: Path,
    names: Sequence[str],
    where: str,
    given: str | os.PathLike[str] | None = None,
    argument: str = "csv",
) -> Path:
    """Return the one file of some names that a folder holds.

    Parameters
    ----------
    folder : Path
    names : sequence of str
        Patterns, relative to the folder.
    where : str
        Where the set comes from, for the error.
    given : str or path-like, default=None
        The user's choice, in place of the names.
    argument : str, default="csv"
        The parameter of that choice.
    """
    if given is not None:
        path = folder / given
        if not path.is_file():
            raise MissingDataError(
                f"`{argument}` must name a file in {folder}; there is no {str(path)!r}."
            )
        return path
    found = sorted({path for name in names for path in folder.glob(name) if path.is_file()})
    if not found:
        raise MissingDataError(
            f"{folder} has no {' and no '.join(names)}. {where} Where the file has another name, "
            f"pass it as `{argument}`."
        )
    if len(found) > 1:
        named = some(path.relative_to(folder).as_posix() for path in found)
        raise ValueError(
            f"{folder} has {len(found)} files to choose from: {named}. Pass `{argument}`."
        )
    return found[0]


def read_table(path: Path, text: Collection[str] = (), **options: Any) -> pd.DataFrame:
    """Return a CSV file as a frame.

    Parameters
    ----------
    path : Path
    text : collection of str, default=()
        Columns of names or of text, as far as they are there, of which nothing is taken for a
        number ("001") or for a missing value ("None").
    **options
        For `pandas.read_csv`.
    """
    try:
        table = pd.read_csv(
            path,
            encoding="utf-8",
            dtype=dict.fromkeys(text, str),
            keep_default_na=False,
            na_values=[""],
            low_memory=False,  # or a column of a long file may hold numbers and text
            **options,
        )
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} must be encoded in UTF-8: {error}. Convert it, as by `iconv -t utf-8`."
        ) from error
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise ValueError(f"{path} must be a CSV file with a header: {error}.") from error
    for name in table.columns:
        if name not in text:
            table[name] = _with_gaps(table[name])
    return table


def _with_gaps(column: pd.Series) -> pd.Series:
    """Return numbers, or true and false, with gaps for words that mean so; others unchanged."""
    if pd.api.types.is_numeric_dtype(column):
        return column
    missing = column.isin(NO_NUMBERS)
    if not missing.any():
        return column
    kept = column[~missing]
    numbers = pd.to_numeric(kept, errors="coerce")
    # As pandas itself keeps them where the gaps are blank.
    truth = kept.astype(str).str.lower().map(TRUTH).astype(object)
    for read in (numbers, truth):
        if read.notna().any() and read.notna().equals(kept.notna()):
            return read.reindex(column.index)
    return column


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


def check_unique(names: pd.Series, path: Path) -> None:
    """Raise where rows have the same name."""
    again = names[names.duplicated()]
    if len(again):
        raise ValueError(
            f"{path}: {len(again):,} rows repeat the {names.name} of another: "
            f"{some(again.tolist())}. Leave one of each."
        )
