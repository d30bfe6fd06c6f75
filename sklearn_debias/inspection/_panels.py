"""Panels over one another that share their epochs: axes, phases, the epoch that was kept."""

from itertools import pairwise
from typing import Any

import numpy as np

from sklearn_debias.inspection._drawing import divided, pyplot
from sklearn_debias.inspection._history import SCORE, History
from sklearn_debias.inspection._labels import plain, short

SHADE = "0.93"


def stacked_axes(ax: Any, n: int, panel: tuple[float, float]) -> np.ndarray:
    """Return ``n`` axes over one another: new ones, those given, or one divided."""
    plt = pyplot()
    if ax is None:
        size = (panel[0], 0.7 + n * panel[1])
        figure = plt.figure(figsize=size, layout="constrained")
        return figure.subplots(n, 1, squeeze=False, sharex=True)[:, 0]
    if isinstance(ax, plt.Axes):
        return np.array([ax]) if n == 1 else divided(ax, n, 1)[:, 0]
    axes = np.atleast_1d(np.asarray(ax, dtype=object)).ravel()
    if axes.shape != (n,) or not all(isinstance(axis, plt.Axes) for axis in axes):
        raise ValueError(
            f"`ax` must be one Axes, or an array of {n}, one for each panel, got {ax!r:.100}."
        )
    return axes


def mark_best(axes: np.ndarray, history: History) -> None:
    """Draw a line at the epoch that was kept, and a star at its score."""
    assert history.best is not None
    at = history.best + 1
    for axis in axes:
        axis.axvline(at, color="black", lw=1, ls=":", zorder=1)
    star = {"marker": "*", "ms": 12, "mfc": "white", "mec": "black", "ls": "", "zorder": 4}
    label = plain(history.kept())
    scores = [name for name in history.frame if str(name).startswith(SCORE)]
    if scores:
        score = history.frame[scores[0]].iloc[history.best]
        axes[-1].plot(at, score, label=f"{label}\n({score:.3g})", **star)
    else:
        axes[-1].plot([], [], color="black", lw=1, ls=":", label=label)


def finish_panels(axes: np.ndarray) -> None:
    """Write the legends, beside the panels where the layout makes room for them."""
    from matplotlib.ticker import MaxNLocator

    beside = {"loc": "upper left", "bbox_to_anchor": (1, 1), "frameon": False}
    for axis in axes:
        makes_room = axis.figure.figure.get_layout_engine() is not None
        axis.legend(fontsize="small", **(beside if makes_room else {"loc": "best"}))
        axis.grid(axis="y", color="0.88")
        axis.set_axisbelow(True)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    for axis in axes[:-1]:
        axis.tick_params(labelbottom=False)


def mark_phases(axes: np.ndarray, phases: list[tuple[str, int, int]], name: str | None) -> None:
    """Shade every second phase, and write their names, and the model's, above the first panel."""
    n_epochs = phases[-1][2] + 1
    margin = 0.02 * n_epochs
    for axis in axes:
        axis.set_xlim(1 - margin if n_epochs > 1 else 0.5, n_epochs + max(margin, 0.02))
        for _, first, last in phases[::2] if len(phases) > 1 else []:
            low = axis.get_xlim()[0] if first == 0 else first + 0.5
            high = axis.get_xlim()[1] if last == n_epochs - 1 else last + 1.5
            axis.axvspan(low, high, color=SHADE, lw=0, zorder=0)
    labels = _phase_names(axes[0], phases) if len(phases) > 1 else []
    if name is not None:
        height = max([label.get_window_extent().height for label in labels], default=0.0)
        axes[0].set_title(name, pad=6 + height * 72 / axes[0].figure.figure.dpi)


def _phase_names(axis: Any, phases: list[tuple[str, int, int]]) -> list[Any]:
    """Write the names above the phases: upright where they are narrow, some of them if many."""
    labels = [
        axis.annotate(
            short(name, 20), ((first + last) / 2 + 1, 1), (0, 3),
            xycoords=("data", "axes fraction"), textcoords="offset points",
            ha="center", va="bottom", fontsize="small", annotation_clip=False,
        )
        for name, first, last in phases
    ]  # fmt: skip
    figure = axis.figure.figure
    figure.draw_without_rendering()
    if _collide(labels):
        for label in labels:
            label.set_rotation(90)
        figure.draw_without_rendering()
    shown = labels
    while _collide(shown):
        shown = shown[::2]
    for label in labels:
        label.set_visible(label in shown)
    return shown


def _collide(labels: list[Any]) -> bool:
    """Return whether neighbours touch each other."""
    boxes = [label.get_window_extent() for label in labels]
    return any(left.x1 + 2 > right.x0 for left, right in pairwise(boxes))
