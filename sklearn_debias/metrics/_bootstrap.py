"""Bootstrap replicates of any metric: samples are drawn, groups and metrics are evaluated."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.exceptions import UndefinedMetricWarning

from sklearn_debias.arguments import is_whole
from sklearn_debias.metrics._callables import Measure
from sklearn_debias.metrics._groups import Groups
from sklearn_debias.metrics._rules import Calibration, Ratio, Rule, Sample
from sklearn_debias.metrics._types import Rng

__all__ = [
    "Scope",
    "check_resamples",
    "difference_interval",
    "errors_if_calibrated",
    "interval",
    "ratio_interval",
    "replicates",
]

FEWEST = 100
MOST = 10_000_000  # replicates: more would take hours, and tell no more
BLOCK = 1_000_000  # weights that are drawn at a time: 8 MB, which a processor's cache about holds


@dataclass(frozen=True)
class Scope:
    """The samples of one group, or all, and what is computed on them."""

    rows: Any  # a slice of the sorted samples where possible, which copies nothing; else an index
    sample: Sample
    measure: Measure
    rule: Rule | None

    @property
    def is_share(self) -> bool:
        """Whether the metric is a share of samples, whose bounds are binomial."""
        return isinstance(self.rule, Ratio) and self.rule.is_share

    def replicate(self, weight: np.ndarray, is_weighted: bool) -> np.ndarray:
        """Return the metric, shape (b,), under weights of shape (b, n_samples)."""
        inside = weight[:, self.rows]
        if self.rule is not None:
            return self.rule(inside)
        return np.array([self._call(row, is_weighted) for row in inside])

    def _call(self, weight: np.ndarray, is_weighted: bool) -> float:
        """Return the metric of one weighting; NaN where it is undefined."""
        drawn = np.flatnonzero(weight)
        if not len(drawn):  # as overlapping groups may be left
            return float("nan")
        given: dict[str, np.ndarray] = {}
        if self.measure.takes_weight:
            given["weight"] = weight[drawn]
        elif not is_weighted:
            drawn = np.repeat(drawn, weight[drawn].astype(np.intp))
        sample = self.sample.take(drawn)
        try:
            return float(self.measure(sample.labels, sample.response, **given))
        except (UndefinedMetricWarning, ValueError, ArithmeticError):
            return float("nan")


def check_resamples(n_resamples: Any) -> int:
    """Return the number of replicates as an int; raise a ValueError unless it is one."""
    if not is_whole(n_resamples) or not FEWEST <= n_resamples <= MOST:
        raise ValueError(f"`n_resamples` must be an int in {FEWEST}..{MOST}, got {n_resamples!r}.")
    return int(n_resamples)


def replicates(
    scopes: Sequence[Scope], groups: Groups, weight: np.ndarray, n_resamples: int, rng: Rng
) -> np.ndarray:
    """Return replicates of shape (n_resamples, n_scopes), all scopes on the same draws.

    Samples are drawn with replacement within each stratum, or from all where groups overlap. They
    are sorted by stratum, and `weight` (n,) is the caller's.
    """
    sizes = np.bincount(groups.strata, minlength=groups.n_strata).tolist()
    if groups.kind == "membership":
        sizes = [len(weight)]
    is_weighted = bool((weight != weight[0]).any())
    found = []
    with warnings.catch_warnings():
        # Not once for each of thousands of replicates: the observed samples were warned of.
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", UndefinedMetricWarning)
        for counts in _counts(sizes, n_resamples, rng):
            # Weights that are equal cancel out of every metric, and need no product.
            drawn = counts * weight if is_weighted else counts
            found.append(np.column_stack([s.replicate(drawn, is_weighted) for s in scopes]))
    return np.concatenate(found)


def errors_if_calibrated(
    rule: Calibration, weight: np.ndarray, n_resamples: int, rng: Rng
) -> np.ndarray:
    """Return calibration errors, (n_resamples,), that samples would have by chance alone [1]_.

    References
    ----------
    .. [1] J. Bröcker and L. A. Smith, "Increasing the Reliability of Reliability Diagrams",
       Weather and Forecasting 22, 2007: consistency resampling.
    """
    block = max(1, BLOCK // len(weight))
    sizes = [min(block, n_resamples - start) for start in range(0, n_resamples, block)]
    shapes = [(size, len(weight)) for size in sizes]
    return np.concatenate([rule.if_calibrated(weight, rng.random(shape)) for shape in shapes])


def _counts(sizes: Sequence[int], n_resamples: int, rng: Rng) -> Iterator[np.ndarray]:
    """Yield how often each sample is drawn, (block, n) floats, a block at a time."""
    block = max(1, BLOCK // sum(sizes))
    for start in range(0, n_resamples, block):
        n_rows = min(block, n_resamples - start)
        drawn = [_multinomial(size, n_rows, rng) for size in sizes]
        yield np.concatenate(drawn, axis=1).astype(float)


def _multinomial(n: int, n_rows: int, rng: Rng) -> np.ndarray:
    """Return (n_rows, n) counts of n draws out of n each, as `rng.multinomial`, but faster."""
    draw = rng.integers if isinstance(rng, np.random.Generator) else rng.randint
    chosen = draw(n, size=(n_rows, n))
    chosen += np.arange(n_rows)[:, None] * n
    return np.bincount(chosen.ravel(), minlength=n_rows * n).reshape(n_rows, n)


def interval(
    observed: Any, drawn: np.ndarray, confidence: float, *, center: Any = None
) -> tuple[Any, Any]:
    """Return bounds from replicates of shape (n_resamples,), without the undefined ones.

    They are percentiles. Given a `center`, what the replicates scatter around, percentiles are
    mirrored: the truth is thought to lie below the observed value by as much as a replicate lies
    above the center. So what noise adds to a value, and to its replicates once more, is taken off.
    """
    tail = (1 - confidence) / 2
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of what has no replicate at all: NaN
        low, high = np.nanquantile(drawn, [tail, 1 - tail])
    if center is None:
        return low, high
    return observed + center - high, observed + center - low


def difference_interval(
    values: np.ndarray, drawn: np.ndarray, confidence: float
) -> tuple[float, float]:
    """Return bounds of the largest difference of groups, from replicates (n_resamples, n_groups).

    Noise enlarges it, so that percentiles alone would find a difference among equal groups. The
    lower bound takes off the largest difference that noise makes among all groups at once, as
    Tukey's range test does [1]_; the upper one is a percentile.

    References
    ----------
    .. [1] J. W. Tukey, "Comparing Individual Means in the Analysis of Variance", Biometrics 5,
       1949.
    """
    # Of replicates that lack a group, NaN, no range is taken: it would be one of other groups.
    _, by_noise = interval(0.0, np.ptp(drawn - values, axis=1), confidence)
    _, high = interval(0.0, np.ptp(drawn, axis=1), confidence)
    return np.maximum(np.ptp(values) - by_noise, 0.0), high


def ratio_interval(values: np.ndarray, drawn: np.ndarray, confidence: float) -> tuple[float, float]:
    """Return bounds of the smallest ratio, as of the largest difference of logarithms.

    They are NaN unless all values are positive. Replicates that are not positive are left out.
    """
    if values.min() <= 0:
        return np.nan, np.nan
    logs = np.log(np.where(drawn > 0, drawn, np.nan))
    low, high = difference_interval(np.log(values), logs, confidence)
    return np.exp(-high), np.exp(-low)
