"""Words and marks on a picture: cut, told apart without colour, placed where there is room."""

import textwrap
from typing import Any, NamedTuple

import numpy as np

LENGTH = 32  # letters of a name on an axis
NEAR = 16  # points from which on a label needs a line to what it names
DISTANCES = (7, 12, 18, 26, 36, 48, 62, 80, 100, 125)  # points from a point to its label
DIRECTIONS = np.exp(1j * np.pi * np.array([1, 7, 3, 5, 0, 4, 2, 6, 0.5, 7.5, 3.5, 4.5]) / 4)
CLEAR = 3.0  # pixels around every label


class Style(NamedTuple):
    """How one of several models is drawn: each part of it tells it apart by itself."""

    color: str
    hatch: str
    marker: str
    line: Any


# Colours by Okabe and Ito, which colour-blind people tell apart; neighbours differ in lightness.
COLORS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8C6A1F", "0.75")
HATCHES = ("", "//", "..", "xx", "\\\\", "oo", "||", "/.")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
LINES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 3)), (0, (8, 3)))


def style(number: int) -> Style:
    """Return the look of model ``number``; what has had its turn comes again in other pairs."""
    k = len(COLORS)
    turn = (number + number // k) % k
    return Style(COLORS[number % k], HATCHES[turn], MARKERS[turn], LINES[turn])


def light(color: str) -> tuple[float, ...]:
    """Return a colour mixed with white, on which black lines are seen."""
    from matplotlib.colors import to_rgb

    return tuple(0.55 * part + 0.45 for part in to_rgb(color))


def short(name: Any, length: int = LENGTH) -> str:
    """Return the text of a name, cut, and never read as a formula."""
    text = str(name)
    return plain(text if len(text) <= length else f"{text[: length - 1]}…")


def wrapped(name: Any, width: int, lines: int = 2) -> str:
    """Return the text of a name on several lines, cut after the last, never read as a formula."""
    parts = textwrap.wrap(str(name), width, max_lines=lines, placeholder="…")
    return plain("\n".join(parts))


def plain(text: str) -> str:
    """Return a text that matplotlib does not read as a formula."""
    return text.replace("$", r"\$")


def place_labels(axis: Any, points: np.ndarray, names: list[str], bars: np.ndarray) -> list[Any]:
    """Write each name near its point, where no other name and no point stands.

    Parameters
    ----------
    axis : Axes
        With its limits as they will be.
    points : ndarray of shape (n, 2)
        In data coordinates.
    names : list of str
    bars : ndarray of shape (m, 4)
        Left, bottom, right and top of what is better not covered, in data coordinates.

    Returns
    -------
    list of Annotation
    """
    from matplotlib.text import Text

    labels = [_label(axis, point, name) for point, name in zip(points, names, strict=True)]
    figure = axis.figure.figure  # the whole, where the axes are on a part of one
    figure.draw_without_rendering()  # the layout moves axes, which decides what is near
    at = axis.transData.transform(points)
    marks = np.concatenate([at - 5, at + 5], axis=1)
    soft = axis.transData.transform(bars.reshape(-1, 2)).reshape(-1, 4)
    soft += np.array([-2, -2, 2, 2])
    taken = list(marks)
    for label, point in zip(labels, at, strict=True):
        extent = Text.get_window_extent(label)  # the words alone, without the line to the point
        size = np.array([extent.width, extent.height]) + 2 * CLEAR
        # Those in the middle of a crowd could be put last; the first find room is enough here.
        offsets, boxes = _candidates(point, size, figure.dpi)
        cost = 1e3 * _overlap(boxes, np.array(taken)) + _overlap(boxes, soft)
        cost += 1e4 * _outside(boxes, axis.bbox) + 1e-3 * np.arange(len(boxes))
        best = int(cost.argmin())
        taken.append(boxes[best])
        label.set_position(offsets[best] * 72 / figure.dpi)
        label.arrow_patch.set_visible(best // len(DIRECTIONS) >= _first_far())
    return labels


def _label(axis: Any, point: np.ndarray, name: str) -> Any:
    """Return a name at a point, with a thin line to it."""
    line = {"arrowstyle": "-", "color": "0.5", "lw": 0.6, "shrinkA": 0, "shrinkB": 4}
    return axis.annotate(
        name, point, (0, 0), textcoords="offset points", ha="center", va="center",
        fontsize="small", arrowprops=line,
    )  # fmt: skip


def _first_far() -> int:
    return sum(distance < NEAR for distance in DISTANCES)


def _candidates(point: np.ndarray, size: np.ndarray, dpi: float) -> tuple[np.ndarray, np.ndarray]:
    """Return offsets (k, 2) of a label's centre, and the boxes (k, 4) that it would fill."""
    way = np.stack([DIRECTIONS.real, DIRECTIONS.imag], axis=1)
    # The side of the box that faces the point stands at the distance, whatever the box's size.
    distances = np.array(DISTANCES)[:, None, None] * dpi / 72
    offsets = (distances * way + np.sign(way.round(6)) * size / 2).reshape(-1, 2)
    centres = point + offsets
    return offsets, np.concatenate([centres - size / 2, centres + size / 2], axis=1)


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the area (k,) that each box (k, 4) shares with others (m, 4)."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return (high - low).clip(0).prod(axis=2).sum(axis=1)


def _outside(boxes: np.ndarray, frame: Any) -> np.ndarray:
    """Return by how many pixels each box (k, 4) leaves the frame."""
    below = ([frame.x0, frame.y0] - boxes[:, :2]).clip(0).sum(axis=1)
    return below + (boxes[:, 2:] - [frame.x1, frame.y1]).clip(0).sum(axis=1)
