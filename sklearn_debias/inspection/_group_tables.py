"""The tables that `GroupAccuracyDisplay` draws, checked, with the same groups for each model."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.arguments import is_real

NAMED_BY = ("class", "bias", "group")  # columns that name a group
NUMBERS = ("n", "accuracy", "lower", "upper")


@dataclass(frozen=True)
class GroupTables:
    """Numbers of the same groups for each of several models.

    Parameters
    ----------
    columns : tuple of str
        What a group is named by: "class" and "bias", one of them, or "group".
    groups : list of tuple
        A value per column.
    numbers : dict of str to ndarray of shape (groups, 4)
        Per model `NUMBERS`; NaN where it lacks a group.
    """

    columns: tuple[str, ...]
    groups: list[tuple]
    numbers: dict[str, np.ndarray]

    def worst(self, most: int) -> "GroupTables":
        """Return the groups in which some model is worst, at most so many, in their order."""
        accuracy = np.stack([numbers[:, 1] for numbers in self.numbers.values()])
        lowest = np.nanmin(accuracy, axis=0)  # every group has a model that holds it
        kept = np.sort(np.argsort(lowest, kind="stable")[:most])
        groups = [self.groups[i] for i in kept]
        return GroupTables(self.columns, groups, {k: v[kept] for k, v in self.numbers.items()})

    def texts(self) -> list[str]:
        """Return the groups' names as text."""
        return [", ".join(map(_text, group)) for group in self.groups]


def open_tables(frames: Any) -> GroupTables:
    """Return the tables of a dict of frames; raise a ValueError where they are none."""
    if not isinstance(frames, Mapping) or not frames:
        raise ValueError(
            "`frames` must be a dict of DataFrames by model, with at least one, got "
            f"{type(frames).__name__}."
        )
    columns = {key: _columns(frame, key) for key, frame in frames.items()}
    if len(set(columns.values())) > 1:
        raise ValueError(f"`frames` must name groups by the same columns, got {columns}.")
    named = next(iter(columns.values()))
    keys = {key: _keys(frame, named, key) for key, frame in frames.items()}
    groups = list(dict.fromkeys(group for found in keys.values() for group in found))
    place = {group: i for i, group in enumerate(groups)}
    numbers = {}
    for key, frame in frames.items():
        numbers[key] = np.full((len(groups), len(NUMBERS)), np.nan)
        rows = [place[group] for group in keys[key]]
        numbers[key][rows] = _numbers(frame, key)
    return GroupTables(named, groups, numbers)


def check_share(value: Any, name: str) -> None:
    """Raise a ValueError unless the value is a number in [0, 1]."""
    if not is_real(value) or not 0 <= value <= 1:
        raise ValueError(f"`{name}` must be a number in [0, 1], got {value!r:.60}.")


def check_averages(averages: Any, names: list[Any]) -> dict[str, float]:
    """Return the averages by model, none for None; raise unless they are shares of known ones."""
    if averages is None:
        return {}
    if not isinstance(averages, Mapping) or not set(averages) <= set(names):
        raise ValueError(
            f"`averages` must be a dict of numbers by the models {names}, got {averages!r:.60}."
        )
    for key, value in averages.items():
        check_share(value, f"averages[{key!r}]")
    return dict(averages)


def _columns(frame: Any, key: Any) -> tuple[str, ...]:
    """Return the columns that name groups."""
    given = list(frame.columns) if isinstance(frame, pd.DataFrame) else []
    named = tuple(column for column in NAMED_BY if column in given)
    if not named or not set(NUMBERS) <= set(given) or not len(frame):
        what = given if isinstance(frame, pd.DataFrame) else type(frame).__name__
        raise ValueError(
            f"`frames[{key!r}]` must be a DataFrame with a row per group and the columns "
            f"{list(NUMBERS)}, and 'class', 'bias' or 'group', as GroupReport.to_frame() has "
            f"them, got {what!s:.200}."
        )
    return named


def _keys(frame: pd.DataFrame, columns: tuple[str, ...], key: Any) -> list[tuple[Hashable, ...]]:
    """Return the group of each row."""
    keys = list(zip(*(frame[column].tolist() for column in columns), strict=True))
    if len(set(keys)) < len(keys):
        raise ValueError(f"`frames[{key!r}]` must have one row per group, but some occur twice.")
    return keys


def _numbers(frame: pd.DataFrame, key: Any) -> np.ndarray:
    """Return the numbers of each row."""
    try:
        numbers = frame[list(NUMBERS)].to_numpy(dtype=float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`frames[{key!r}]` must hold numbers in {list(NUMBERS)}: {error}") from (
            error
        )
    shares = numbers[:, 1:]
    if not np.isfinite(numbers).all() or (shares < 0).any() or (shares > 1).any():
        raise ValueError(
            f"`frames[{key!r}]` must have finite numbers, and 'accuracy', 'lower' and 'upper' in "
            "[0, 1], got others. Leave out groups without a sample."
        )
    return numbers


def _text(value: Any) -> str:
    """Return the text of a class, or of one bias value or several."""
    return " / ".join(map(str, value)) if isinstance(value, tuple) else str(value)
