"""What a fit is of: its parameters, its rows, its versions; a checkpoint of another is refused."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.content import fingerprint, key_of, name_and_size

SHOWN = 60  # letters of a value in a message


@dataclass(frozen=True)
class Identity:
    """Facts that decide a fit.

    Parameters
    ----------
    facts : mapping of str to (str, str)
        By a name for messages: the content, and words for it.
    """

    facts: Mapping[str, tuple[str, str]]

    @property
    def key(self) -> str:
        """One short name of all facts."""
        return fingerprint(sorted((name, content) for name, (content, _) in self.facts.items()))

    def differences(self, other: "Identity") -> list[str]:
        """Return in words what differs from another fit, here and there."""
        found = []
        for name in dict.fromkeys([*self.facts, *other.facts]):
            content, here = self.facts.get(name, ("", "nothing"))
            known, there = other.facts.get(name, ("", "nothing"))
            if content != known:
                said = f" ({there} there, {here} here)" if here != there else ""
                found.append(f"{name}{said}")
        return found


def described(name: str, value: Any) -> tuple[str, str]:
    """Return the content of a parameter, and words for it.

    Raises
    ------
    ValueError
        If it has no content to be told from others by.
    """
    try:
        content = key_of(value)
    except Exception as error:  # of a lock, a file, an object that cannot be taken apart
        raise ValueError(
            f"`checkpoint` cannot tell this fit from others: `{name}` holds what has no content to "
            f"compare ({error}). Pass another value, or checkpoint=None."
        ) from error
    text = repr(value)
    return content, text if len(text) <= SHOWN else f"a {type(value).__name__}"


def describe_rows(name: str, rows: Any) -> tuple[str, str]:
    """Return the content of rows, and words for it; files go by their names and sizes.

    Raises
    ------
    ValueError
        If they have no content to be told from others by.
    """
    files = not name.startswith(("y", "bias_labels", "sample_weight"))
    try:
        content = fingerprint(*_parts(rows, files=files))
    except OSError:
        raise
    except Exception as error:  # of a lock, a file, an object that cannot be taken apart
        raise ValueError(
            f"`checkpoint` cannot tell these rows from others: `{name}` holds what has no content "
            f"to compare ({error}). Pass arrays or paths, or checkpoint=None."
        ) from error
    return content, _words(rows)


def _words(rows: Any) -> str:
    shape = getattr(rows, "shape", None)
    if shape is not None:
        return f"a {type(rows).__name__} of shape {tuple(shape)}"
    length = f" of {len(rows)}" if hasattr(rows, "__len__") else ""
    return f"a {type(rows).__name__}{length}"


def _parts(rows: Any, *, files: bool) -> Iterable[Any]:
    """Return rows in parts whose content is the same in every process."""
    if isinstance(rows, pd.DataFrame):
        # By column, not by pandas' blocks, which depend on how a frame was made.
        yield list(map(repr, rows.columns))
        for i in range(rows.shape[1]):
            yield from _parts(rows.iloc[:, i], files=False)
    elif isinstance(rows, pd.Series | pd.Index):
        yield str(rows.dtype)
        yield from _parts(rows.to_numpy(), files=files)
    elif isinstance(rows, np.ndarray) and rows.dtype == object:
        yield from _parts(rows.tolist(), files=files)
    elif files and isinstance(rows, list) and all(isinstance(r, str | os.PathLike) for r in rows):
        yield [name_and_size(row) for row in rows]
    elif hasattr(rows, "to_pylist"):  # of pyarrow
        yield from _parts(rows.to_pylist(), files=files)
    elif isinstance(rows, Mapping) or _are_named(rows):
        columns = rows if isinstance(rows, Mapping) else _columns_of(rows)
        for name, column in columns.items():
            yield name
            yield from _column(column) if isinstance(column, list) else _parts(column, files=False)
    elif isinstance(rows, tuple):
        for number, part in enumerate(rows):  # X, y and what follows
            yield from _parts(part, files=files and number == 0)
    else:
        yield rows


def _are_named(rows: Any) -> bool:
    """Return whether these are rows of tokens, or the like: dicts of the same names."""
    if not isinstance(rows, list) or not rows or not isinstance(rows[0], Mapping):
        return False
    names = list(rows[0])
    return all(isinstance(row, Mapping) and list(row) == names for row in rows)


def _columns_of(rows: list) -> dict[Any, list]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _column(values: list) -> Iterable[Any]:
    """Return lists of whole numbers as two arrays: to walk each number takes ten times as long."""
    arrays = [np.asarray(value) for value in values] if _are_flat(values) else []
    if arrays and all(array.ndim == 1 and array.dtype.kind in "iub" for array in arrays):
        yield np.array([len(array) for array in arrays])
        yield np.concatenate(arrays).astype(np.int64)
    else:
        yield values


def _are_flat(values: list) -> bool:
    """Return whether these seem to be lists of numbers, by the first number of each."""
    whole = int | np.integer
    return all(
        isinstance(v, list | np.ndarray) and len(v) and isinstance(v[0], whole) for v in values
    )
