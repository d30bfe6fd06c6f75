"""The report to read before believing a number: every group with its interval, and the worst."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from sklearn_debias.arguments import in_our_words
from sklearn_debias.metrics._group_report import GroupReport
from sklearn_debias.metrics._groups import Tally, tally
from sklearn_debias.metrics._intervals import (
    binomial_bounds,
    check_confidence,
    effective_counts,
    worst_group_bounds,
)
from sklearn_debias.metrics._metric_request import check_by, read_request
from sklearn_debias.metrics._summaries import (
    COEFFICIENTS,
    summarise,
    warn_of_classes,
    warn_of_crossing,
)
from sklearn_debias.metrics._training_facts import aligned_mask
from sklearn_debias.metrics._types import Absent, By, Facts, Seed
from sklearn_debias.rows import check_same_rows

__all__ = ["group_report"]


@in_our_words
def group_report(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    bias_labels: npt.ArrayLike | None = None,
    membership: npt.ArrayLike | None = None,
    sample_weight: npt.ArrayLike | None = None,
    aligned: Mapping[Any, Any] | None = None,
    group_shares: Mapping[Any, float] | pd.Series | None = None,
    universe: Iterable[Any] | None = None,
    absent: Absent = "ignore",
    min_group_size: int = 1,
    confidence: float = 0.95,
    by: By = "cell",
    metrics: Mapping[str, Any] | Sequence[str] | None = None,
    y_score: npt.ArrayLike | None = None,
    n_resamples: int = 2000,
    random_state: Seed = None,
) -> GroupReport:
    """Report the accuracy of every group with exact intervals, and bounds for the worst group.

    Other metrics are reported beside it: those of scikit-learn, or any callable of their signature.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True class labels.
    y_pred : array-like of shape (n_samples,)
        Predicted class labels.
    bias_labels : array-like of shape (n_samples,) or (n_samples, n_attributes), default=None
        Bias attribute of each sample. None reports the classes and warns.
    membership : array-like of bool of shape (n_samples, n_groups), default=None
        Overlapping groups, instead of `bias_labels`.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, finite and >= 0. Unless they are equal within each group, the intervals are
        approximate: they use the effective number of samples.
    aligned : dict, default=None
        Class label -> aligned bias value, from :func:`aligned_map` on the TRAINING data; adds the
        aligned and conflicting accuracies and their gap.
    group_shares : dict or pandas.Series, default=None
        Group -> share in the TRAINING data, from :func:`group_shares_map`; adds the adjusted
        average.
    universe : list, default=None
        The groups that should exist; None expects every observed class with every observed bias
        value.
    absent : {"ignore", "warn", "raise"}, default="ignore"
        What to do when a group of an explicit `universe` has no sample. The report names absent
        groups anyway.
    min_group_size : int, default=1
        Groups with fewer samples are left out of the table, of the worst group and of the means
        over groups; the report names them. What is pooled over samples counts them.
    confidence : float, default=0.95
        Coverage of the intervals, in (0, 1).
    by : {"cell", "bias"}, default="cell"
        Whether groups are pairs (class, bias value), or the bias values alone. Metrics that compare
        classes, such as the area under the ROC curve, need the latter.
    metrics : dict of str to metric, or list of str, default=None
        Metrics to report for each group, by name. A metric is a callable ``(y_true, y_pred)`` or
        ``(y_true, y_score)``; or one of the names "average_precision", "balanced_accuracy",
        "brier", "ece", "f1", "false_negative_rate", "false_positive_rate", "log_loss", "precision",
        "recall", "roc_auc", "selection_rate", "true_negative_rate", "true_positive_rate",
        "zero_one_loss", for which the greater of two labels is the positive one. A callable is
        given scores where its second parameter is called `y_score`, `y_proba` or `y_prob`, as
        scikit-learn's are, and else labels; the pair ``(callable, "score")`` or ``(callable,
        "label")`` says it itself.
    y_score : array-like of shape (n_samples,) or (n_samples, n_classes), default=None
        Scores or probabilities for the metrics that need them. Two columns are given on as the
        second one, as scikit-learn's scorers do.
    n_resamples : int, default=2000
        Bootstrap replicates for the intervals of `metrics`, from 100 to ten million.
    random_state : int, numpy Generator, RandomState or None, default=None
        Seed of the bootstrap; None draws fresh entropy.

    Returns
    -------
    report : GroupReport
        Table, worst group and averages; the text says which average is which.

    Raises
    ------
    ValueError
        If an argument is invalid.

    Warns
    -----
    DebiasWarning
        If neither `bias_labels` nor `membership` is given, if several attributes are crossed to
        many groups of a few samples each, or if a metric is undefined in a group.

    Notes
    -----
    The group that looks worst is partly the unluckiest one. Its own interval covers too rarely, and
    so does a percentile bootstrap of the minimum (about 71 % of the time with four equal groups of
    100). The bounds for the worst group combine exact one-sided bounds of all groups, and hold
    whatever the true accuracies are.

    Metrics that are shares of samples (zero_one_loss, recall, precision and the rates, of two
    classes) have exact intervals, as the accuracy has. Others have bootstrap ones: percentiles of
    replicates that draw the samples of each group with replacement (all samples, where groups
    overlap). They are too narrow for groups of a few samples, and have no width where all
    replicates agree, as where a model ranks without an error; `min_group_size` leaves such groups
    out. Noise pushes groups apart. The bounds of a largest difference, or smallest ratio, take off
    what it makes among all groups at once, and so find none among equal groups. In simulations of
    two to six groups of 50 to 2,000 samples, intervals at 95 % of the area under the ROC curve and
    of the Brier score covered the truth in 87 to 97 % of draws, those of differences and ratios in
    about 95 % or more. A ratio has no interval where a value is 0.

    A calibration error is pushed up by noise. Its interval is mirrored at the observed value, and
    begins at 0 where a calibrated model may have such an error (88 to 99 % coverage, for groups of
    100 to 2,000). The differences and ratios of these errors have no interval, as they compare this
    bias, too; see :func:`expected_calibration_error`.

    For the named metrics, as their bare functions too, replicates are computed at once (2,000 of
    10,000 samples in under a second for a metric, but for "average_precision"). Any other callable
    is called for each replicate of each group, with `sample_weight` if it takes one, and takes as
    long as it takes.

    A metric is undefined in a group where it gives NaN or scikit-learn's UndefinedMetricWarning, or
    raises a ValueError there though not on all samples.

    Examples
    --------
    >>> from sklearn_debias.metrics import group_report
    >>> y, bias = [0, 0, 1, 1] * 25, ["sea", "land", "sea", "sea"] * 25
    >>> report = group_report(y, [0, 0, 1, 0] * 25, bias_labels=bias)
    >>> report.worst_group, report.worst_group_accuracy, report.absent
    ((1, 'sea'), 0.5, ((1, 'land'),))
    >>> report = group_report(y, y, bias_labels=bias, by="bias", metrics=["selection_rate"])
    >>> report.metrics.set_index("metric").loc["selection_rate", "difference"].round(3)
    np.float64(0.667)
    """
    confidence = check_confidence(confidence)
    check_by(by, bias_labels, aligned)
    request = read_request(metrics, y_score, n_resamples, confidence, random_state)
    check_same_rows({"y_true": y_true, "y_score": y_score})
    every = tally(
        y_true,
        y_pred,
        bias_labels=bias_labels,
        membership=membership,
        sample_weight=sample_weight,
        universe=universe,
        absent=absent,
        by=by,
    )
    counts = every.of_at_least(min_group_size)
    facts = {"aligned": aligned, "group_shares": group_shares}
    # Facts that are wrong raise here: a warning before an error would only distract from it.
    averages = _averages(counts, facts)
    alignment = _alignment(every, facts)
    warn_of_classes(counts.groups)
    warn_of_crossing(counts.groups, counts.n, min_group_size)
    by_group = request.measure(y_true, y_pred, counts.groups, sample_weight)
    hits, n = effective_counts(counts.accuracy, counts.weight, counts.weight_squares)
    disjoint = counts.groups.kind != "membership"
    low, high = worst_group_bounds(hits, n, confidence, independent=disjoint)
    worst = int(counts.accuracy.argmin())
    return GroupReport(
        frame=_frame(counts, hits, n, confidence, aligned).assign(**by_group.columns),
        n_samples=counts.n_samples,
        confidence=confidence,
        averages=averages,
        worst_group=counts.groups.names[worst],
        worst_group_accuracy=float(counts.accuracy[worst]),
        worst_group_interval=(float(low), float(high)),
        absent=counts.groups.absent,
        alignment=alignment,
        left_out=counts.groups.small,
        # The effective number is the count only where the weights within each group are equal.
        exact=bool(np.allclose(n, counts.n, rtol=1e-9)),
        metrics=by_group.metrics,
        undefined=by_group.undefined,
        n_resamples=request.draw.n_resamples,
    )


def _averages(counts: Tally, facts: Facts) -> dict[str, float]:
    """Return the averages by name: "adjusted" only where shares are known."""
    averages = {"raw": counts.raw_accuracy, "group_mean": float(counts.accuracy.mean())}
    if facts["group_shares"] is not None:
        coefficients = COEFFICIENTS["adjusted_accuracy"](counts.groups, counts.weight, facts)
        averages["adjusted"] = float(summarise(counts.accuracy, coefficients))
    return averages


def _alignment(counts: Tally, facts: Facts) -> dict[str, float]:
    """Return the accuracies of the aligned and the conflicting samples, and their gap.

    A report leaves out what has no samples, where the metric of that name raises.
    """
    if facts["aligned"] is None:
        return {}
    mask = aligned_mask(counts.groups, facts["aligned"])
    has_aligned = mask.any()
    has_conflicting = not mask.all()
    defined = {
        "aligned_accuracy": has_aligned,
        "conflicting_accuracy": has_conflicting,
        "bias_gap": has_aligned and has_conflicting,
    }
    alignment = {}
    for name, has_samples in defined.items():
        if has_samples:
            coefficients = COEFFICIENTS[name](counts.groups, counts.weight, facts)
            alignment[name] = float(summarise(counts.accuracy, coefficients))
    return alignment


def _frame(
    counts: Tally,
    hits: np.ndarray,
    n: np.ndarray,
    confidence: float,
    aligned: Mapping[Any, Any] | None,
) -> pd.DataFrame:
    """Return the table of the groups, each with an interval of its own."""
    half = (1 - confidence) / 2
    lower, upper = binomial_bounds(hits, n, half, half)
    groups = counts.groups
    columns: dict[str, Any] = {}
    if groups.kind == "cell":
        columns["class"] = [label for label, _ in groups.names]
        columns["bias"] = [value for _, value in groups.names]
    elif groups.kind in ("class", "bias"):
        columns[groups.kind] = list(groups.names)
    else:
        columns["group"] = list(groups.names)
    columns |= {"n": counts.n, "accuracy": counts.accuracy, "lower": lower, "upper": upper}
    if aligned is not None:
        columns["aligned"] = aligned_mask(groups, aligned)
    return pd.DataFrame(columns)
