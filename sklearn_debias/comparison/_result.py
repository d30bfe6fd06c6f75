"""What a comparison found, to read, to print and to draw."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.arguments import check_option
from sklearn_debias.comparison._forms import as_latex, as_text_table
from sklearn_debias.comparison._measured import measured
from sklearn_debias.comparison._notes import notes_of
from sklearn_debias.inspection import GroupAccuracyDisplay, TradeoffDisplay
from sklearn_debias.metrics import GroupReport, group_report
from sklearn_debias.metrics.internal import Section, as_html, as_markdown, check_resamples

NAMES = {
    "accuracy": "average",
    "worst_group_accuracy": "worst group",
    "conflicting_accuracy": "conflicting",
}


@dataclass(eq=False)
class ComparisonResult:
    """The result of `compare`: a row per method; ``print`` it, or show it in a notebook.

    Attributes
    ----------
    frame : DataFrame
        A row per method, in the order given: the selected `configuration`, its
        `validation_score`; `accuracy` (the plain average over test rows), `worst_group_accuracy`,
        `group_mean_accuracy`, and where training has bias labels `adjusted_accuracy` (groups as
        frequent as in training) and `conflicting_accuracy`, each a mean over the fits with
        ``_lower`` and ``_upper``, and ``_std``, the standard deviation over the fits (by n - 1, NaN
        of a single one); `difference` of the worst group to the reference, with an interval that
        holds for all methods together; `probability_best`; `regret`, what another of the tried
        configurations would have gained on the test rows; CPU `seconds` in all, and
        `seconds_per_fit`; `n_fits` with fresh seeds, of which the means are over the `n_worked`
        that worked; how many fits of all `failed`, or were `degenerate`, which predict one class
        for all rows; how many of the fresh ones `warned`, and the first `warning`.
    groups : DataFrame
        Size of each group, and its accuracy by each method, a mean over the fits.
    group_frames_ : dict of str to DataFrame
        Per method a row per group, with the interval of its accuracy.
    configurations : DataFrame
        A row per fit of the selection: `params`, `score`, `seconds`, `error`, `warnings`.
    predictions_ : dict of str to ndarray of shape (n_fits, n)
        Labels predicted by the fits of each method, on the rows that `rows` names.
    probabilities_ : dict of str to ndarray of shape (n_fits, n, n_classes) or None
        None for methods without ``predict_proba``.
    scores_ : dict of str to dict of str to ndarray of shape (n_fits,)
        The metrics of each fit, by metric and method.
    best_method_ : str or None
        The method with the best validation score; None where all failed.
    best_estimator_ : classifier or None
        This method, fitted with the first seed; None without ``refit``.
    y_true, bias_labels
        Of the rows that the result is of.
    rows : {"test", "validation"}
        Which rows these are.
    n_rows : int
        Their number.
    group_kind : {"cell", "class"}
        Whether groups are (class, bias value), or classes where no bias labels are known.
    reference : str
        The method that the others are compared to.
    scoring : str
        The rule of selection.
    overlap : dict of tuple to int
        Test rows that are among others, by the names of both parts.
    n_test_reads : int
        How many different questions the test rows have answered: 1 for one comparison, more where a
        store has seen others on the same rows.
    budget : {"configurations", "seconds"}
        What was equal for all methods.
    is_drawn : bool
        Whether each fit to training rows had a draw of its own.
    confidence : float
        Nominal coverage of the intervals.
    """

    frame: pd.DataFrame
    groups: pd.DataFrame
    group_frames_: dict[str, pd.DataFrame]
    configurations: pd.DataFrame
    y_true: np.ndarray
    bias_labels: Any
    predictions_: dict[str, np.ndarray]
    probabilities_: dict[str, np.ndarray | None]
    scores_: dict[str, dict[str, np.ndarray]]
    best_method_: str | None
    best_estimator_: Any
    rows: str
    n_rows: int
    group_kind: str
    reference: str
    scoring: str
    n_test_reads: int
    confidence: float
    budget: str = "configurations"
    is_drawn: bool = False
    overlap: dict[tuple[str, str], int] = field(default_factory=dict)

    def to_frame(self) -> pd.DataFrame:
        """Return the table that is printed, as texts: figures in %, with their intervals.

        Returns
        -------
        table : DataFrame
        """
        shown = pd.DataFrame(index=self.frame.index)
        for metric, title in NAMES.items():
            if f"{metric}_lower" in self.frame:
                if metric == "worst_group_accuracy" and self.group_kind == "class":
                    title = "worst class"
                shown[title] = self._cells(metric)
        if len(self.frame) > 1 and "difference_lower" in self.frame:
            shown[f"worst minus {self.reference}"] = [
                "" if name == self.reference else text
                for name, text in zip(
                    self.frame.index, self._cells("difference", "{:+.1f}"), strict=True
                )
            ]
            best = self.frame["probability_best"]
            shown["best"] = ["" if np.isnan(p) else f"{100 * p:.0f} %" for p in best]
        if self.frame["regret"].notna().any():
            shown["regret"] = [
                "" if np.isnan(r) else f"{100 * r:.1f}" for r in self.frame["regret"]
            ]
        shown["CPU s"] = [f"{seconds:.1f}" for seconds in self.frame["seconds"]]
        worked = zip(self.frame["n_worked"], self.frame["n_fits"], strict=True)
        shown["fits"] = [str(n) if n == most else f"{n} of {most}" for n, most in worked]
        for name in ("failed", "degenerate"):
            if self.frame[name].any():
                shown[name] = self.frame[name].astype(str)
        if (self.frame["configuration"] != "").any():
            shown["configuration"] = self.frame["configuration"].replace("", "its own")
        return shown.rename_axis(None)

    def _cells(self, metric: str, form: str = "{:.1f}") -> list[str]:
        """Return values with their intervals, in %."""
        columns = [self.frame[name] for name in (metric, f"{metric}_lower", f"{metric}_upper")]
        texts = []
        for values in zip(*columns, strict=True):
            value, low, high = (form.format(100 * v) for v in values)
            texts.append("failed" if np.isnan(values[0]) else f"{value} [{low}, {high}]")
        return texts

    def notes(self) -> list[str]:
        """Return what must be known to read the table, a line each."""
        return notes_of(self)

    def _title(self) -> str:
        return f"{len(self.frame)} methods on {self.n_rows} {self.rows} rows"

    def _sections(self) -> list[Section]:
        return [("", self.to_frame(), True)]

    def __str__(self) -> str:
        return as_text_table(self.to_frame(), self.notes())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(self._title(), self._sections(), self.notes())

    def to_markdown(self) -> str:
        """Return the table in Markdown, with its notes below.

        Returns
        -------
        text : str
        """
        return as_markdown(self._title(), self._sections(), self.notes())

    def to_latex(self) -> str:
        """Return the table as a LaTeX ``tabular``, which needs no package.

        Returns
        -------
        text : str
        """
        return as_latex(self.to_frame())

    def plot(self, kind: str = "tradeoff", ax: Any = None) -> Any:
        """Draw the methods.

        Parameters
        ----------
        kind : {"tradeoff", "groups"}, default="tradeoff"
            The worst group against the average, or bars for every group; both with intervals.
        ax : Axes, default=None
            None makes a figure.

        Returns
        -------
        TradeoffDisplay or GroupAccuracyDisplay

        Raises
        ------
        ImportError
            Without matplotlib, which the extra ``plot`` brings.
        ValueError
            If the kind is unknown, or every method failed.
        """
        check_option("kind", kind, ("tradeoff", "groups"))
        if not self.predictions_:
            raise ValueError("Nothing can be drawn: the fits of all methods failed.")
        if kind == "groups":
            values = self.frame.loc[list(self.predictions_), "accuracy"].tolist()
            averages = dict(zip(self.predictions_, values, strict=True))
            return GroupAccuracyDisplay(
                self.group_frames_, averages=averages, confidence=self.confidence
            ).plot(ax)
        shown = {"accuracy": "average", "worst_group_accuracy": "worst_group"}
        columns = {
            f"{old}{end}": f"{new}{end}"
            for old, new in shown.items()
            for end in ("", "_lower", "_upper")
        }
        worked = self.frame.loc[list(self.predictions_)]
        return TradeoffDisplay.from_frame(worked[list(columns)].rename(columns=columns), ax=ax)

    def measure(
        self, metrics: Any, *, by: str = "cell", n_resamples: int = 2000, random_state: Any = 0
    ) -> pd.DataFrame:
        """Return other metrics of all methods in every group, as means over the fits.

        Nothing is fitted for that: predictions and probabilities are kept.

        Parameters
        ----------
        metrics : dict of str to callable or str, or list of str
            As for :func:`sklearn_debias.metrics.group_report`. Those of scores take probabilities.
        by : {"cell", "bias"}, default="cell"
            Groups are of class and bias value, or of the bias value alone.
        n_resamples : int, default=2000
            Bootstrap replicates of the rows.
        random_state : int or None, default=0
            Seed of the bootstrap; None draws fresh entropy.

        Returns
        -------
        table : DataFrame
            A row per `metric`, `method` and `group` (None: all rows), with the group's size `n`,
            the `value`, and `lower` and `upper`, for other seeds and other rows, each by itself.

        Raises
        ------
        ValueError
            If an argument is invalid, or no method has what its metrics need.

        Warns
        -----
        DebiasWarning
            If a metric is undefined in a group, or a method without ``predict_proba`` is left out.
        """
        return measured(self, metrics, by, check_resamples(n_resamples), random_state)

    def report(self, method: str, *, fit: int = 0, **settings: Any) -> GroupReport:
        """Return the report on the groups of one fit.

        Parameters
        ----------
        method : str
            Name of the method.
        fit : int, default=0
            Number of its fit.
        **settings
            As for :func:`sklearn_debias.metrics.group_report`; where `metrics` are given, the fit's
            probabilities are the scores.

        Returns
        -------
        report : GroupReport

        Raises
        ------
        ValueError
            If there is no such method, or no such fit.
        """
        if method not in self.predictions_:
            raise ValueError(
                f"`method` must be one of {sorted(self.predictions_)}, got {method!r}."
            )
        fits = self.predictions_[method]
        if not 0 <= fit < len(fits):
            raise ValueError(f"`fit` must be in 0..{len(fits) - 1}, got {fit!r}.")
        probabilities = self.probabilities_[method]
        if settings.get("metrics") is not None and probabilities is not None:
            settings.setdefault("y_score", probabilities[fit])
        return group_report(self.y_true, fits[fit], bias_labels=self.bias_labels, **settings)
