"""Accuracies over groups: the worst, the plain mean, and the mean adjusted by training shares."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy.typing as npt
import pandas as pd

from sklearn_debias.arguments import in_our_words
from sklearn_debias.metrics._summaries import score
from sklearn_debias.metrics._types import Absent

__all__ = ["adjusted_accuracy_score", "group_mean_accuracy_score", "worst_group_accuracy_score"]


@in_our_words
def worst_group_accuracy_score(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    bias_labels: npt.ArrayLike | None = None,
    membership: npt.ArrayLike | None = None,
    sample_weight: npt.ArrayLike | None = None,
    universe: Iterable[Any] | None = None,
    absent: Absent = "raise",
    min_group_size: int = 1,
) -> float:
    """Return the accuracy of the group that fares worst.

    A group is a pair (class, bias value). As a minimum over noisy accuracies the score is biased
    downwards, the more so the smaller the groups are: read it with the interval of
    :func:`group_report`.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True class labels, of any type.
    y_pred : array-like of shape (n_samples,)
        Predicted class labels; scores and probabilities are refused.
    bias_labels : array-like of shape (n_samples,) or (n_samples, n_attributes), default=None
        Bias attribute of each sample. With several attributes a bias value is the tuple of them.
        None scores the classes instead and warns.
    membership : array-like of bool of shape (n_samples, n_groups), default=None
        Overlapping groups, instead of `bias_labels`: entry (i, g) tells whether sample i is in
        group g. Columns of a DataFrame name the groups. Samples in no group are left out.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights, finite and >= 0. Weight 0 removes a sample, and a group without positive weight is
        absent.
    universe : list, default=None
        The groups that should exist, as (class, bias value) pairs (column names with `membership`,
        classes when both are None). None takes those observed. An observed group outside of it is
        an error.
    absent : {"raise", "warn", "ignore"}, default="raise"
        What to do when a group of an explicit `universe` has no sample. Has no effect without
        `universe`.
    min_group_size : int, default=1
        Groups with fewer samples of positive weight are left out. One of a few rows has an accuracy
        by luck, and crossing several attributes makes many of them.

    Returns
    -------
    score : float
        The smallest accuracy of a group, in [0, 1].

    Raises
    ------
    ValueError
        If an argument is invalid, or a group of `universe` is absent and `absent` is "raise".

    Warns
    -----
    DebiasWarning
        If neither `bias_labels` nor `membership` is given: the score is that of the worst class. If
        several attributes are crossed to many groups of a few samples each.

    References
    ----------
    .. [1] S. Sagawa et al., "Distributionally Robust Neural Networks for Group Shifts", ICLR 2020.

    Examples
    --------
    >>> from sklearn_debias.metrics import worst_group_accuracy_score
    >>> y_true, y_pred = [0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 1, 0]
    >>> worst_group_accuracy_score(y_true, y_pred, bias_labels=["a", "a", "b", "b", "b", "a"])
    0.0
    """
    return score(
        "worst_group_accuracy",
        y_true,
        y_pred,
        {},
        bias_labels=bias_labels,
        membership=membership,
        sample_weight=sample_weight,
        universe=universe,
        absent=absent,
        min_group_size=min_group_size,
    )


@in_our_words
def group_mean_accuracy_score(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    bias_labels: npt.ArrayLike | None = None,
    membership: npt.ArrayLike | None = None,
    sample_weight: npt.ArrayLike | None = None,
    universe: Iterable[Any] | None = None,
    absent: Absent = "raise",
    min_group_size: int = 1,
) -> float:
    """Return the unweighted mean of the groups' accuracies.

    Every group counts the same, however few samples it has. This is the "average accuracy" of
    papers that report the mean over (class, bias value) cells.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True class labels, of any type.
    y_pred : array-like of shape (n_samples,)
        Predicted class labels; scores and probabilities are refused.
    bias_labels : array-like of shape (n_samples,) or (n_samples, n_attributes), default=None
        Bias attribute of each sample. None averages over the classes instead and warns.
    membership : array-like of bool of shape (n_samples, n_groups), default=None
        Overlapping groups, instead of `bias_labels`.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights within the groups, finite and >= 0. Weight 0 removes a sample.
    universe : list, default=None
        The groups that should exist; see :func:`worst_group_accuracy_score`.
    absent : {"raise", "warn", "ignore"}, default="raise"
        What to do when a group of an explicit `universe` has no sample.
    min_group_size : int, default=1
        Groups with fewer samples of positive weight are left out.

    Returns
    -------
    score : float
        The mean accuracy of the groups, in [0, 1]; never below the worst group's.

    Raises
    ------
    ValueError
        If an argument is invalid, or a group of `universe` is absent and `absent` is "raise".

    Warns
    -----
    DebiasWarning
        If neither `bias_labels` nor `membership` is given.

    Examples
    --------
    >>> from sklearn_debias.metrics import group_mean_accuracy_score
    >>> group_mean_accuracy_score([0, 0, 1, 1], [0, 1, 1, 1], bias_labels=["a", "a", "b", "b"])
    0.75
    """
    return score(
        "group_mean_accuracy",
        y_true,
        y_pred,
        {},
        bias_labels=bias_labels,
        membership=membership,
        sample_weight=sample_weight,
        universe=universe,
        absent=absent,
        min_group_size=min_group_size,
    )


@in_our_words
def adjusted_accuracy_score(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    group_shares: Mapping[Any, float] | pd.Series | None = None,
    bias_labels: npt.ArrayLike | None = None,
    membership: npt.ArrayLike | None = None,
    sample_weight: npt.ArrayLike | None = None,
    universe: Iterable[Any] | None = None,
    absent: Absent = "raise",
    min_group_size: int = 1,
) -> float:
    """Return the groups' mean accuracy, weighted by their shares in the TRAINING data.

    It estimates the accuracy on data distributed like the training data from a test set whose
    groups have other proportions, as Waterbirds' test set has.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True class labels, of any type.
    y_pred : array-like of shape (n_samples,)
        Predicted class labels; scores and probabilities are refused.
    group_shares : dict or pandas.Series
        Group -> its share (or count) in the training data, as :func:`group_shares_map` returns it.
        Required. Shares are normalised over the observed groups. A cell without an entry has share
        0 if its class and its bias value occur in other entries, and is an error otherwise.
    bias_labels : array-like of shape (n_samples,) or (n_samples, n_attributes), default=None
        Bias attribute of each sample. None takes the classes as groups and warns.
    membership : array-like of bool of shape (n_samples, n_groups), default=None
        Overlapping groups, instead of `bias_labels`.
    sample_weight : array-like of shape (n_samples,), default=None
        Weights within the groups, finite and >= 0. Weight 0 removes a sample.
    universe : list, default=None
        The groups that should exist; see :func:`worst_group_accuracy_score`.
    absent : {"raise", "warn", "ignore"}, default="raise"
        What to do when a group of an explicit `universe` has no sample.
    min_group_size : int, default=1
        Groups with fewer samples of positive weight are left out.

    Returns
    -------
    score : float
        The adjusted accuracy, in [0, 1].

    Raises
    ------
    ValueError
        If an argument is invalid or `group_shares` does not fit the groups.

    Warns
    -----
    DebiasWarning
        If neither `bias_labels` nor `membership` is given.

    References
    ----------
    .. [1] S. Sagawa et al., "Distributionally Robust Neural Networks for Group Shifts", ICLR 2020,
       Section 3.

    Examples
    --------
    >>> from sklearn_debias.metrics import adjusted_accuracy_score
    >>> shares = {(0, "a"): 0.9, (1, "b"): 0.1}
    >>> adjusted_accuracy_score(
    ...     [0, 0, 1], [0, 0, 0], group_shares=shares, bias_labels=["a", "a", "b"]
    ... )
    0.9
    """
    return score(
        "adjusted_accuracy",
        y_true,
        y_pred,
        {"group_shares": group_shares},
        bias_labels=bias_labels,
        membership=membership,
        sample_weight=sample_weight,
        universe=universe,
        absent=absent,
        min_group_size=min_group_size,
    )
