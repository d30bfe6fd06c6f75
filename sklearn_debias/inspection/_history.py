"""The history of a fit, sorted into panels and phases."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.arguments import is_whole

NO_TERMS = ("phase", "epoch", "lr", "seconds")
SCORE = "validation_"
PANELS = ("loss", "terms", "validation score")


@dataclass(frozen=True)
class History:
    """What is drawn of a history.

    Parameters
    ----------
    frame : DataFrame
        The columns drawn, as floats, a row per epoch.
    panels : dict of str to list of str
        Columns by the title of their panel, from top to bottom.
    phases : list of (str, int, int)
        Name, first and last row of each phase.
    best : int or None
        Row that was kept.
    epochs : list of int
        Number of each row's epoch in its phase, from 1.
    """

    frame: pd.DataFrame
    panels: dict[str, list[str]]
    phases: list[tuple[str, int, int]]
    best: int | None
    epochs: list[int]

    def kept(self) -> str:
        """Return which epoch was kept, and of which phase where there are several."""
        assert self.best is not None
        text = f"kept: epoch {self.epochs[self.best]}"
        phase = next(name for name, _, last in self.phases if self.best <= last)
        return text if len(self.phases) == 1 else f"{text} of {phase}"


def open_history(history: Any, best: Any, terms: Any) -> History:
    """Return what to draw; raise a ValueError where there is nothing, or no such thing."""
    if not isinstance(history, pd.DataFrame) or "phase" not in history or not len(history):
        found = list(history) if isinstance(history, pd.DataFrame) else type(history).__name__
        raise ValueError(
            "`history` must be a DataFrame with a row per epoch and the column 'phase', as "
            f"`history_` of a classifier, got {found!s:.200}."
        )
    if best is not None and (not is_whole(best) or not 0 <= best < len(history)):
        raise ValueError(
            f"`best` must be the position of a row, from 0 to {len(history) - 1}, or None, got "
            f"{best!r:.60}."
        )
    drawn = _numeric(history, _names(history) if terms is None else _asked(history, terms))
    if drawn.empty:
        raise ValueError(
            f"`history` must have numbers to draw, got the columns {list(history)!s:.200}."
        )
    panels: dict[str, list[str]] = {title: [] for title in PANELS}
    for name in drawn:
        panels[_panel(str(name))].append(str(name))
    phases, epochs = _phases(history["phase"].map(str).tolist())
    filled = {title: names for title, names in panels.items() if names}
    return History(drawn, filled, phases, None if best is None else int(best), epochs)


def kept_epoch(history: pd.DataFrame, net: Any) -> int | None:
    """Return the row of the epoch that `monitor` kept, None if the last one was, unasked.

    The net holds the history of the last phase, in which every best epoch so far is noted. Scores
    alone would not tell: ties went to the smaller loss.
    """
    rows = list(getattr(net, "history", None) or [])
    noted = [i for i, row in enumerate(rows) if row.get("event_best")]
    return len(history) - len(rows) + noted[-1] if noted else None


def _names(history: pd.DataFrame) -> list[str]:
    return [str(name) for name in history if name not in NO_TERMS]


def _asked(history: pd.DataFrame, terms: Any) -> list[str]:
    """Return the columns asked for."""
    known = _names(history)
    if isinstance(terms, str) or not isinstance(terms, Collection) or not set(terms) <= set(known):
        raise ValueError(
            f"`terms` must be a list of columns of the history, {known}, got {terms!r:.100}."
        )
    return [name for name in known if name in terms]


def _numeric(history: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Return the columns that hold numbers, as floats."""
    numbers = {name: pd.to_numeric(history[name], errors="coerce") for name in names}
    found = {name: np.asarray(column, dtype=float) for name, column in numbers.items()}
    return pd.DataFrame({n: column for n, column in found.items() if np.isfinite(column).any()})


def _panel(name: str) -> str:
    if name.startswith(SCORE):
        return PANELS[2]
    return PANELS[0] if name.endswith("_loss") else PANELS[1]


def _phases(names: list[str]) -> tuple[list[tuple[str, int, int]], list[int]]:
    """Return the runs of equal names, and the place of each row in its run, from 1."""
    starts = [i for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    ends = [*[start - 1 for start in starts[1:]], len(names) - 1]
    runs = [(names[start], start, end) for start, end in zip(starts, ends, strict=True)]
    epochs = [i + 1 for _, start, end in runs for i in range(end - start + 1)]
    return runs, epochs
