"""The result of a group report: what it holds, and how it reads."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from sklearn_debias.metrics._names import shorten
from sklearn_debias.metrics._rendering import Section, as_html, as_markdown, with_interval

__all__ = ["GroupReport"]

_AVERAGES = {
    "raw": "raw, over all samples",
    "group_mean": "unweighted mean of the groups",
    "adjusted": "adjusted by the training shares of the groups",
}


# `eq=False`: comparing frames gives a frame, which has no truth value.
@dataclass(frozen=True, eq=False)
class GroupReport:
    """Accuracy and other metrics of every group. Print it, or show it in a notebook.

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
    metrics : pandas.DataFrame
        One row per metric, the accuracy first; empty without `metrics`. "metric"; "overall" (of all
        samples), "difference" (the largest between two groups) and "ratio" (the smallest of two
        groups; NaN where a value is negative, or all are 0), each with "_lower" and "_upper";
        "lowest_group" and "highest_group"; "greater_is_better" (by the names of scikit-learn's
        functions; None where they do not tell), "n_undefined" (the number of groups without a
        value, which are left out of the others), and "interval" of the values ("binomial" or
        "bootstrap"; those of differences and ratios are bootstrap ones, and NaN for calibration
        errors).
    undefined : dict of str to tuple
        Metric -> groups that it is undefined in, where there are any.
    n_resamples : int
        Bootstrap replicates of each interval of `metrics` that is not exact.
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
    metrics: pd.DataFrame = field(default_factory=pd.DataFrame)
    undefined: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    n_resamples: int = 0

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of the table: one row per observed group.

        Returns
        -------
        frame : pandas.DataFrame
            Columns "class" and "bias" (only "class" without bias labels, only "bias" with
            ``by="bias"``, "group" with a membership matrix), "n", "accuracy", "lower", "upper", and
            "aligned" if `aligned` was given; then of each metric its name, and that with "_lower"
            and "_upper".
        """
        return self.frame.copy()

    def to_text(self) -> str:
        """Return the report as plain text.

        Returns
        -------
        text : str
            The table, then the worst group, the averages by name, and the absent groups.
        """
        parts = [self._title()]
        for heading, table, index in self._tables():
            text = table.to_string(index=index, float_format="{:.3f}".format)
            parts.append(f"{heading}\n{text}" if heading else text)
        return "\n\n".join([*parts, "\n".join(self._notes())])

    def to_markdown(self) -> str:
        """Return the report as Markdown tables, for issues and pull requests.

        Returns
        -------
        text : str
            What :meth:`to_text` has.
        """
        return as_markdown(self._title(), self._tables(), self._notes())

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        """Return the report as HTML, for notebooks."""
        return as_html(self._title(), self._tables(), self._notes())

    def _tables(self) -> Iterable[Section]:
        """Yield the tables that are shown: the groups, and how far apart they are."""
        shown = self.frame.copy()
        names = self.metrics["metric"].tolist()[1:] if len(self.metrics) else []
        for name in names:
            lower, upper = f"{name}_lower", f"{name}_upper"
            shown[name] = with_interval(shown[name], shown[lower], shown[upper])
            shown = shown.drop(columns=[lower, upper])
        yield "", shown, False
        if len(self.metrics):
            yield (
                "between groups; difference and ratio with bootstrap intervals",
                self._between(),
                False,
            )

    def _between(self) -> pd.DataFrame:
        """Return the table of metrics as it is shown."""
        shown = self.metrics[["metric"]].copy()
        for name in ("overall", "difference", "ratio"):
            bounds = [self.metrics[f"{name}_{side}"] for side in ("lower", "upper")]
            shown[name] = with_interval(self.metrics[name], *bounds)
        for side, is_worst in (("lowest", True), ("highest", False)):
            groups = self.metrics[f"{side}_group"]
            better = self.metrics["greater_is_better"]
            shown[side] = [
                f"{group!r} (worst)" if greater is is_worst else repr(group)
                for group, greater in zip(groups, better, strict=True)
            ]
        return shown

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
        for kind, rows in self.metrics.groupby("interval") if len(self.metrics) else ():
            how = f" of {self.n_resamples} resamples" if kind == "bootstrap" else ""
            notes.append(f"{kind:<15} intervals{how}: {', '.join(rows['metric'])}")
        for name, groups in self.undefined.items():
            notes.append(f"undefined       {name} in {len(groups)}: {shorten(groups)}")
        return notes
