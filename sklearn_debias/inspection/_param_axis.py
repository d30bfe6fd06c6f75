"""A parameter's values and the scores at them, checked; their axis, its scale and its ticks."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sklearn_debias.inspection._labels import short, wrapped
from sklearn_debias.rows import as_array

SPREAD = 10  # between the ends of what is worth a logarithmic axis
LETTER = 0.016  # of the axis' length that a letter takes, about
ROW = 64  # letters that stand side by side
NARROW = 8  # letters of a line, below which names are turned


def check_range(values: Any) -> list[Any]:
    """Return the values of a parameter as a list; raise a ValueError where there are none."""
    if isinstance(values, str | bytes | Mapping) or not np.iterable(values):
        raise ValueError(f"`param_range` must be a sequence of values, got {values!r:.60}.")
    values = list(values)
    if not values:
        raise ValueError("`param_range` must hold at least one value, got none.")
    return values


def check_curves(means: Any, stds: Any, k: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return mean and deviation of each score; raise unless there is a number per value."""
    if not isinstance(means, Mapping) or not means:
        raise ValueError(f"`means` must be a dict of numbers by score, got {means!r:.60}.")
    stds = {} if stds is None else stds
    if not isinstance(stds, Mapping) or not set(stds) <= set(means):
        raise ValueError(f"`stds` must be a dict by the scores {list(means)}, got {stds!r:.60}.")
    curves = {}
    for score, values in means.items():
        mean = as_array(values, f"means[{score!r}]", dtype=float)
        std = as_array(stds.get(score, np.full(k, np.nan)), f"stds[{score!r}]", dtype=float)
        for array, name in ((mean, "means"), (std, "stds")):
            if array.shape != (k,):
                raise ValueError(
                    f"`{name}[{score!r}]` must hold a number for each of the {k} values of "
                    f"`param_range`, got shape {array.shape}."
                )
        curves[str(score)] = mean, std
    return curves


def set_axis(axis: Any, values: list[Any], numeric: bool, xscale: str) -> None:
    """Choose the scale and the ticks of the values, which are drawn at 0, 1, ... if no numbers."""
    if not numeric:
        width = ROW // len(values)
        texts = [short(value, 24) for value in values]
        if width < NARROW:
            axis.set_xticks(range(len(values)), texts, rotation=90)
        else:
            axis.set_xticks(range(len(values)), [wrapped(value, width, 3) for value in values])
        axis.set_xlim(-0.5, len(values) - 0.5)
        return
    places = np.array(values, dtype=float)
    at = places
    if xscale == "log" or (xscale == "auto" and is_spread(places)):
        at = _set_log(axis, places)
    texts = [f"{value:g}" for value in places]
    room = LETTER * max(map(len, texts)) + 0.02
    if len(places) == 1 or np.abs(np.diff(at)).min() > room * np.ptp(at):
        axis.set_xticks(places, texts)
        axis.set_xticks([], minor=True)


def is_spread(values: np.ndarray) -> bool:
    """Return whether numbers, in any order, are best read on a logarithmic axis.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_debias.inspection._param_axis import is_spread
    >>> is_spread(np.array([0.001, 0.01, 0.1])), is_spread(np.array([1, 10, 20, 30, 40]))
    (True, False)
    """
    positive = np.unique(values[values > 0])
    if (values < 0).any() or len(positive) < 2 or positive[-1] < SPREAD * positive[0]:
        return False
    if len(positive) == 2:
        return True
    gaps = np.diff(positive)
    ratios = np.diff(np.log(positive))
    return bool(ratios.max() / ratios.min() < gaps.max() / gaps.min())


def _set_log(axis: Any, places: np.ndarray) -> np.ndarray:
    """Set a logarithmic scale, with a place for zero; return where the values stand on it."""
    least = places[places > 0].min()
    if places.min() > 0:
        axis.set_xscale("log")
    else:
        axis.set_xscale("symlog", linthresh=least)
    return np.log10(np.maximum(places, least / 10))
