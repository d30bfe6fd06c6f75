"""Several fits of several models on the same test rows: what is luck of seeds, what of the rows.

The rows are drawn anew by a bootstrap, the same for all models. Five seeds are too few to be drawn
from: their spread enters as a Student variable, as in the interval of a mean. Both are added, so
that an interval holds for other seeds AND other test rows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import chi2

from sklearn_debias.metrics._groups import Groups
from sklearn_debias.metrics._summaries import summarise
from sklearn_debias.metrics._types import Rng

__all__ = ["Crossed", "Simultaneous", "cross", "standard_error", "student"]

_BLOCK = 4_000_000  # draws at a time: 16 MB


@dataclass(frozen=True)
class Simultaneous:
    """Differences of all models to one of them, with intervals that hold together.

    Attributes
    ----------
    difference, lower, upper : ndarray of shape (n_models,)
        0 for the reference itself.
    """

    difference: np.ndarray
    lower: np.ndarray
    upper: np.ndarray


@dataclass(frozen=True)
class Crossed:
    """One metric of some models, each fitted with several seeds, on the same rows.

    Attributes
    ----------
    scores : tuple of ndarray of shape (n_fits,)
        The metric of each fit, by model.
    under_rows : ndarray of shape (n_resamples, n_models)
        Means over the fits, under other test rows.
    luck : ndarray of shape (n_resamples, n_models)
        What other seeds add to the means; 0 for a single fit.
    shared : ndarray of shape (n_models, n_models)
        Covariances of the means by the seeds.
    """

    scores: tuple[np.ndarray, ...]
    under_rows: np.ndarray
    luck: np.ndarray
    shared: np.ndarray

    @property
    def replicates(self) -> np.ndarray:
        """Means over the fits, under other test rows and other seeds, as `under_rows`."""
        return self.under_rows + self.luck

    @property
    def means(self) -> np.ndarray:
        """Mean over the fits of each model, shape (n_models,)."""
        return np.array([fits.mean() for fits in self.scores])

    @property
    def deviations(self) -> np.ndarray:
        """Standard deviation over the fits of each model, NaN of a single fit."""
        return np.array([fits.std(ddof=1) if len(fits) > 1 else np.nan for fits in self.scores])

    @property
    def mirrored(self) -> np.ndarray:
        """The replicates, mirrored at what was observed, shape (n_resamples, n_models).

        A minimum over groups is biased downwards, more so in a replicate: see `paired_difference`.
        """
        return 2 * self.means - self.replicates

    def intervals(self, confidence: float) -> tuple[np.ndarray, np.ndarray]:
        """Return lower and upper ends for each model, each of shape (n_models,)."""
        tail = (1 - confidence) / 2
        low, high = np.quantile(self.mirrored, [tail, 1 - tail], axis=0)
        return low, high

    def against(self, reference: int, confidence: float) -> Simultaneous:
        """Return the differences to one model; all intervals hold together with ``confidence``.

        The largest of the studentised differences sets the width of all of them.
        """
        means = self.means
        observed = means - means[reference]
        rows = self.under_rows - self.under_rows[:, [reference]]
        luck = self.luck - self.luck[:, [reference]]
        deviation = np.abs(rows - rows.mean(axis=0) + luck)
        # In closed form for the seeds: of three, a Student variable has no variance.
        own = np.diag(self.shared)
        of_seeds = np.maximum(own + own[reference] - 2 * self.shared[reference], 0)
        spread = np.sqrt(rows.var(axis=0) + of_seeds)
        spread[reference] = 0
        # A model that never differs from the reference has no spread, and no say in the width.
        scaled = np.divide(deviation, spread, out=np.zeros_like(deviation), where=spread > 0)
        width = np.quantile(scaled.max(axis=1), confidence) * spread
        return Simultaneous(observed, observed - width, observed + width)

    def best(self) -> np.ndarray:
        """Return the share of replicates in which each model is best, shape (n_models,)."""
        drawn = self.mirrored
        is_best = drawn == drawn.max(axis=1, keepdims=True)
        return (is_best / is_best.sum(axis=1, keepdims=True)).mean(axis=0)


@dataclass(frozen=True)
class Apart:
    """Seeds of models that have nothing to do with each other.

    Parameters
    ----------
    student : ndarray of shape (n_resamples, n_models)
        Student variables.
    """

    student: np.ndarray

    def of(self, scores: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return `Crossed.luck` and `Crossed.shared` of a metric."""
        errors = np.array([standard_error(own) for own in scores])
        return self.student * errors, np.diag(errors**2)


@dataclass(frozen=True)
class Together:
    """Seeds of models whose fits share their luck, number by number.

    Parameters
    ----------
    numbers : sequence of ndarray of int of shape (n_fits,)
        Of the fits, by model, from 0.
    normal : ndarray of shape (n_resamples, n_numbers)
    scale : ndarray of shape (n_resamples, n_models)
        What makes Student variables of normal ones.
    """

    numbers: Sequence[np.ndarray]
    normal: np.ndarray
    scale: np.ndarray

    @classmethod
    def drawn(cls, pairs: Sequence[np.ndarray], n_resamples: int, rng: Rng) -> "Together":
        """Draw the luck of all numbers."""
        known = np.unique(np.concatenate(pairs))
        freedom = np.maximum([len(own) - 1 for own in pairs], 1)
        normal = rng.standard_normal((n_resamples, len(known)))
        # One draw for all: models with as many fits get the same scale, as of one multivariate t.
        share = rng.uniform(size=(n_resamples, 1))
        scale = np.sqrt(freedom / chi2.ppf(share, freedom))
        return cls([np.searchsorted(known, own) for own in pairs], normal, scale)

    def of(self, scores: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """Return `Crossed.luck` and `Crossed.shared` of a metric."""
        weights = np.zeros((len(scores), self.normal.shape[1]))
        for row, own, place in zip(weights, scores, self.numbers, strict=True):
            if len(own) > 1:
                row[place] = (own - own.mean()) / np.sqrt(len(own) * (len(own) - 1))
        return self.scale * (self.normal @ weights.T), weights @ weights.T


def cross(
    groups: Groups,
    right: Sequence[np.ndarray],
    coefficients: Mapping[Any, np.ndarray | int | None],
    *,
    n_resamples: int,
    rng: Rng,
    pairs: Sequence[np.ndarray] | None = None,
) -> dict[Any, Crossed]:
    """Return metrics of the fits of some models, all under the same draws of rows and seeds.

    Parameters
    ----------
    groups : Groups
        Of the n rows. Rows are drawn within them, or from all rows where groups overlap.
    right : sequence of ndarray of bool of shape (n_fits, n)
        Per model: which rows each of its fits has right.
    coefficients : mapping of name to ndarray of shape (n_groups,), int or None
        The metrics, as weighted sums of the groups' accuracies; a number is that of a single group,
        None the minimum.
    n_resamples : int
        Number of replicates.
    rng : Generator or RandomState
    pairs : sequence of ndarray of int of shape (n_fits,), default=None
        Per model a number of each fit. Fits of one number share their luck, as those that are
        trained on the same draw of rows do. None: no two do.

    Returns
    -------
    metrics : dict of name to Crossed
        Scores and replicates of each metric.
    """
    fits = np.concatenate(right)
    ends = np.cumsum([len(own) for own in right])[:-1]
    observed = _accuracy(groups, fits)
    drawn = np.concatenate(list(_redrawn(groups, fits, observed, n_resamples, rng)))
    n_fits = [len(own) for own in right]
    seeds: Apart | Together
    if pairs is None:
        seeds = Apart(np.stack([student(rng, n, n_resamples) for n in n_fits], axis=1))
    else:
        seeds = Together.drawn(pairs, n_resamples, rng)
    metrics = {}
    for name, weights in coefficients.items():
        scores = np.split(_metric(observed, weights), ends)
        by_fit = np.split(_metric(drawn, weights), ends, axis=1)
        under_rows = np.stack([own.mean(axis=1) for own in by_fit], axis=1)
        metrics[name] = Crossed(tuple(scores), under_rows, *seeds.of(scores))
    return metrics


def _metric(accuracy: np.ndarray, weights: np.ndarray | int | None) -> np.ndarray:
    """Return a metric (...,) from accuracies (..., n_groups)."""
    return accuracy[..., weights] if isinstance(weights, int) else summarise(accuracy, weights)


def _accuracy(groups: Groups, fits: np.ndarray) -> np.ndarray:
    """Return the accuracies of fits (n_fits, n) in the groups, (n_fits, n_groups)."""
    sizes = groups.total(np.ones(fits.shape[1]))
    return np.stack([groups.total(own.astype(float)) for own in fits]) / sizes


def _redrawn(
    groups: Groups, fits: np.ndarray, observed: np.ndarray, n_resamples: int, rng: Rng
) -> Iterator[np.ndarray]:
    """Yield accuracies (block, n_fits, n_groups) under draws of the rows."""
    n = fits.shape[1]
    member = _members(groups)
    block = max(1, _BLOCK // n)
    for start in range(0, n_resamples, block):
        size = min(block, n_resamples - start)
        shared = None if groups.member is None else _times(rng, n, size)
        accuracies = np.empty((size, *observed.shape))
        for k, rows in enumerate(member):
            times = _times(rng, len(rows), size) if shared is None else shared[:, rows]
            total = times.sum(axis=1, keepdims=True)
            hits = times @ fits[:, rows].T.astype(np.float32)
            # A draw may leave an overlapping group empty.
            accuracies[:, :, k] = np.where(total > 0, hits / np.maximum(total, 1), observed[:, k])
        yield accuracies


def _members(groups: Groups) -> list[np.ndarray]:
    """Return the rows of each group."""
    if groups.member is None:
        return [np.flatnonzero(groups.strata == k) for k in range(groups.n_strata)]
    return [np.flatnonzero(groups.member[groups.strata, k]) for k in range(len(groups.names))]


def _times(rng: Rng, n: int, size: int) -> np.ndarray:
    """Return how often each of n rows is drawn, (size, n); float32 holds such numbers exactly."""
    return rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float32)


def student(rng: Rng, n_fits: int, size: int) -> np.ndarray:
    """Return draws (size,) of the mean of some seeds, in standard errors; 0 for a single one."""
    return rng.standard_t(n_fits - 1, size=size) if n_fits > 1 else np.zeros(size)


def standard_error(scores: np.ndarray) -> float:
    """Return the standard error of the mean of the fits; 0 where a single one tells nothing."""
    n = len(scores)
    return float(scores.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0
