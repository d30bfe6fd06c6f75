"""The picture of a bias report: columns by rank, a heat map of cells, candidate groups.

What the report has none of is not drawn.
"""

from typing import Any

import numpy as np
import pandas as pd

from sklearn_debias.arguments import is_whole
from sklearn_debias.inspection._drawing import lengths, pyplot
from sklearn_debias.inspection._labels import short

SPURIOUS = "tab:red"
OTHER = "0.45"
MOST_CELLS = 15  # values of a heat map


def draw(report: Any, ax: Any, column: Any, most: Any) -> np.ndarray:
    """Draw a `BiasReport`; return the axes, of shape (1,), (2,) or (3,)."""
    if not is_whole(most) or most < 1:
        raise ValueError(f"`most` must be an int >= 1, got {most!r}.")
    judged = report.columns[report.columns["left_out"] == ""].head(most)
    candidates = report.candidates.head(most)
    n = 2 * bool(len(judged)) + bool(len(candidates))
    if not n:
        raise ValueError("`BiasReport.plot` needs a column or a candidate group, got none.")
    cells = _cells_of(report, judged, column) if len(judged) else None
    axes = _axes(ax, n, max(len(judged), len(candidates)), len(report.classes))
    if cells is not None:
        _draw_columns(axes[0], judged)
        _draw_cells(axes[1], *cells)
    if len(candidates):
        _draw_candidates(axes[-1], candidates)
    return axes


def _cells_of(report: Any, judged: pd.DataFrame, column: Any) -> tuple[pd.DataFrame, str]:
    """Return the cells of the column asked for, or of that with most evidence, and its name."""
    name = judged["column"].iloc[0] if column is None else column
    if name not in report.cells:
        raise ValueError(
            f"`column` must be one of {list(report.cells)}, the columns judged, got {name!r}."
        )
    return report.cells[name], str(name)


def _axes(ax: Any, n: int, n_rows: int, n_classes: int) -> np.ndarray:
    """Return ``n`` axes: new ones, or those given."""
    plt = pyplot()
    if ax is None:
        size = (5.2 * n + 1, 1.4 + 0.28 * max(n_rows, n_classes, 5))
        figure = plt.figure(figsize=size, layout="constrained")
        return figure.subplots(1, n, squeeze=False)[0]
    axes = np.atleast_1d(np.asarray(ax, dtype=object))
    if axes.shape != (n,) or not all(isinstance(axis, plt.Axes) for axis in axes):
        raise ValueError(f"`ax` must be {n} Axes, got an array of shape {axes.shape}.")
    return axes


def _draw_columns(axis: Any, columns: pd.DataFrame) -> None:
    """Draw the balanced accuracies with their intervals, and the chance of each."""
    places = np.arange(len(columns))
    values = columns["balanced_accuracy"].to_numpy()
    below = values - columns["lower"].to_numpy()
    above = columns["upper"].to_numpy() - values
    spurious = columns["spurious"].to_numpy(dtype=bool)
    for mask, color, label in (
        (spurious, SPURIOUS, "beyond chance"),
        (~spurious, OTHER, "not beyond chance"),
    ):
        if mask.any():
            errors = lengths(below[mask], above[mask])
            axis.errorbar(
                values[mask], places[mask], xerr=errors, fmt="o", ms=4, lw=1.2, color=color,
                label=label,
            )  # fmt: skip
    axis.plot(columns["chance"], places, "|", ms=9, color="black", label="chance")
    axis.set_yticks(places, [short(name) for name in columns["column"]])
    axis.invert_yaxis()
    axis.set(xlabel="balanced accuracy, out of fold", title="columns by evidence")
    axis.grid(axis="x", color="0.92")
    axis.legend(frameon=False, fontsize="small", loc="lower right")


def _draw_cells(axis: Any, table: pd.DataFrame, name: str) -> None:
    """Draw the share of each value in each class, with the counts."""
    kept = table.sum().sort_values(ascending=False, kind="stable").index[:MOST_CELLS]
    shown = table.loc[:, table.columns.isin(kept)]
    counts = shown.to_numpy()
    shares = counts / np.maximum(table.to_numpy().sum(axis=1, keepdims=True), 1)
    image = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (i, j), number in np.ndenumerate(counts):
        color = "white" if shares[i, j] > 0.55 else "black"
        axis.text(j, i, f"{number}", ha="center", va="center", color=color, fontsize="small")
    many = counts.shape[1] > 6
    axis.set_xticks(
        range(counts.shape[1]),
        [short(value) for value in shown.columns],
        rotation=45 if many else 0,
        ha="right" if many else "center",
    )
    axis.set_yticks(range(counts.shape[0]), [short(label) for label in shown.index])
    more = "" if len(kept) == table.shape[1] else f", {len(kept)} of {table.shape[1]} values"
    axis.set(xlabel=short(name), ylabel="class", title=f"rows by class and value{more}")
    axis.figure.colorbar(image, ax=axis, label="share of the class")


def _draw_candidates(axis: Any, candidates: pd.DataFrame) -> None:
    """Draw the accuracy of each candidate group against the rest of its class."""
    places = np.arange(len(candidates))
    for name, low, high, color, label in (
        ("rest", "rest_lower", "rest_upper", OTHER, "rest of the class"),
        ("accuracy", "lower", "upper", SPURIOUS, "candidate group"),
    ):
        values = candidates[name].to_numpy()
        errors = lengths(values - candidates[low], candidates[high] - values)
        shift = 0.12 if name == "accuracy" else -0.12
        axis.errorbar(
            values, places + shift, xerr=errors, fmt="o", ms=4, lw=1.2, color=color, label=label
        )
    names = [
        f"class {short(label)}, {source} {short(group)} (n={n})"
        for label, source, group, n in zip(
            candidates["class"],
            candidates["source"],
            candidates["group"],
            candidates["n"],
            strict=True,
        )
    ]
    axis.set_yticks(places, names)
    axis.set_ylim(len(candidates) - 0.5, -0.5)
    axis.set(xlabel="accuracy, out of fold", xlim=(-0.03, 1.03), title="candidate groups")
    axis.grid(axis="x", color="0.92")
    axis.legend(frameon=False, fontsize="small", loc="best")
