"""Names of groups: those that should exist, and the text of many of them."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np

from sklearn_debias.exceptions import warn
from sklearn_debias.metrics._types import Absent, Kind

__all__ = ["FEW", "many_small", "missing_groups", "shorten"]

FEW = 5  # samples, of which the accuracy is a matter of luck
MANY = 10  # such groups: a small sample may have some


def missing_groups(
    names: Iterable[Any], kind: Kind, universe: Iterable[Any], absent: Absent
) -> tuple[Any, ...]:
    """Return the groups of an explicit universe that are not among the observed `names`.

    Raise a ValueError if the universe lacks an observed one, and treat missing ones by `absent`.
    """
    expected = _check_universe(universe, kind)
    outside = [name for name in names if name not in expected]
    if outside:
        raise ValueError(
            "`universe` must contain every observed group, but these are outside of it: "
            f"{shorten(outside)}. Add them, or check the spelling and type of the labels."
        )
    observed = set(names)
    empty = tuple(name for name in expected if name not in observed)
    if empty and absent != "ignore":
        message = (
            f"{len(empty)} of the {len(expected)} groups in `universe` have no sample: "
            f"{shorten(empty)}."
        )
        if absent == "raise":
            raise ValueError(f"{message} Pass absent='ignore' to score the observed ones only.")
        # 6: the caller of a metric, past `find_groups`, `tally`, `score` and the metric itself.
        warn(f"{message} The observed ones are scored.")
    return empty


def _check_universe(universe: Iterable[Any], kind: Kind) -> dict[Any, None]:
    """Return the universe as a dict of distinct names, in the caller's order."""
    form = {
        "cell": "(class, bias value) pairs",
        "bias": "bias values",
        "class": "class labels",
        "membership": "column names",
    }[kind]
    if isinstance(universe, str) or not hasattr(universe, "__iter__"):
        raise ValueError(f"`universe` must be a list of {form}, got {universe!r}.")
    try:
        names = list(universe)
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"`universe` must be a list of {form}: {error}.") from error
    pairs = all(isinstance(name, tuple) and len(name) == 2 for name in names)
    # A dict, not a set: messages list absent groups in the caller's order.
    try:
        expected = dict.fromkeys(names)
    except TypeError as error:
        raise ValueError(f"`universe` must be a list of {form}, and hashable: {error}.") from error
    if not names or (kind == "cell" and not pairs) or len(expected) < len(names):
        raise ValueError(
            f"`universe` must be a non-empty list of distinct {form}, got {shorten(names)}."
        )
    return expected


def many_small(cells: Sequence[Any], n: np.ndarray) -> str:
    """Return what to warn of where crossed attributes leave many cells (n,) a few samples each.

    The cells are (class, bias value); the text is empty where there is nothing to warn of.
    """
    small = int((n < FEW).sum())
    crossed = isinstance(cells[0][1], tuple)
    if not crossed or small < MANY:
        return ""
    return (
        f"`bias_labels` cross {len(cells[0][1])} attributes to {len(cells)} (class, bias value) "
        f"groups, of which {small} have fewer than {FEW} samples."
    )


def shorten(names: Collection[Any], most: int = 8) -> str:
    """Return the text of a list of names, cut after `most` of them."""
    text = ", ".join(repr(name) for name in list(names)[:most])
    return text if len(names) <= most else f"{text}, ... ({len(names)} in all)"
