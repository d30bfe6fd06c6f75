"""The result of a group report: what it holds, and how it reads."""

import html
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sklearn_debias.metrics._names import shorten

__all__ = ["GroupReport"]

_AVERAGES = {
    "raw": "raw, over all samples",
    "group_mean": "unweighted mean of the groups",
    "adjusted": "adjusted by the training shares of the groups",
}


# `eq=False`: comparing frames gives a frame, which has no truth value.
@dataclass(frozen=True, eq=False)
class GroupReport:
    """Accuracy of every group. Print it, or show it in a notebook.

    Attributes
    ----------
    frame : pandas.DataFrame
        One row per observed group; see :meth:`to_frame`.
    n_samples : int
        Samples with positive weight.
    confidence : float
        Coverage of every interval.
    averages : dict
        "raw" (all samples), "group_mean" (unweighted) and, if `group_shares` was given, "adjusted".
    worst_group : tuple, or a class or column name
        The group with the smallest observed accuracy; the first one if several tie.
    worst_group_accuracy : float
        Its accuracy.
    worst_group_interval : tuple of two floats
        Simultaneous bounds for the smallest true accuracy among the groups.
    absent : tuple
        Groups without a sample.
    alignment : dict
        "aligned_accuracy", "conflicting_accuracy", "bias_gap", as far as defined; empty without
        `aligned`.
    exact : bool
        Whether the intervals are exact (equal weights) or approximate.
    left_out : tuple
        Groups with fewer than `min_group_size` samples.
    """

    frame: pd.DataFrame
    n_samples: int
    confidence: float
    averages: dict[str, float]
    worst_group: Any
    worst_group_accuracy: float
    worst_group_interval: tuple[float, float]
    absent: tuple[Any, ...]
    alignment: dict[str, float]
    exact: bool
    left_out: tuple[Any, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table: one row per observed group.

        Returns
        -------
        frame : pandas.DataFrame
            Columns "class" and "bias" (only "class" without bias labels, "group" with a membership
            matrix), "n", "accuracy", "lower", "upper", and "aligned" if `aligned` was given.
        """
        return self.frame.copy()

    def to_text(self) -> str:
        """Return the report as plain text.

        Returns
        -------
        text : str
            The table, then the worst group, the averages by name, and the absent groups.
        """
        table = self.frame.to_string(index=False, float_format="{:.3f}".format)
        return "\n".join([self._title(), "", table, "", *self._notes()])

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        """Return the report as HTML, for notebooks."""
        table = self.frame.to_html(index=False, float_format="{:.3f}".format)
        notes = "<br>".join(html.escape(note.strip()) for note in self._notes())
        return f"<p><b>{html.escape(self._title())}</b></p>{table}<p>{notes}</p>"

    def _title(self) -> str:
        """Return what was counted, and what the intervals are."""
        kind = "exact" if self.exact else "approximate (weighted)"
        return (
            f"{self.n_samples} samples in {len(self.frame)} groups; lower and upper: {kind} "
            f"{100 * self.confidence:g} % interval of each group"
        )

    def _notes(self) -> list[str]:
        """Return the lines below the table, each with a name of 15 columns in front."""
        low, high = self.worst_group_interval
        notes = [
            f"worst group     {self.worst_group_accuracy:.3f}  {self.worst_group!r}",
            f"                the smallest true accuracy of a group lies in [{low:.3f}, "
            f"{high:.3f}] ({100 * self.confidence:g} %, all groups at once)",
        ]
        for name, value in self.averages.items():
            notes.append(f"average         {value:.3f}  {_AVERAGES[name]}")
        for name, value in self.alignment.items():
            title = name.replace("_accuracy", "").replace("_", " ")
            notes.append(f"{title:<15} {value:.3f}")
        if self.absent:
            notes.append(f"absent groups   {len(self.absent)}: {shorten(self.absent)}")
        if self.left_out:
            notes.append(f"left out        {len(self.left_out)} small: {shorten(self.left_out)}")
        return notes
