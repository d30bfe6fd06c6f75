"""The meta set: rows on which a virtual step is judged."""

import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from sklearn_debias.exceptions import warn
from sklearn_debias.fitting._beside import open_beside
from sklearn_debias.fitting._facts import Facts
from sklearn_debias.fitting._types import Classifier
from sklearn_debias.training import ImageSource, Source, TokenSource

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
    """Count the rows of ``other`` that are in ``one``, where both are cheap to compare.

    These are rows in memory, tokens that no torch Dataset makes, and the names of files.
    """
    if isinstance(one, ImageSource) and isinstance(other, ImageSource):
        # Two names may lead to one file.
        known = {os.path.realpath(path) for path in one.items}
        return sum(os.path.realpath(path) in known for path in other.items)
    if not (_is_cheap(one) and _is_cheap(other)):
        return 0  # reading a whole disk for a warning would cost more than it tells
    few = list(_contents(other))
    known = set(few)
    found = known.intersection(_contents(one))
    return sum(row in found for row in few)


def _is_cheap(rows: Source) -> bool:
    """Return whether rows are read in less time than a network takes for them."""
    named = isinstance(rows, TokenSource) and not isinstance(rows.items, Dataset)
    return rows.resident() or named


def _contents(rows: Source) -> Iterator[bytes]:
    """Yield what tells each row from others; of rows of tokens without their padding."""
    for start in range(0, len(rows), CHUNK):
        for _, alike in rows.groups(rows.take(np.arange(start, min(start + CHUNK, len(rows))))):
            yield from (row.tobytes() for row in alike.numpy())


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
