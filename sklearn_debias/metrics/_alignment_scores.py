"""Accuracy where the bias agrees with the class and where it does not; their gap, their mean."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy.typing as npt

from sklearn_debias.arguments import in_our_words
from sklearn_debias.metrics._groups import tally
from sklearn_debias.metrics._summaries import COEFFICIENTS, score, summarise
from sklearn_debias.metrics._types import Absent

__all__ = [
    "aligned_accuracy_score",
    "bias_gap_score",
    "conflicting_accuracy_score",
    "harmonic_accuracy_score",
]


@in_our_words
def aligned_accuracy_score(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    aligned: Mapping[Any, Any] | None = None,
    bias_labels: npt.ArrayLike | None = None,
    membership: npt.ArrayLike | None = None,
    sample_weight: npt.ArrayLike | None = None,
    universe: Iterable[Any] | None = None,
    absent: Absent = "raise",
) -> float:
    """Return the accuracy on the bias-aligned samples.

    A sample is bias-aligned when it has the bias value that its class mostly had in training.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True class labels, of any type.
    y_pred : array-like of shape (n_samples,)
        Predicted class labels; scores and probabilities are refused.
    aligned : dict
        Class label -> aligned bias value, as :func:`aligned_map` computes it from the TRAINING
        data. Required.
    bias_labels : array-like of shape (n_samples,) or (n_samples, n_attributes)
        Bias attribute of each sample. Required.
    membership : None
        Not supported: overlapping groups have no aligned value. Present for a uniform signature.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, finite and >= 0. Weight 0 removes a sample.
    universe : list of (class, bias value), default=None
        The groups that should exist; see :func:`worst_group_accuracy_score`.
    absent : {"raise", "warn", "ignore"}, default="raise"
        What to do when a group of an explicit `universe` has no sample.

    Returns
    -------
    score : float
        The accuracy over all aligned samples, in [0, 1].

    Raises
    ------
    ValueError
        If an argument is invalid, `aligned` lacks a class, or no sample is aligned.

    Examples
    --------
    >>> from sklearn_debias.metrics import aligned_accuracy_score
    >>> y_true, y_pred, bias = [0, 0, 1, 1], [0, 1, 1, 1], ["a", "b", "b", "b"]
    >>> aligned_accuracy_score(y_true, y_pred, aligned={0: "a", 1: "b"}, bias_labels=bias)
    1.0
    """
    return score(
        "aligned_accuracy",
        y_true,
        y_pred,
        {"aligned": aligned},
        bias_labels=bias_labels,
        membership=membership,
        sample_weight=sample_weight,
        universe=universe,
        absent=absent,
    )


@in_our_words
def conflicting_accuracy_score(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    aligned: Mapping[Any, Any] | None = None,
    bias_labels: npt.ArrayLike | None = None,
    membership: npt.ArrayLike | None = None,
    sample_weight: npt.ArrayLike | None = None,
    universe: Iterable[Any] | None = None,
    absent: Absent = "raise",
) -> float:
    """Return the accuracy on the bias-conflicting samples.

    A sample is bias-conflicting when its bias value is not the one that its class mostly had in
    training.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True class labels, of any type.
    y_pred : array-like of shape (n_samples,)
        Predicted class labels; scores and probabilities are refused.
    aligned : dict
        Class label -> aligned bias value, as :func:`aligned_map` computes it from the TRAINING
        data. Required.
    bias_labels : array-like of shape (n_samples,) or (n_samples, n_attributes)
        Bias attribute of each sample. Required.
    membership : None
        Not supported: overlapping groups have no aligned value. Present for a uniform signature.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, finite and >= 0. Weight 0 removes a sample.
    universe : list of (class, bias value), default=None
        The groups that should exist; see :func:`worst_group_accuracy_score`.
    absent : {"raise", "warn", "ignore"}, default="raise"
        What to do when a group of an explicit `universe` has no sample.

    Returns
    -------
    score : float
        The accuracy over all conflicting samples, in [0, 1].

    Raises
    ------
    ValueError
        If an argument is invalid, `aligned` lacks a class, or no sample is conflicting.

    Examples
    --------
    >>> from sklearn_debias.metrics import conflicting_accuracy_score
    >>> y_true, y_pred, bias = [0, 0, 1, 1], [0, 1, 1, 1], ["a", "b", "b", "b"]
    >>> conflicting_accuracy_score(y_true, y_pred, aligned={0: "a", 1: "b"}, bias_labels=bias)
    0.0
    """
    return score(
        "conflicting_accuracy",
        y_true,
        y_pred,
        {"aligned": aligned},
        bias_labels=bias_labels,
        membership=membership,
        sample_weight=sample_weight,
        universe=universe,
        absent=absent,
    )


@in_our_words
def bias_gap_score(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    aligned: Mapping[Any, Any] | None = None,
    bias_labels: npt.ArrayLike | None = None,
    membership: npt.ArrayLike | None = None,
    sample_weight: npt.ArrayLike | None = None,
    universe: Iterable[Any] | None = None,
    absent: Absent = "raise",
) -> float:
    """Return the accuracy on the aligned samples minus that on the conflicting ones.

    Lower is better. A model that relies on the bias has a gap near 1, a fair one near 0. Below 0 it
    fares better where the shortcut misleads.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True class labels, of any type.
    y_pred : array-like of shape (n_samples,)
        Predicted class labels; scores and probabilities are refused.
    aligned : dict
        Class label -> aligned bias value, as :func:`aligned_map` computes it from the TRAINING
        data. Required.
    bias_labels : array-like of shape (n_samples,) or (n_samples, n_attributes)
        Bias attribute of each sample. Required.
    membership : None
        Not supported: overlapping groups have no aligned value. Present for a uniform signature.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, finite and >= 0. Weight 0 removes a sample.
    universe : list of (class, bias value), default=None
        The groups that should exist; see :func:`worst_group_accuracy_score`.
    absent : {"raise", "warn", "ignore"}, default="raise"
        What to do when a group of an explicit `universe` has no sample.

    Returns
    -------
    score : float
        The gap, in [-1, 1].

    Raises
    ------
    ValueError
        If an argument is invalid, `aligned` lacks a class, or either side has no sample.

    Examples
    --------
    >>> from sklearn_debias.metrics import bias_gap_score
    >>> y_true, y_pred, bias = [0, 0, 1, 1], [0, 1, 1, 1], ["a", "b", "b", "b"]
    >>> bias_gap_score(y_true, y_pred, aligned={0: "a", 1: "b"}, bias_labels=bias)
    1.0
    """
    return score(
        "bias_gap",
        y_true,
        y_pred,
        {"aligned": aligned},
        bias_labels=bias_labels,
        membership=membership,
        sample_weight=sample_weight,
        universe=universe,
        absent=absent,
    )


@in_our_words
def harmonic_accuracy_score(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    aligned: Mapping[Any, Any] | None = None,
    bias_labels: npt.ArrayLike | None = None,
    membership: npt.ArrayLike | None = None,
    sample_weight: npt.ArrayLike | None = None,
    universe: Iterable[Any] | None = None,
    absent: Absent = "raise",
) -> float:
    """Return the harmonic mean of the accuracies on the aligned and on the conflicting samples.

    Known as the AC score (Lee et al., 2022), by which settings are tuned. It is near the smaller of
    the two, and moves with both: neither the shortcut nor its opposite has a good one. The few
    conflicting samples count as much as all others.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True class labels, of any type.
    y_pred : array-like of shape (n_samples,)
        Predicted class labels; scores and probabilities are refused.
    aligned : dict
        Class label -> aligned bias value, as :func:`aligned_map` computes it from the TRAINING
        data. Required.
    bias_labels : array-like of shape (n_samples,) or (n_samples, n_attributes)
        Bias attribute of each sample. Required.
    membership : None
        Not supported: overlapping groups have no aligned value. Present for a uniform signature.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, finite and >= 0. Weight 0 removes a sample.
    universe : list of (class, bias value), default=None
        The groups that should exist; see :func:`worst_group_accuracy_score`.
    absent : {"raise", "warn", "ignore"}, default="raise"
        What to do when a group of an explicit `universe` has no sample.

    Returns
    -------
    score : float
        2 a c / (a + c) of the accuracies a and c, in [0, 1]; 0 where one of them is.

    Raises
    ------
    ValueError
        If an argument is invalid, `aligned` lacks a class, or either side has no sample.

    Examples
    --------
    >>> from sklearn_debias.metrics import harmonic_accuracy_score
    >>> y_true, y_pred, bias = [0, 0, 1, 1], [0, 1, 1, 1], ["a", "a", "b", "a"]
    >>> score = harmonic_accuracy_score(
    ...     y_true, y_pred, aligned={0: "a", 1: "b"}, bias_labels=bias
    ... )
    >>> round(score, 6)  # 2 of 3 aligned samples, and the conflicting one
    0.8
    """
    counts = tally(
        y_true,
        y_pred,
        bias_labels=bias_labels,
        membership=membership,
        sample_weight=sample_weight,
        universe=universe,
        absent=absent,
    )
    sides = [
        float(
            summarise(
                counts.accuracy,
                COEFFICIENTS[metric](counts.groups, counts.weight, {"aligned": aligned}),
            )
        )
        for metric in ("aligned_accuracy", "conflicting_accuracy")
    ]
    total = sum(sides)
    return 2 * sides[0] * sides[1] / total if total else 0.0
