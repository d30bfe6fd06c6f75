"""What `GroupAccuracyDisplay` draws: lying bars, intervals, a star at a model's worst group."""

from typing import Any

import numpy as np

from sklearn_debias.inspection._drawing import lengths
from sklearn_debias.inspection._group_tables import GroupTables
from sklearn_debias.inspection._labels import light, style, wrapped

FIGURE = 6.4  # inches that a figure is wide
THICKNESS = 0.8  # of the bars of a group, of the row that it has
WIDTH = 34  # letters of a group's name on one line
INTERVAL = {"fmt": "none", "ecolor": "black", "elinewidth": 1.2, "capsize": 2, "zorder": 3}
STAR = {"marker": "*", "ms": 9, "mfc": "white", "mec": "black", "mew": 0.8, "ls": "", "zorder": 4}


def draw_groups(
    axis: Any, tables: GroupTables, names: dict[str, str], look: dict
) -> dict[str, Any]:
    """Draw the bars of every model with their intervals, and the star of its worst group."""
    bars = {}
    for k, (key, numbers) in enumerate(tables.numbers.items()):
        places = _places(np.arange(len(numbers)), k, len(names))
        _, values, lower, upper = numbers.T
        bars[key] = axis.barh(places, values, **_look(k, names[key], len(names), look))
        # An interval may end a rounding error inside of the value; a negative length is an error.
        errors = lengths(np.clip(values - lower, 0, None), np.clip(upper - values, 0, None))
        axis.errorbar(values, places, xerr=errors, **INTERVAL)
    for k, numbers in enumerate(tables.numbers.values()):
        if np.isfinite(numbers[:, 1]).any():
            worst = int(np.nanargmin(numbers[:, 1]))
            label = "_" if k else "worst group"  # a name with "_" is in no legend
            axis.plot(0.025, _places(worst, k, len(names)), label=label, **STAR)
    return bars


def draw_averages(
    axis: Any, row: int, names: dict[str, str], averages: dict[str, float], look: dict
) -> dict[str, Any]:
    """Draw the average of each model below the groups, behind a line."""
    if not averages:
        return {}
    axis.axhline(row - 0.5, color="black", lw=0.8)
    return {
        key: axis.barh(
            _places(row, k, len(names)), averages[key], **_look(k, "_", len(names), look)
        )
        for k, key in enumerate(names)
        if key in averages
    }


def legend_columns(names: dict[str, str]) -> int:
    """Return in how many columns the models' names fit on the width of a figure."""
    entry = 0.6 + 0.075 * max(12, *map(len, names.values()))  # inches, of small letters
    return max(1, min(3, int(FIGURE / entry)))


def write_legend(axis: Any, columns: int) -> None:
    """Write above the axes what the marks mean; the models first."""
    handles, labels = axis.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: not hasattr(handles[i], "patches"))
    axis.legend(
        [handles[i] for i in order],
        [labels[i] for i in order],
        ncols=columns,
        frameon=False,
        fontsize="small",
        loc="lower right",
        bbox_to_anchor=(1, 1),
        borderaxespad=0.3,
    )


def write_axes(
    axis: Any, tables: GroupTables, n_all: int, with_average: bool, confidence: float
) -> None:
    """Write the names of the groups, and what is measured."""
    counts = np.nanmax([numbers[:, 0] for numbers in tables.numbers.values()], axis=0)
    names = [
        wrapped(f"{text} (n={n:.0f})", WIDTH)
        for text, n in zip(tables.texts(), counts, strict=True)
    ]
    names += ["average"] * with_average
    axis.set_yticks(range(len(names)), names)
    axis.set(xlim=(0, 1.01), ylim=(len(names) - 0.5, -0.5))
    axis.grid(axis="x", color="0.9")
    axis.set_axisbelow(True)
    title = ", ".join({"bias": "bias value"}.get(name, name) for name in tables.columns)
    if len(tables.groups) < n_all:
        title = f"{title}: the worst {len(tables.groups)} of {n_all}"
    axis.set(xlabel=f"accuracy, with {100 * confidence:g} % intervals", ylabel=title)


def _places(rows: Any, k: int, n_models: int) -> Any:
    """Return where the bars of model ``k`` lie."""
    return rows + (k - (n_models - 1) / 2) * THICKNESS / n_models


def _look(k: int, label: str, n_models: int, look: dict) -> dict[str, Any]:
    """Return how the bars of model ``k`` look; the user has the last word."""
    own = {"facecolor": light(style(k).color), "hatch": style(k).hatch, "edgecolor": "black"}
    return own | {"linewidth": 0.6, "height": THICKNESS / n_models, "label": label} | look
