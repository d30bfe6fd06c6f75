"""Any metric of several fits of several models, in every group of the same test rows."""

import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sklearn_debias.exceptions import DebiasWarning, warn
from sklearn_debias.metrics._bootstrap import Scope, errors_if_calibrated, interval
from sklearn_debias.metrics._callables import Measure
from sklearn_debias.metrics._crossed import standard_error, student
from sklearn_debias.metrics._groups import Groups
from sklearn_debias.metrics._metrics_by_group import (
    MOST_BY_CHANCE,
    Measured,
    bounds_of_share,
    center_of,
    measured,
)
from sklearn_debias.metrics._responses import read_responses
from sklearn_debias.metrics._rules import calibration_of

__all__ = ["Fits", "metrics_of_fits"]


@dataclass(frozen=True)
class Fits:
    """What the fits of one model predict for n rows.

    Parameters
    ----------
    labels : ndarray of shape (n_fits, n)
    scores : ndarray of shape (n_fits, n) or (n_fits, n, n_classes), or None
    """

    labels: np.ndarray
    scores: np.ndarray | None


def metrics_of_fits(
    measures: Sequence[Measure],
    y_true: npt.ArrayLike,
    models: Mapping[str, Fits],
    groups: Groups,
    *,
    confidence: float,
    n_resamples: int,
    seed: int,
) -> pd.DataFrame:
    """Return a row per metric, model and group, and one of all rows, whose group is None.

    A value is the mean over the fits. Its interval is for other rows and other seeds.
    """
    names = [None, *groups.names]
    sizes = [len(groups.strata), *groups.total(np.ones(len(groups.strata))).astype(int)]
    table = []
    for number, (model, fits) in enumerate(models.items()):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = [
                _of_one(measures, y_true, fits, i, groups, n_resamples, seed)
                for i in range(len(fits.labels))
            ]
        _tell(caught, model, len(found))
        # Another stream than that of the rows, which is seeded by `seed` alone.
        luck = student(np.random.default_rng([seed, 1 + number]), len(found), n_resamples)
        for m, measure in enumerate(measures):
            for g, group in enumerate(names):
                cell = _Cell.of(measure, found, m, g, luck)
                low, high = cell.ends(confidence, seed)
                table.append((measure.name, model, group, sizes[g], cell.value, low, high))
    columns = ["metric", "method", "group", "n", "value", "lower", "upper"]
    frame = pd.DataFrame(table, columns=columns)
    # A column of numbers would hold None as NaN.
    return frame.assign(group=pd.Series([row[2] for row in table], dtype=object))


def _tell(caught: Sequence[warnings.WarningMessage], model: str, n_fits: int) -> None:
    """Warn once of what fits of a model have warned of, with their number."""
    times = Counter(str(entry.message) for entry in caught if entry.category is DebiasWarning)
    for message, n in times.items():
        warn(f"{model}, {n} of {n_fits} fits: {message}")
    for entry in caught:
        if entry.category is not DebiasWarning:
            warnings.warn_explicit(entry.message, entry.category, entry.filename, entry.lineno)


def _of_one(
    measures: Sequence[Measure],
    y_true: npt.ArrayLike,
    fits: Fits,
    i: int,
    groups: Groups,
    n_resamples: int,
    seed: int,
) -> Measured:
    """Return the metrics of a fit; rows are drawn as for all others."""
    scores = None if fits.scores is None else fits.scores[i]
    responses = read_responses(y_true, fits.labels[i], scores)
    n = len(groups.strata)
    rng = np.random.default_rng(seed)
    return measured(measures, responses, groups, np.arange(n), np.ones(n), n_resamples, rng)


@dataclass(frozen=True)
class _Cell:
    """One metric of the fits of a model in one group."""

    measure: Measure
    scopes: Sequence[Scope]  # by fit
    values: np.ndarray  # by fit
    drawn: np.ndarray  # means over the fits, under other rows and seeds
    weight: np.ndarray

    @classmethod
    def of(
        cls, measure: Measure, found: Sequence[Measured], m: int, g: int, luck: np.ndarray
    ) -> "_Cell":
        values = np.array([one.observed[m, g] for one in found])
        rows = np.mean([one.drawn[:, m, g] for one in found], axis=0)
        scopes = [one.scopes[m][g] for one in found]
        weight = found[0].weight[scopes[0].rows]
        return cls(measure, scopes, values, rows + luck * standard_error(values), weight)

    @property
    def value(self) -> float:
        return float(self.values.mean())

    def ends(self, confidence: float, seed: int) -> tuple[float, float]:
        """Return the interval of the mean; NaN where it is undefined, or of one row."""
        is_share = self.scopes[0].is_share
        if np.isnan(self.value) or (len(self.weight) == 1 and not is_share):
            return np.nan, np.nan
        center = self._center()
        low, high = interval(self.value, self.drawn, confidence, center=center)
        if is_share:
            # Replicates of a share that is 0 or 1 have no spread; the binomial law knows better.
            bounds = [
                bounds_of_share(scope, value, self.weight, confidence)
                for scope, value in zip(self.scopes, self.values, strict=True)
            ]
            exact = np.mean(bounds, axis=0)
            low, high = min(low, exact[0]), max(high, exact[1])
        if center is not None and self._may_be_calibrated(confidence, seed):
            low = 0.0
        # The luck of seeds knows no bounds of a metric.
        low, high = np.clip((low, high), *self.measure.bounds)
        return min(float(low), self.value), max(float(high), self.value)

    def _center(self) -> float | None:
        """Return what replicates of a calibration error scatter around, as a mean over the fits."""
        pairs = zip(self.scopes, self.values, strict=True)
        centers = [center_of(scope, value, self.weight) for scope, value in pairs]
        known = [center for center in centers if center is not None]
        return float(np.mean(known)) if known else None

    def _may_be_calibrated(self, confidence: float, seed: int) -> bool:
        """Return whether chance alone may make such a calibration error, as a mean over fits."""
        by_chance = []
        for scope in self.scopes:
            rule = calibration_of(self.measure.keywords, scope.sample, self.weight)
            # The same draws for all fits: they are judged on the same rows.
            rng = np.random.default_rng([seed, 0, 1])
            by_chance.append(errors_if_calibrated(rule, self.weight, MOST_BY_CHANCE, rng))
        limit = np.quantile(np.mean(by_chance, axis=0), (1 + confidence) / 2)
        return self.value <= limit
