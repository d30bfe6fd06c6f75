"""What drawing images needs: matplotlib, if it is there, pixels it can show, panels, outlines."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sklearn_debias.rows import as_array
from sklearn_debias.training import white

FAINT = 0.1  # of the largest magnitude, below which a sign is not told
DARK = 0.5  # of it, above which colours are dark
LUMINANCE = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
OUTLINE = "deepskyblue"


def pyplot() -> Any:
    """Return matplotlib.pyplot, or raise an ImportError that says how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            "Drawing needs matplotlib. Install it: pip install 'sklearn-debias[plot]'."
        ) from error
    return plt


def lengths(below: Any, above: Any) -> list[list[float]]:
    """Return the lengths of error bars as lists.

    Of arrays of one element matplotlib makes numbers, which NumPy 2.0 to 2.3 warn about.
    """
    return [list(below), list(above)]


def as_pictures(images: Any) -> np.ndarray:
    """Return images (n, channels, h, w) as matplotlib shows them: (n, h, w, 3), in [0, 1].

    Floats outside of [0, 1], such as standardised ones, are scaled by their range over all images.
    """
    images = as_array(images, "images")
    if images.dtype.kind not in "fiub" or not np.isfinite(images).all():
        raise ValueError(f"`images` must hold finite numbers, got the dtype {images.dtype}.")
    if images.ndim != 4 or images.shape[1] not in (1, 3, 4) or 0 in images.shape:
        raise ValueError(
            "`images` to draw must have shape (n, 1, 3 or 4 channels, height, width), got "
            f"{images.shape}."
        )
    pictures = images[:, :3].transpose(0, 2, 3, 1).astype(float) / white(images)  # without alpha
    low, high = pictures.min(), pictures.max()
    if low < 0 or high > 1:
        pictures = (pictures - low) / (high - low if high > low else 1)
    return np.repeat(pictures, 3, axis=3) if pictures.shape[3] == 1 else pictures


def greys(picture: np.ndarray) -> np.ndarray:
    """Return the picture (h, w, 3) in greys, so that the colours of a map over it can be read."""
    return np.repeat((picture @ LUMINANCE)[..., None].clip(0, 1), 3, axis=2)


def grid_of_axes(ax: Any, n_rows: int, n_columns: int, panel: tuple[float, float]) -> np.ndarray:
    """Return axes (n_rows, n_columns) without ticks: new ones, those given, or one divided."""
    plt = pyplot()
    if ax is None:
        size = (n_columns * panel[0] + 0.3, n_rows * (panel[1] + 0.25) + 0.2)
        figure = plt.figure(figsize=size, layout="constrained")
        axes = figure.subplots(n_rows, n_columns, squeeze=False)
    elif isinstance(ax, plt.Axes):
        axes = divided(ax, n_rows, n_columns)
    else:
        axes = np.asarray(ax, dtype=object)
        if axes.shape != (n_rows, n_columns) and axes.size == n_rows * n_columns and axes.ndim == 1:
            axes = axes.reshape(n_rows, n_columns)  # as plt.subplots squeezes a single row
        if axes.shape != (n_rows, n_columns):
            raise ValueError(
                f"`ax` must be one Axes, or an array of them of shape {(n_rows, n_columns)}: a row "
                f"per image, the image and a column per model. Got shape {axes.shape}."
            )
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    return axes


def one_axes(ax: Any, size: tuple[float, float]) -> Any:
    """Return the Axes given, or one on a new figure of ``size`` inches."""
    plt = pyplot()
    if ax is None:
        return plt.figure(figsize=size, layout="constrained").subplots()
    if not isinstance(ax, plt.Axes):
        raise ValueError(
            f"`ax` must be an Axes of matplotlib, or None for a new figure, got {ax!r:.60}."
        )
    return ax


def check_keywords(given: Any, name: str) -> dict[str, Any]:
    """Return what matplotlib is to be given, none for None; raise a ValueError for no dict."""
    if given is None:
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(key, str) for key in given):
        raise ValueError(
            f"`{name}` must be a dict of arguments by name, or None, got {given!r:.60}."
        )
    return dict(given)


def divided(ax: Any, n_rows: int, n_columns: int) -> np.ndarray:
    """Return axes (n_rows, n_columns) in the place of one, which is switched off."""
    ax.set_axis_off()
    cells = _cells(ax, n_rows, n_columns)
    return np.array(
        [[ax.figure.add_subplot(cells[i, j]) for j in range(n_columns)] for i in range(n_rows)]
    )


def _cells(ax: Any, n_rows: int, n_columns: int) -> Any:
    """Return the grid that divides an Axes, whether of a layout or placed by hand."""
    from matplotlib.gridspec import GridSpec, GridSpecFromSubplotSpec

    place = ax.get_subplotspec()
    if place is not None:
        return GridSpecFromSubplotSpec(n_rows, n_columns, subplot_spec=place)
    (left, bottom), (right, top) = ax.get_position().get_points()
    return GridSpec(n_rows, n_columns, ax.figure, left=left, right=right, bottom=bottom, top=top)


def hatch_negative(
    axis: Any, values: np.ndarray, extent: tuple[float, float, float, float]
) -> None:
    """Hatch the pixels (h, w) below 0, which their colour alone does not tell in greys."""
    for color, mask in (
        ("black", (values < -FAINT) & (values >= -DARK)),
        ("white", values < -DARK),  # on a dark colour
    ):
        if mask.any():
            _hatch(axis, mask, extent, color)


def _hatch(
    axis: Any, mask: np.ndarray, extent: tuple[float, float, float, float], color: str
) -> None:
    """Hatch the pixels of a mask (h, w), along their edges."""
    from matplotlib import rc_context
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    left, right, bottom, top = extent
    steps = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(int), axis=1)
    rows, starts = np.nonzero(steps > 0)  # runs of pixels, each one rectangle
    _, ends = np.nonzero(steps < 0)
    scale = np.array([(right - left) / mask.shape[1], (bottom - top) / mask.shape[0]])
    corners = [(starts, rows), (ends, rows), (ends, rows + 1), (starts, rows + 1), (starts, rows)]
    points = np.stack([np.stack(corner, axis=1) for corner in corners], axis=1)
    points = points * scale + np.array([left, top])
    codes = [Path.MOVETO, Path.LINETO, Path.LINETO, Path.LINETO, Path.CLOSEPOLY] * len(rows)
    path = Path(points.reshape(-1, 2), codes)
    with rc_context({"hatch.linewidth": 0.7}):
        axis.add_patch(PathPatch(path, fill=False, hatch="//////", edgecolor=color, lw=0))


def outline(axis: Any, mask: np.ndarray, extent: tuple[float, float, float, float]) -> None:
    """Draw the border of a mask (h, w) along the edges of its pixels."""
    from matplotlib.collections import LineCollection

    left, right, bottom, top = extent
    inside = np.pad(mask, 1)
    above = np.argwhere(inside[1:, 1:-1] != inside[:-1, 1:-1])  # pixels (i, j) with a border above
    beside = np.argwhere(inside[1:-1, 1:] != inside[1:-1, :-1])  # with one to their left
    edges = np.concatenate([above[:, None] + [[0, 0], [0, 1]], beside[:, None] + [[0, 0], [1, 0]]])
    scale = np.array([(right - left) / mask.shape[1], (bottom - top) / mask.shape[0]])
    lines = edges[..., ::-1] * scale + [left, top]
    border = LineCollection(
        list(lines), colors=OUTLINE, linewidths=1.2, capstyle="round", clip_on=False
    )
    axis.add_collection(border)


def check_look(cmap: Any, alpha: Any) -> None:
    """Raise unless matplotlib knows the colours, and the opacity is one."""
    plt = pyplot()
    try:
        plt.get_cmap(cmap)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"`cmap` must be a Colormap or the name of one, got {cmap!r}.") from error
    is_number = isinstance(alpha, int | float | np.number) and not isinstance(alpha, bool)
    if not is_number or not 0 <= alpha <= 1:
        raise ValueError(f"`alpha` must be a number in [0, 1], got {alpha!r}.")
