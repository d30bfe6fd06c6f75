"""Any metric of several fits of several models, in every group of the same test rows."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from sklearn_debias.exceptions import DebiasWarning, warn
from sklearn_debias.metrics._bootstrap import interval
from sklearn_debias.metrics._callables import Measure
from sklearn_debias.metrics._crossed import standard_error, student
from sklearn_debias.metrics._groups import Groups
from sklearn_debias.metrics._metrics_by_group import Measured, center_of, measured
from sklearn_debias.metrics._responses import read_responses

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
    said: dict[str, None] = {}
    for number, (model, fits) in enumerate(models.items()):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DebiasWarning)
            found = [
                _of_one(measures, y_true, fits, i, groups, n_resamples, seed)
                for i in range(len(fits.labels))
            ]
        said |= dict.fromkeys(f"{model}: {entry.message}" for entry in caught)
        observed = np.stack([one.observed for one in found])
        drawn = np.mean([one.drawn for one in found], axis=0)
        luck = student(np.random.default_rng([seed, number]), len(found), n_resamples)
        for m, measure in enumerate(measures):
            for g, group in enumerate(names):
                value = observed[:, m, g].mean()
                moved = drawn[:, m, g] + luck * standard_error(observed[:, m, g])
                center = _center(found, m, g)
                low, high = _ends(measure, value, moved, confidence, center)
                table.append((measure.name, model, group, sizes[g], value, low, high))
    for message in said:
        warn(message)
    columns = ["metric", "method", "group", "n", "value", "lower", "upper"]
    frame = pd.DataFrame(table, columns=columns)
    # A column of numbers would hold None as NaN.
    return frame.assign(group=pd.Series([row[2] for row in table], dtype=object))


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


def _center(found: Sequence[Measured], m: int, g: int) -> float | None:
    """Return what replicates of a calibration error scatter around, as a mean over the fits."""
    centers = [
        center_of(one.scopes[m][g], one.observed[m, g], one.weight[one.scopes[m][g].rows])
        for one in found
    ]
    known = [center for center in centers if center is not None]
    return float(np.mean(known)) if known else None


def _ends(
    measure: Measure, value: float, drawn: np.ndarray, confidence: float, center: float | None
) -> tuple[float, float]:
    """Return the interval of a mean over fits; NaN where it is undefined."""
    if np.isnan(value):
        return np.nan, np.nan
    # The luck of seeds knows no bounds of a metric.
    low, high = np.clip(interval(value, drawn, confidence, center=center), *measure.bounds)
    return float(low), float(high)
