"""What a bias report holds, and how it reads."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.metrics.internal import Section, as_html, as_markdown, shorten, with_interval

MOST_COLUMNS = 40  # that are printed
MOST_TABLES = 3  # of cells that are printed
MOST_VALUES = 12  # of a table that is printed
MEANING = (
    "spurious: it predicts y beyond chance. Whether it is a shortcut, or the thing itself, is "
    "yours to know."
)
HINT = (
    "candidate: a linear model on the embeddings errs there more than in the rest of the class, "
    "and the rows stand apart from it (separation). Look at the rows named."
)


# `eq=False`: comparing frames gives a frame, which has no truth value.
@dataclass(frozen=True, eq=False)
class BiasReport:
    """What predicts the classes, and where a model errs; ``print`` it, show it, or plot it.

    Attributes
    ----------
    columns : pandas.DataFrame
        A row per column of the metadata, that with most evidence first: "column", "kind"
        ("categorical" or "numeric"), "n_values" (of a numeric one: bins), "n_missing",
        "balanced_accuracy" with "lower" and "upper", "chance" (its mean under permutation),
        "mutual_information" (nats) with "information_lower" and "information_upper", "p_value",
        "p_corrected" (for the number of columns), "spurious" (whether ``p_corrected <= alpha``),
        "empty_cells", "tiny_cells", and "left_out" (why a column was not judged, or "").
    cells : dict of column name to pandas.DataFrame
        Rows of each class (index) with each value (columns).
    aligned : dict of column name to dict
        Class -> value it goes with most often, as :func:`sklearn_debias.metrics.aligned_map` has
        it; classes with a tie are left out.
    candidates : pandas.DataFrame
        A row per candidate group, the surest first: "source" ("errors" or "inferred"), "class",
        "group" (its number or its label), "n", "share" (of the class), "n_measured" (rows that the
        accuracies are measured on), "accuracy" with "lower" and "upper" (NaN where no row is
        measured), "rest" (accuracy of the rest of the class) with "rest_lower" and "rest_upper",
        "p_value" (Fisher's exact test, one-sided), "p_corrected" (Holm), "separation" (along the
        line to the rest of the class: 1 for a part of a single bump, more for a bump of its own),
        "candidate" (whether ``p_corrected <= alpha`` and the separation is at least 1.5), and
        "nearest" (rows nearest to its centre). Empty without embeddings.
    members : tuple of ndarray
        Rows of each candidate group, in the order of ``candidates``, the nearest to its centre
        first.
    n_samples : int
    classes : tuple
    alpha : float
    n_permutations : int
    model_accuracy : float or None
        Out-of-fold balanced accuracy of the model on the embeddings; None without.
    notes : tuple of str
        What else to know, such as rare classes.
    """

    columns: pd.DataFrame
    cells: Mapping[Any, pd.DataFrame]
    aligned: Mapping[Any, dict[Any, Any]]
    candidates: pd.DataFrame
    members: tuple[np.ndarray, ...]
    n_samples: int
    classes: tuple[Any, ...]
    alpha: float
    n_permutations: int
    model_accuracy: float | None = None
    notes: tuple[str, ...] = ()

    @property
    def spurious(self) -> list[Any]:
        """Names of the columns that predict the classes beyond chance, by evidence."""
        return self.columns.loc[self.columns["spurious"], "column"].tolist()

    def to_frame(self) -> pd.DataFrame:
        """Return a copy of ``columns``.

        Returns
        -------
        frame : pandas.DataFrame
        """
        return self.columns.copy()

    def to_text(self) -> str:
        """Return the report as plain text.

        Returns
        -------
        text : str
            The columns ranked, the cells of the most spurious ones, the candidates, and notes.
        """
        parts = [self._title()]
        for title, table, index in self._tables():
            parts.append(f"{title}\n{table.to_string(index=index)}")
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

    def plot(self, ax: Any = None, *, column: Any = None, most: int = 20) -> Any:
        """Draw the columns by rank, the cells of one of them, and the candidate groups.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            Two for the columns and for the cells, where a column was judged; one for the candidate
            groups, where there are any. None makes a figure.
        column : name of a column, default=None
            Whose cells are drawn; None takes that with most evidence.
        most : int, default=20
            Columns, and candidate groups, drawn at most, >= 1.

        Returns
        -------
        ndarray of Axes
            Of shape (2,), (3,) with candidate groups, or (1,) with nothing else.

        Raises
        ------
        ImportError
            Without matplotlib, which the extra ``plot`` brings.
        ValueError
            If there is no such column, nothing to draw, or ``ax`` has another shape.
        """
        from sklearn_debias.inspection._bias_plot import draw

        return draw(self, ax, column, most)

    def _title(self) -> str:
        """Return the headline: how much was judged, and how well."""
        title = f"{self.n_samples} rows of {len(self.classes)} classes"
        if len(self.columns):
            judged = int((self.columns["left_out"] == "").sum())
            title += (
                f"; {judged} columns judged, {len(self.spurious)} spurious ({self.n_permutations} "
                f"permutations; any false alarm: at most {100 * self.alpha:g} %)"
            )
        if self.model_accuracy is not None:
            title += f"; model on the embeddings: balanced accuracy {self.model_accuracy:.3f}"
        return title

    def _tables(self) -> Iterable[Section]:
        """Yield the tables that are shown."""
        judged = self.columns[self.columns["left_out"] == ""]
        if len(judged):
            yield MEANING, _ranked(judged.head(MOST_COLUMNS)), False
        for name in self.spurious[:MOST_TABLES]:
            yield f"rows by class and value of {name!r}", _cells(self.cells[name]), True
        if len(self.candidates):
            yield HINT, _groups(self.candidates), False

    def _notes(self) -> list[str]:
        """Return the lines below the tables."""
        left_out = self.columns[self.columns["left_out"] != ""]
        notes = [
            f"left out: {shorten(group['column'].tolist())} ({reason})"
            for reason, group in left_out.groupby("left_out")
        ]
        n_more = int((self.columns["left_out"] == "").sum()) - MOST_COLUMNS
        if n_more > 0:
            notes.append(f"not shown: {n_more} columns of less evidence, see `columns`")
        for name in self.spurious[:MOST_TABLES]:
            notes.append(f"aligned by {name!r}: {self.aligned[name]}")
        return [*notes, *self.notes]


def _ranked(columns: pd.DataFrame) -> pd.DataFrame:
    """Return the columns as they are shown."""
    shown = columns[["column", "kind", "n_values"]].copy()
    shown["balanced accuracy"] = with_interval(
        columns["balanced_accuracy"], columns["lower"], columns["upper"]
    )
    shown["chance"] = columns["chance"].map("{:.3f}".format)
    shown["information"] = with_interval(
        columns["mutual_information"], columns["information_lower"], columns["information_upper"]
    )
    shown["p"] = columns["p_corrected"].map("{:.3g}".format)
    shown["empty, tiny cells"] = [
        f"{empty}, {tiny}"
        for empty, tiny in zip(columns["empty_cells"], columns["tiny_cells"], strict=True)
    ]
    shown["spurious"] = columns["spurious"].map({True: "yes", False: ""})
    return shown.rename(columns={"n_values": "values"})


def _cells(table: pd.DataFrame) -> pd.DataFrame:
    """Return the cells as they are shown: of the most frequent values, and one column of others."""
    order = table.sum().sort_values(ascending=False, kind="stable").index
    kept = table.columns.isin(order[:MOST_VALUES])
    shown = table.loc[:, kept].copy()
    # The title says the name of the column, so that the corner is free.
    shown.columns = pd.Index(list(shown.columns), dtype=object, tupleize_cols=False, name="class")
    shown.index.name = None
    n_others = int((~kept).sum())
    if n_others:
        shown[f"({n_others} other values)"] = table.loc[:, ~kept].sum(axis=1)
    return shown


def _groups(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return the candidate groups as they are shown."""
    shown = candidates[["source", "class", "group", "n"]].copy()
    shown["accuracy"] = with_interval(
        candidates["accuracy"], candidates["lower"], candidates["upper"]
    )
    shown["rest of class"] = with_interval(
        candidates["rest"], candidates["rest_lower"], candidates["rest_upper"]
    )
    shown["p"] = candidates["p_corrected"].map("{:.3g}".format)
    shown["separation"] = candidates["separation"].map("{:.2f}".format)
    shown["candidate"] = candidates["candidate"].map({True: "yes", False: ""})
    shown["rows to look at"] = candidates["nearest"].map(lambda rows: ", ".join(map(str, rows)))
    return shown
