"""The meta set: rows on which a virtual step is judged."""

import os
from typing import Any

import numpy as np

from sklearn_debias.exceptions import warn
from sklearn_debias.fitting._beside import open_beside
from sklearn_debias.fitting._facts import Facts
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.training import ImageSource, Source

CHUNK = 1024  # rows looked at together
SHARE = 5  # a class gives at most one row in so many


def open_meta(
    estimator: Classifier, beside: tuple[Any, Any], training: Source, facts: Facts
) -> tuple[Source, np.ndarray]:
    """Check the meta set that `fit` was given; return its rows and class codes."""
    inputs, codes = open_beside(estimator, "meta", beside, len(training), facts)
    source = inputs.source
    classes = facts.classes
    missing = np.setdiff1d(np.arange(len(classes)), codes)
    if len(missing):
        raise ValueError(
            f"`y_meta` must hold every class, {classes.tolist()}, but misses "
            f"{classes[missing].tolist()}. Add rows of these."
        )
    shared = _shared_rows(training, source)
    if shared:
        warn(
            f"`X_meta` shares {shared} of its {len(source)} rows with X: what is learned to serve "
            f"them serves to fit the training rows. Take them out of X."
        )
    return source, codes


def _shared_rows(one: Source, other: Source) -> int:
    """Count the rows of ``other`` that are in ``one``, where both are in memory or both files."""
    if isinstance(one, ImageSource) and isinstance(other, ImageSource):
        # Two names may lead to one file.
        known = {os.path.realpath(path) for path in one.items}
        return sum(os.path.realpath(path) in known for path in other.items)
    if not (one.resident() and other.resident()):
        return 0  # reading a whole disk for a warning would cost more than it tells
    few = [row.tobytes() for row in other.take(np.arange(len(other))).numpy()]
    known = set(few)
    found = set()
    for start in range(0, len(one), CHUNK):
        rows = one.take(np.arange(start, min(start + CHUNK, len(one)))).numpy()
        found |= known.intersection(row.tobytes() for row in rows)
    return sum(row in found for row in few)


def held_out(
    y: np.ndarray, group: np.ndarray | None, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Return a mask (n,) of ``size`` rows of each class, at most a fifth, evenly over groups.

    Every group keeps half of its rows, and a class of two rows or more gives one.
    """

    def spare(rows: np.ndarray) -> list[int]:
        return rng.permutation(rows)[(len(rows) + 1) // 2 :].tolist()

    group = y if group is None else group
    held = np.zeros(len(y), dtype=bool)
    for code in np.unique(y):
        own = np.flatnonzero(y == code)
        wanted = min(size, max(len(own) // SHARE, 1), len(own) - 1)
        queues = [spare(own[group[own] == g]) for g in np.unique(group[own])]
        if not any(queues):  # groups of one row each: the class gives one of them
            queues = [spare(own)]
        chosen: list[int] = []
        while len(chosen) < wanted and any(queues):
            for queue in queues:
                if queue and len(chosen) < wanted:
                    chosen.append(queue.pop())  # one of each group in turn
        held[chosen] = True
    return held
