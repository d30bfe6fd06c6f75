"""Scorers for data without bias labels: the groups are inferred, or are a biased model's mistakes.

Selection by average accuracy, and by the worst class, rewards the shortcut.
"""

from collections.abc import Callable
from typing import Any

from sklearn.base import is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from sklearn_debias.arguments import check_option, in_our_words
from sklearn_debias.group_inference import GroupInferrer
from sklearn_debias.metrics import (
    GroupScorer,
    group_mean_accuracy_score,
    worst_group_accuracy_score,
)
from sklearn_debias.metrics.internal import check_group_size
from sklearn_debias.model_selection._inferred_groups import (
    BiasedPredictions,
    FoundGroups,
    InferredCells,
    InferredParts,
)

__all__ = ["biased_balance_scorer", "inferred_worst_group_scorer"]


class LabelFreeScorer(GroupScorer):
    """Score by groups that are found from the rows; it asks for no bias labels."""

    def __init__(
        self, metric: Callable[..., float], bound: dict[str, FoundGroups], size: int, made_by: str
    ) -> None:
        super().__init__(metric, 1, {"min_group_size": size}, bound=bound)
        self._made_by = made_by

    def __repr__(self) -> str:
        return self._made_by

    def _metadata_names(self) -> list[str]:
        return ["sample_weight"]


@in_our_words
def inferred_worst_group_scorer(
    inferrer: GroupInferrer, *, groups: str = "parts", min_group_size: int = 1
) -> GroupScorer:
    """Make a scorer of the worst inferred group, for selection without bias labels.

    Of the rows that are scored, the inferrer says which ones the shortcut explains. Candidates are
    judged by the smaller of their two accuracies: on these rows, and on the others.

    Parameters
    ----------
    inferrer : GroupInferrer
        Fitted to training rows, in the form in which the scorer sees them: of a search over a
        Pipeline these are the raw ones, of the ``monitor`` of a Pipeline's last step the
        transformed ones. Its ``predict(X, y)`` tells the groups of those that are scored; no bias
        label is used, so that they may be of the rows that it was fitted to, as the folds of a
        search are. The scorer holds the inferrer: fitted again, it finds other groups.
    groups : {"parts", "cells"}, default="parts"
        * "parts": the rows of all classes with inferred label 0, and those with another one. With
          "ssa", whose values are the user's, those with the most frequent value of their class
          among the rows that are scored, and the others.
        * "cells": the pairs (class, inferred label). With many classes they have a few rows each,
          and the worst one ties all candidates.
    min_group_size : int, default=1
        Groups with fewer rows are left out.

    Returns
    -------
    GroupScorer
        Callable ``scorer(estimator, X, y)``, for ``scoring=`` of any search, and ``monitor=``. It
        asks for no metadata, takes `sample_weight`, and can be copied and pickled.

    Raises
    ------
    TypeError
        If `inferrer` is no GroupInferrer.
    sklearn.exceptions.NotFittedError
        If `inferrer` is not fitted.
    ValueError
        If another argument is invalid.

    Warns
    -----
    DebiasWarning
        When it scores, with "parts", once: if less than 5 rows are in one of the parts, or none.

    See Also
    --------
    biased_balance_scorer : A model's predictions in place of inferred groups.
    sklearn_debias.metrics.worst_group_accuracy_scorer : With bias labels.

    Notes
    -----
    Where the inferrer finds what the shortcut does, candidates are ranked nearly as they are by
    true bias labels of the same rows. Where it finds rows that are merely hard, a candidate that
    resembles its model is punished for that, and the choice is worse than that by accuracy. See
    "Can one select without bias labels?", docs/reproduction/selection.md.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> from sklearn_debias.group_inference import GroupInferrer
    >>> from sklearn_debias.model_selection import inferred_worst_group_scorer
    >>> train = make_spurious_embeddings(random_state=0).train
    >>> groups = GroupInferrer(random_state=0).fit(train.data, train.target)
    >>> scorer = inferred_worst_group_scorer(groups)
    >>> search = GridSearchCV(LogisticRegression(), {"C": [1e-4, 1.0]}, scoring=scorer, cv=3)
    >>> search.fit(train.data, train.target).best_params_
    {'C': 1.0}
    """
    if not isinstance(inferrer, GroupInferrer):
        raise TypeError(
            f"`inferrer` must be a fitted GroupInferrer, got {_short(inferrer)} of type "
            f"{type(inferrer).__name__}."
        )
    check_option("groups", groups, ("parts", "cells"))
    check_group_size(min_group_size)
    min_group_size = int(min_group_size)
    _check_fitted(inferrer, "inferrer")
    bound: dict[str, FoundGroups] = {"bias_labels": InferredCells(inferrer)}
    if groups == "parts":
        bound = {"membership": InferredParts(inferrer, min_group_size)}
    given = [f"{inferrer!r}"]
    if groups != "parts":
        given.append(f"groups={groups!r}")
    made_by = _call("inferred_worst_group_scorer", given, min_group_size)
    return LabelFreeScorer(worst_group_accuracy_score, bound, min_group_size, made_by)


@in_our_words
def biased_balance_scorer(model: Any, *, min_group_size: int = 1) -> GroupScorer:
    """Make a scorer of the accuracy balanced over (prediction of a biased model, class).

    The rule by which uLA is selected [1]_: the biased model's prediction stands for the bias label,
    and every pair that occurs counts the same, however few rows it has.

    Parameters
    ----------
    model : classifier
        Fitted, and biased: it must take the shortcut, such as a strongly regularised logistic
        regression. One that is right about all rows leaves the classes as groups. What it was
        fitted to is as for `inferred_worst_group_scorer`.
    min_group_size : int, default=1
        Pairs with fewer rows are left out.

    Returns
    -------
    GroupScorer
        Callable ``scorer(estimator, X, y)``, for ``scoring=`` of any search, and ``monitor=``. It
        asks for no metadata, takes `sample_weight`, and can be copied and pickled.

    Raises
    ------
    TypeError
        If `model` is no classifier.
    sklearn.exceptions.NotFittedError
        If `model` is not fitted.
    ValueError
        If `min_group_size` is invalid.

    Warns
    -----
    DebiasWarning
        When it scores, once: if the model is right about all rows.

    References
    ----------
    .. [1] C. Tsirigotis et al., "Group Robust Classification Without Any Group Information",
       NeurIPS 2023.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn_debias.datasets import make_spurious_embeddings
    >>> from sklearn_debias.model_selection import biased_balance_scorer
    >>> train = make_spurious_embeddings(random_state=0).train
    >>> biased = LogisticRegression(C=1e-4).fit(train.data, train.target)
    >>> scorer = biased_balance_scorer(biased)
    >>> better = LogisticRegression().fit(train.data, train.target)
    >>> bool(scorer(biased, train.data, train.target) < scorer(better, train.data, train.target))
    True
    """
    is_estimator = hasattr(model, "__sklearn_tags__") and not isinstance(model, type)
    if not is_estimator or not is_classifier(model):
        raise TypeError(
            f"`model` must be a fitted classifier, got {_short(model)} of type "
            f"{type(model).__name__}."
        )
    check_group_size(min_group_size)
    min_group_size = int(min_group_size)
    _check_fitted(model, "model")
    made_by = _call("biased_balance_scorer", [f"{model!r}"], min_group_size)
    bound: dict[str, FoundGroups] = {"bias_labels": BiasedPredictions(model)}
    return LabelFreeScorer(group_mean_accuracy_score, bound, min_group_size, made_by)


def _check_fitted(model: Any, name: str) -> None:
    """Raise a NotFittedError that names the parameter."""
    try:
        check_is_fitted(model)
    except NotFittedError:
        raise NotFittedError(
            f"`{name}` must be fitted before the scorer is made, got {_short(model)}, which is "
            "not. Call its `fit` with the training rows."
        ) from None


def _short(value: Any) -> str:
    """Return the beginning of what a value looks like, in one line."""
    return " ".join(repr(value).split())[:60]


def _call(function: str, given: list[str], min_group_size: int) -> str:
    """Return the call that makes a scorer, as one writes it."""
    if min_group_size != 1:
        given = [*given, f"min_group_size={min_group_size}"]
    return f"{function}({', '.join(given)})"
