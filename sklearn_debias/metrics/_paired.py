"""Is one model better than another on the same test set? A bootstrap of the counts.

With several fits of each, a bootstrap of the rows, to which the luck of the seeds is added.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sklearn_debias.arguments import check_option, in_our_words
from sklearn_debias.metrics._bootstrap import check_resamples
from sklearn_debias.metrics._crossed import cross
from sklearn_debias.metrics._encoding import correctness, encode_labels
from sklearn_debias.metrics._groups import Groups, find_groups, large_enough
from sklearn_debias.metrics._intervals import check_confidence
from sklearn_debias.metrics._paired_counts import one_fit_each
from sklearn_debias.metrics._random import check_rng
from sklearn_debias.metrics._summaries import (
    BY_GROUP,
    COEFFICIENTS,
    warn_of_classes,
    warn_of_crossing,
)
from sklearn_debias.metrics._types import Absent, Rng, Seed
from sklearn_debias.rows import check_same_rows

__all__ = ["PairedDifference", "paired_difference"]


@dataclass(frozen=True)
class PairedDifference:
    """Difference of two models in a group metric, with its interval.

    Attributes
    ----------
    metric : str
        Name of the metric.
    score_a, score_b : float
        The metric of each model; of several fits the mean.
    difference : float
        ``score_a - score_b``.
    interval : tuple of two floats
        Lower and upper end of the bootstrap interval of the difference.
    confidence : float
        Nominal coverage of the interval.
    n_resamples : int
        Number of bootstrap replicates.
    n_fits : tuple of two ints
        Fits of each model. The interval covers other seeds only where both have several.
    """

    metric: str
    score_a: float
    score_b: float
    difference: float
    interval: tuple[float, float]
    confidence: float
    n_resamples: int
    n_fits: tuple[int, int] = (1, 1)

    def __str__(self) -> str:
        low, high = self.interval
        several = "" if self.n_fits == (1, 1) else "; fits: a {}, b {}".format(*self.n_fits)
        verdict = "0 is inside" if low <= 0 <= high else "0 is outside"
        return (
            f"{self.metric}: a {self.score_a:.3f}, b {self.score_b:.3f}, a - b = "
            f"{self.difference:+.3f}, {100 * self.confidence:g} % interval [{low:+.3f}, "
            f"{high:+.3f}] ({verdict}{several})"
        )


@in_our_words
def paired_difference(
    y_true: npt.ArrayLike,
    y_pred_a: npt.ArrayLike,
    y_pred_b: npt.ArrayLike,
    *,
    metric: str = "worst_group_accuracy",
    bias_labels: npt.ArrayLike | None = None,
    membership: npt.ArrayLike | None = None,
    aligned: Mapping[Any, Any] | None = None,
    group_shares: Mapping[Any, float] | pd.Series | None = None,
    universe: Iterable[Any] | None = None,
    absent: Absent = "raise",
    min_group_size: int = 1,
    n_resamples: int = 2000,
    confidence: float = 0.95,
    random_state: Seed = None,
) -> PairedDifference:
    """Return the difference of two models in a group metric, with a paired bootstrap interval.

    Samples are drawn with replacement within each group, so that group sizes stay as they are, or
    from all samples when groups overlap. Both models are scored on the same draw. Only the counts
    of (a right or wrong, b right or wrong) matter, which are multinomial: the cost does not grow
    with the number of samples.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True class labels.
    y_pred_a, y_pred_b : array-like of shape (n_samples,) or (n_fits, n_samples)
        Labels predicted by the two models for the same samples. Rows are fits of one model that
        differ in their seed; their scores are averaged, and the interval covers other seeds, too.
    metric : str, default="worst_group_accuracy"
        Name of a metric as in :func:`get_scorer_names`.
    bias_labels : array-like of shape (n_samples,) or (n_samples, n_attributes), default=None
        Bias attribute of each sample. None takes the classes as groups and warns.
    membership : array-like of bool of shape (n_samples, n_groups), default=None
        Overlapping groups, instead of `bias_labels`.
    aligned : dict, default=None
        Class label -> aligned bias value; required by the metrics of alignment. See
        :func:`aligned_map`.
    group_shares : dict or pandas.Series, default=None
        Group -> share in the training data; required by "adjusted_accuracy". See
        :func:`group_shares_map`.
    universe, absent, min_group_size
        As in :func:`worst_group_accuracy_score`.
    n_resamples : int, default=2000
        Number of bootstrap replicates, from 100 to ten million.
    confidence : float, default=0.95
        Nominal coverage of the interval, in (0, 1).
    random_state : int, numpy Generator, RandomState or None, default=None
        Seed of the bootstrap; None draws fresh entropy.

    Returns
    -------
    result : PairedDifference
        Scores, difference and interval; ``print`` it for a summary.

    Raises
    ------
    ValueError
        If an argument is invalid.

    Warns
    -----
    DebiasWarning
        If neither `bias_labels` nor `membership` is given.

    Notes
    -----
    Several fits are scored on the same draws. To the mean of each model a Student variable is added
    with the standard error of its fits and ``n_fits - 1`` degrees of freedom: a bootstrap of few
    seeds would be too narrow.

    The interval is the basic one: the percentile interval, mirrored at the observed difference. A
    minimum over groups is biased downwards, more so in a replicate. Where one model has ten equal
    groups of 50 and the other a clear worst one, percentiles cover the difference 72 % of the time,
    the mirrored ones about 91 %. The interval need not be centred. It is too narrow when a decisive
    group has few samples (below about 30) or no error.

    References
    ----------
    .. [1] B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", Chapman & Hall, 1993.

    Examples
    --------
    >>> from sklearn_debias.metrics import paired_difference
    >>> y, bias = [0, 0, 1, 1] * 50, ["a", "b", "a", "b"] * 50
    >>> result = paired_difference(y, y, [0, 0, 1, 0] * 50, bias_labels=bias, random_state=0)
    >>> result.difference, result.interval
    (1.0, (1.0, 1.0))
    """
    check_option("metric", metric, sorted(COEFFICIENTS))
    n_resamples = check_resamples(n_resamples)
    confidence = check_confidence(confidence)
    rng = check_rng(random_state)
    check_same_rows(
        {
            "y_true": y_true,
            "y_pred_a": y_pred_a,
            "y_pred_b": y_pred_b,
            "bias_labels": bias_labels,
            "membership": membership,
        }
    )
    y_codes, classes = encode_labels(y_true, "y_true")
    right_a = _right(y_codes, classes, y_pred_a, "y_pred_a")
    right_b = _right(y_codes, classes, y_pred_b, "y_pred_b")
    groups = find_groups(
        (y_codes, classes),
        keep=np.ones(len(y_codes), dtype=bool),
        bias_labels=bias_labels,
        membership=membership,
        universe=universe,
        absent=absent,
    )
    sizes = groups.total(np.ones(len(y_codes)))
    kept = large_enough(sizes, min_group_size)
    if metric in BY_GROUP and not kept.all():
        groups = groups.keep(kept)
        sizes = sizes[kept]
    facts = {"aligned": aligned, "group_shares": group_shares}
    coefficients = COEFFICIENTS[metric](groups, sizes, facts)
    warn_of_classes(groups)
    if metric in BY_GROUP:
        warn_of_crossing(groups, sizes, min_group_size)
    single = len(right_a) == len(right_b) == 1
    draw = one_fit_each if single else _several_fits
    score_a, score_b, replicates = draw(groups, (right_a, right_b), coefficients, n_resamples, rng)
    interval = _basic_interval(score_a - score_b, replicates, confidence)
    # Mirroring may leave the range of a difference: a gap lies in [-1, 1], an accuracy in [0, 1].
    widest = 2.0 if metric == "bias_gap" else 1.0
    low, high = np.clip(interval, -widest, widest).tolist()
    return PairedDifference(
        metric,
        score_a,
        score_b,
        score_a - score_b,
        (low, high),
        confidence,
        n_resamples,
        (len(right_a), len(right_b)),
    )


def _right(y_codes: np.ndarray, classes: Any, y_pred: Any, name: str) -> np.ndarray:
    """Return which rows each fit has right, (n_fits, n); a vector is one fit."""
    if np.ndim(y_pred) != 2 or isinstance(y_pred, pd.DataFrame):
        return correctness(y_codes, classes, y_pred, name)[None]
    if len(y_pred) == 0:
        raise ValueError(f"`{name}` must hold at least one fit, got shape {np.shape(y_pred)}.")
    return np.stack([correctness(y_codes, classes, fit, name) for fit in np.asarray(y_pred)])


def _several_fits(
    groups: Groups,
    right: tuple[np.ndarray, np.ndarray],
    coefficients: np.ndarray | None,
    n_resamples: int,
    rng: Rng,
) -> tuple[float, float, np.ndarray]:
    """Return both mean scores, and replicates of their difference (n_resamples,)."""
    found = cross(groups, right, {"": coefficients}, n_resamples=n_resamples, rng=rng)[""]
    score_a, score_b = found.means.tolist()
    drawn = found.replicates
    return score_a, score_b, drawn[:, 0] - drawn[:, 1]


def _basic_interval(
    observed: float, replicates: np.ndarray, confidence: float
) -> tuple[float, float]:
    """Return the percentile interval of the replicates, mirrored at the observed value."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(replicates, [tail, 1 - tail])
    return 2 * observed - high, 2 * observed - low
