"""The report to read before believing a number: every group, with its interval, and the worst one."""

import numpy as np
import pandas as pd

from sklearn_debias.metrics._group_report import GroupReport
from sklearn_debias.metrics._groups import tally
from sklearn_debias.metrics._intervals import (
    binomial_bounds,
    check_confidence,
    effective_counts,
    worst_group_bounds,
)
from sklearn_debias.metrics._summaries import COEFFICIENTS, summarise, warn_of_classes
from sklearn_debias.metrics._training_facts import aligned_mask

__all__ = ["group_report"]


def group_report(
    y_true,
    y_pred,
    *,
    bias_labels=None,
    membership=None,
    sample_weight=None,
    aligned=None,
    group_shares=None,
    universe=None,
    absent="ignore",
    confidence=0.95,
):
    """Report the accuracy of every group with exact intervals, and bounds for the worst group.

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
    group_shares : dict, default=None
        Group -> share in the TRAINING data, from :func:`group_shares_map`; adds the adjusted
        average.
    universe : list, default=None
        The groups that should exist; None expects every observed class with every observed bias
        value.
    absent : {"ignore", "warn", "raise"}, default="ignore"
        What to do when a group of an explicit `universe` has no sample. The report names absent
        groups anyway.
    confidence : float, default=0.95
        Coverage of the intervals, in (0, 1).

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
        If neither `bias_labels` nor `membership` is given.

    Notes
    -----
    The group that looks worst is partly the unluckiest one, so its own interval covers too rarely,
    and so does a percentile bootstrap of the minimum (about 71 % of the time with four equal groups
    of 100). The bounds for the worst group combine exact one-sided bounds of all groups and hold
    whatever the true accuracies are.

    Examples
    --------
    >>> from sklearn_debias.metrics import group_report
    >>> y, bias = [0, 0, 1, 1] * 25, ["sea", "land", "sea", "sea"] * 25
    >>> report = group_report(y, [0, 0, 1, 0] * 25, bias_labels=bias)
    >>> report.worst_group, report.worst_group_accuracy, report.absent
    ((1, 'sea'), 0.5, ((1, 'land'),))
    """
    confidence = check_confidence(confidence)
    counts = tally(
        y_true,
        y_pred,
        bias_labels=bias_labels,
        membership=membership,
        sample_weight=sample_weight,
        universe=universe,
        absent=absent,
    )
    facts = {"aligned": aligned, "group_shares": group_shares}
    averages = _averages(counts, facts)
    alignment = _alignment(counts, facts)
    warn_of_classes(counts.groups)
    hits, n = effective_counts(counts.accuracy, counts.weight, counts.weight_squares)
    disjoint = counts.groups.kind != "membership"
    low, high = worst_group_bounds(hits, n, confidence, independent=disjoint)
    worst = int(counts.accuracy.argmin())
    return GroupReport(
        frame=_frame(counts, hits, n, confidence, aligned),
        n_samples=counts.n_samples,
        confidence=confidence,
        averages=averages,
        worst_group=counts.groups.names[worst],
        worst_group_accuracy=float(counts.accuracy[worst]),
        worst_group_interval=(float(low), float(high)),
        absent=counts.groups.absent,
        alignment=alignment,
        exact=bool(np.allclose(n, counts.n, rtol=1e-9)),
    )


def _averages(counts, facts):
    averages = {"raw": counts.raw_accuracy, "group_mean": float(counts.accuracy.mean())}
    if facts["group_shares"] is not None:
        coefficients = COEFFICIENTS["adjusted_accuracy"](counts.groups, counts.weight, facts)
        averages["adjusted"] = float(summarise(counts.accuracy, coefficients))
    return averages


def _alignment(counts, facts):
    """Accuracies of the aligned and the conflicting samples: those that have samples."""
    if facts["aligned"] is None:
        return {}
    mask = aligned_mask(counts.groups, facts["aligned"])
    defined = {
        "aligned_accuracy": mask.any(),
        "conflicting_accuracy": not mask.all(),
        "bias_gap": mask.any() and not mask.all(),
    }
    return {
        name: float(
            summarise(counts.accuracy, COEFFICIENTS[name](counts.groups, counts.weight, facts))
        )
        for name, has_samples in defined.items()
        if has_samples
    }


def _frame(counts, hits, n, confidence, aligned):
    half = (1 - confidence) / 2
    lower, upper = binomial_bounds(hits, n, half, half)
    groups = counts.groups
    if groups.kind == "cell":
        columns = {
            "class": [label for label, _ in groups.names],
            "bias": [value for _, value in groups.names],
        }
    else:
        columns = {{"class": "class", "membership": "group"}[groups.kind]: list(groups.names)}
    columns |= {"n": counts.n, "accuracy": counts.accuracy, "lower": lower, "upper": upper}
    if aligned is not None:
        columns["aligned"] = aligned_mask(groups, aligned)
    return pd.DataFrame(columns)
