"""The bootstrap of two fits on the same rows: of the counts of who is right."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from sklearn_debias.metrics._groups import Groups
from sklearn_debias.metrics._summaries import summarise
from sklearn_debias.metrics._types import Rng

__all__ = ["one_fit_each"]

_BLOCK = 4_000_000  # counts that are drawn at a time: 32 MB


def one_fit_each(
    groups: Groups,
    right: tuple[np.ndarray, np.ndarray],
    coefficients: np.ndarray | None,
    n_resamples: int,
    rng: Rng,
) -> tuple[float, float, np.ndarray]:
    """Return both scores, and replicates of their difference (n_resamples,).

    ``right`` says which rows each of the two has right, (1, n).
    """
    counts = _outcome_counts(groups, right[0][0], right[1][0])
    observed = _accuracies(groups, counts)
    score_a, score_b = (float(summarise(accuracy, coefficients)) for accuracy in observed)
    replicates = []
    for draws in _resamples(groups, counts, n_resamples, rng):
        drawn_a, drawn_b = _accuracies(groups, draws, otherwise=observed)
        replicates.append(summarise(drawn_a, coefficients) - summarise(drawn_b, coefficients))
    return score_a, score_b, np.concatenate(replicates)


def _outcome_counts(groups: Groups, right_a: np.ndarray, right_b: np.ndarray) -> np.ndarray:
    """Return counts of shape (n_strata, 4): both wrong, only b right, only a right, both right."""
    outcome = 4 * groups.strata + 2 * right_a + right_b
    return np.bincount(outcome, minlength=4 * groups.n_strata).reshape(-1, 4)


def _accuracies(
    groups: Groups, counts: np.ndarray, otherwise: Iterable[Any] = (0.0, 0.0)
) -> list[np.ndarray]:
    """Return the accuracies [of a, of b], each (..., n_groups), from counts (..., n_strata, 4).

    A group that a draw leaves empty, as overlapping ones may be, gets the accuracy in `otherwise`.
    """
    n = groups.merge(counts.sum(axis=-1))
    hits_a = counts[..., 2:].sum(axis=-1)
    hits_b = counts[..., 1::2].sum(axis=-1)
    return [
        np.where(n > 0, groups.merge(hits) / np.maximum(n, 1), accuracy)
        for hits, accuracy in zip((hits_a, hits_b), otherwise, strict=True)
    ]


def _resamples(
    groups: Groups, counts: np.ndarray, n_resamples: int, rng: Rng
) -> Iterator[np.ndarray]:
    """Yield bootstrap replicates of the counts, (block, n_strata, 4), a block at a time."""
    block = max(1, _BLOCK // counts.size)
    for start in range(0, n_resamples, block):
        size = min(block, n_resamples - start)
        if groups.kind != "membership":
            drawn = [rng.multinomial(row.sum(), row / row.sum(), size=size) for row in counts]
            yield np.stack(drawn, axis=1)
        else:
            # A pattern of memberships may hold one sample: drawn by itself, it would never vary.
            cells = counts.ravel()
            drawn_cells = rng.multinomial(cells.sum(), cells / cells.sum(), size=size)
            yield drawn_cells.reshape(size, *counts.shape)
