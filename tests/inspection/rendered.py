"""What is to be seen on a drawn figure: its words, and where they stand."""

from itertools import combinations

import numpy as np
from matplotlib.text import Text


def words(figure):
    """Return the visible texts of a figure with their boxes, in pixels."""
    figure.canvas.draw()
    beyond = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            slack = 1e-9 * max(abs(low), abs(high))
            for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
                if not axes.axison or not low - slack <= tick.get_loc() <= high + slack:
                    beyond |= {tick.label1, tick.label2}
    return [
        (text.get_text(), Text.get_window_extent(text))  # of the words, without an arrow
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and text not in beyond
    ]


def overlaps(figure):
    """Return the pairs of words that cover each other by more than a pixel either way."""
    pairs = []
    for (one, box), (other, second) in combinations(words(figure), 2):
        wide = min(box.x1, second.x1) - max(box.x0, second.x0)
        high = min(box.y1, second.y1) - max(box.y0, second.y0)
        if wide > 1 and high > 1:
            pairs.append((one, other))
    return pairs


def cut_off(figure):
    """Return the words that do not lie on the figure."""
    frame = figure.bbox
    return [
        text
        for text, box in words(figure)
        if box.x0 < frame.x0 - 1
        or box.y0 < frame.y0 - 1
        or box.x1 > frame.x1 + 1
        or box.y1 > frame.y1 + 1
    ]


def greys(figure):
    """Return the figure as drawn, in greys (ITU-R BT.601), of shape (h, w) in [0, 1]."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3] @ [0.299, 0.587, 0.114] / 255


def check_legible(figure):
    """Raise unless all words can be read: on the figure, and none over another."""
    assert words(figure)
    assert overlaps(figure) == []
    assert cut_off(figure) == []
