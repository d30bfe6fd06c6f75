"""Checks of the readers' arguments: each names the parameter and what was found."""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from sklearn_debias.arguments import check_option, is_switch
from sklearn_debias.datasets._checks import streams
from sklearn_debias.datasets._folder import MissingDataError, existing_path

Kind = TypeVar("Kind")


def check_switches(**given: Any) -> None:
    """Raise unless all are True or False."""
    for name, value in given.items():
        if not is_switch(value):
            raise ValueError(f"`{name}` must be True or False, got {value!r}.")


def check_text(name: str, value: Any) -> None:
    """Raise unless a value is text."""
    if not isinstance(value, str):
        raise ValueError(f"`{name}` must be a str, got {value!r}.")


def check_path(name: str, value: Any) -> None:
    """Raise unless a value is a path, or None."""
    if value is not None and not isinstance(value, str | os.PathLike):
        raise ValueError(f"`{name}` must be a str, a path or None, got {value!r}.")


def check_layout(layout: Any, known: Mapping[str, Kind]) -> Kind | None:
    """Return what a layout is; None where none is named."""
    return None if layout is None else known[check_option("layout", layout, known)]


def check_folder(path: Any, name: str = "folder") -> Path:
    """Return an existing folder."""
    found = existing_path(path, name)
    if not found.is_dir():
        raise MissingDataError(f"`{name}` must be a folder, got the file {str(found)!r}.")
    return found


def check_seed(random_state: Any) -> None:
    """Raise unless numbers could be drawn by it; none is drawn."""
    if not isinstance(random_state, np.random.Generator | np.random.RandomState):
        streams(random_state)


def check_columns(
    columns: Any, known: Collection[str], optional: Collection[str] = ()
) -> dict[str, Any]:
    """Return the user's names of columns; those that are optional may be None."""
    if columns is None:
        return {}
    if not isinstance(columns, Mapping) or set(columns) - set(known):
        named = ", ".join(map(repr, known))
        raise ValueError(f"`columns` must be a mapping of {named} to names, got {columns!r}.")
    for name, own in columns.items():
        if own is None and name not in optional:
            allowed = f"for {' or '.join(map(repr, optional))} only" if optional else "nowhere"
            raise ValueError(f"`columns` may be None {allowed}; got None for {name!r}.")
        if own is not None and not isinstance(own, str):
            raise ValueError(f"`columns` must map to names, which are str; got {own!r}.")
    return dict(columns)
