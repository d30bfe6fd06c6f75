"""Scorers for `scoring=`: ready ones, and functions that make or get another."""

import copy
import inspect
from collections.abc import Callable, Collection, Sequence
from typing import Any

import pandas as pd
import sklearn.metrics

from sklearn_debias.arguments import is_switch
from sklearn_debias.metrics._alignment_scores import (
    aligned_accuracy_score,
    bias_gap_score,
    conflicting_accuracy_score,
    harmonic_accuracy_score,
)
from sklearn_debias.metrics._group_scorer import GroupScorer
from sklearn_debias.metrics._lookup import Finder, Lookup
from sklearn_debias.metrics._scores import (
    adjusted_accuracy_score,
    group_mean_accuracy_score,
    worst_group_accuracy_score,
)

__all__ = [
    "adjusted_accuracy_scorer",
    "aligned_accuracy_scorer",
    "bias_gap_scorer",
    "conflicting_accuracy_scorer",
    "get_scorer",
    "get_scorer_names",
    "group_mean_accuracy_scorer",
    "harmonic_accuracy_scorer",
    "make_group_scorer",
    "worst_group_accuracy_scorer",
]

_RESPONSE_METHODS = ("predict", "predict_proba", "decision_function")


def make_group_scorer(
    score_func: Callable[..., float],
    *,
    response_method: str | Sequence[str] = "predict",
    greater_is_better: bool = True,
    bias_labels: pd.Series | pd.DataFrame | None = None,
    membership: pd.DataFrame | None = None,
    **kwargs: Any,
) -> GroupScorer:
    """Make a scorer from a metric that takes `bias_labels`.

    Parameters
    ----------
    score_func : callable
        Metric with signature ``score_func(y_true, y_pred, *, bias_labels=None, ...)``. Its
        parameters `aligned` and `group_shares` are filled from the fitted estimator's
        `aligned_bias_` and `group_shares_` unless given here.
    response_method : {"predict", "predict_proba", "decision_function"} or list, default="predict"
        The estimator's method whose result is `y_pred`, the first it has of a list; a binary
        `predict_proba` gives the second class's column.
    greater_is_better : bool, default=True
        False flips the sign of the score.
    bias_labels : pandas.Series or pandas.DataFrame, default=None
        Bias labels of ALL samples, looked up by the index of the y (or else the X) that is scored:
        for use without metadata routing. The index must not have duplicates, and must still
        identify the samples: after `reset_index` the lookup finds other samples' labels. None
        expects them by routing.
    membership : pandas.DataFrame of bool, default=None
        Overlapping groups of ALL samples, one column each, instead of `bias_labels`; looked up in
        the same way. By routing they reach a scorer after ``set_score_request(membership=True)``.
    **kwargs : dict
        Further arguments of the metric, such as `universe`, `absent`, `aligned`.

    Returns
    -------
    scorer : GroupScorer
        For `scoring=`, or to call as ``scorer(estimator, X, y, bias_labels=...)``.

    Raises
    ------
    TypeError, ValueError
        If `score_func` does not take `bias_labels` or an argument in `kwargs`, there is no such
        `response_method`, or what is bound is no Series or DataFrame with a unique index.

    Examples
    --------
    >>> from sklearn_debias.metrics import conflicting_accuracy_score, make_group_scorer
    >>> make_group_scorer(conflicting_accuracy_score, aligned={0: "a", 1: "b"})
    make_group_scorer(conflicting_accuracy_score, aligned={0: 'a', 1: 'b'})
    """
    name = getattr(score_func, "__name__", repr(score_func))
    accepted = _arguments(score_func)
    if "bias_labels" not in accepted:
        raise TypeError(
            f"`score_func` must be a callable that takes `bias_labels`, got {score_func!r}."
        )
    _check_response_method(response_method)
    if not is_switch(greater_is_better):
        raise ValueError(f"`greater_is_better` must be a bool, got {greater_is_better!r}.")
    # Found here, not in the middle of a search.
    unknown = sorted(set(kwargs) - set(accepted))
    if unknown:
        raise TypeError(f"`kwargs` must be arguments of {name}, got {unknown}.")
    bound: dict[str, Finder] = {}
    if bias_labels is not None:
        bound["bias_labels"] = Lookup(bias_labels, "bias_labels")
    if membership is not None:
        bound["membership"] = Lookup(membership, "membership")
    if len(bound) == 2:
        raise ValueError(
            "`bias_labels` and `membership` must not both be given: keep the one that defines the "
            "groups."
        )
    if not set(bound) <= set(accepted):
        raise TypeError(f"`score_func` must take `membership` to be bound to some, got {name}.")
    sign = 1 if greater_is_better else -1
    return GroupScorer(score_func, sign, kwargs, response_method, bound)


def _arguments(score_func: Any) -> Collection[str]:
    """Return the names of a metric's arguments: none where it cannot be called, or is opaque."""
    try:
        return inspect.signature(score_func).parameters
    except (TypeError, ValueError):
        return ()


def _check_response_method(response_method: Any) -> None:
    """Raise a ValueError unless scikit-learn knows the method, or all in the list."""
    one = isinstance(response_method, str)
    methods = [response_method] if one else response_method
    is_list = isinstance(methods, list | tuple) and len(methods) > 0
    if not is_list or any(method not in _RESPONSE_METHODS for method in methods):
        raise ValueError(
            f"`response_method` must be one of {list(_RESPONSE_METHODS)}, or a list of them, got "
            f"{response_method!r}."
        )


worst_group_accuracy_scorer = make_group_scorer(worst_group_accuracy_score)
group_mean_accuracy_scorer = make_group_scorer(group_mean_accuracy_score)
adjusted_accuracy_scorer = make_group_scorer(adjusted_accuracy_score)
conflicting_accuracy_scorer = make_group_scorer(conflicting_accuracy_score)
harmonic_accuracy_scorer = make_group_scorer(harmonic_accuracy_score)
aligned_accuracy_scorer = make_group_scorer(aligned_accuracy_score)
bias_gap_scorer = make_group_scorer(bias_gap_score, greater_is_better=False)

_SCORERS = {
    "worst_group_accuracy": worst_group_accuracy_scorer,
    "group_mean_accuracy": group_mean_accuracy_scorer,
    "adjusted_accuracy": adjusted_accuracy_scorer,
    "conflicting_accuracy": conflicting_accuracy_scorer,
    "harmonic_accuracy": harmonic_accuracy_scorer,
    "aligned_accuracy": aligned_accuracy_scorer,
    "bias_gap": bias_gap_scorer,
}


def get_scorer_names() -> list[str]:
    """Return the names of this package's scorers, for :func:`get_scorer`.

    Returns
    -------
    names : list of str
        The names, sorted.

    Examples
    --------
    >>> from sklearn_debias.metrics import get_scorer_names
    >>> get_scorer_names()[:3]
    ['adjusted_accuracy', 'aligned_accuracy', 'bias_gap']
    """
    return sorted(_SCORERS)


def get_scorer(scoring: str | Callable[..., float]) -> Callable[..., float]:
    """Return a scorer by name: one of this package's, or one of scikit-learn's.

    Parameters
    ----------
    scoring : str or callable
        A name of :func:`get_scorer_names` or of scikit-learn; a callable is returned as it is.

    Returns
    -------
    scorer : callable
        A fresh copy of the scorer.

    Raises
    ------
    ValueError
        If there is no scorer of that name.

    Examples
    --------
    >>> from sklearn_debias.metrics import get_scorer
    >>> get_scorer("bias_gap")
    make_group_scorer(bias_gap_score, greater_is_better=False)
    """
    if callable(scoring):
        return scoring
    if isinstance(scoring, str) and scoring in _SCORERS:
        # A copy, as scikit-learn gives one: `set_score_request` changes a scorer in place.
        return copy.deepcopy(_SCORERS[scoring])
    if isinstance(scoring, str) and scoring in sklearn.metrics.get_scorer_names():
        return sklearn.metrics.get_scorer(scoring)
    raise ValueError(
        f"`scoring` must be one of {get_scorer_names()} or of sklearn.metrics.get_scorer_names(), "
        f"got {scoring!r}."
    )
