"""The rows that a method is fitted to, and those that judge it, when its settings are selected."""

import copy
import inspect
from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.model_selection import check_cv

from sklearn_debias.arguments import is_whole
from sklearn_debias.comparison._contenders import Contender, needs_bias_labels, takes
from sklearn_debias.comparison._parts import Part
from sklearn_debias.estimators import BaseDebiasClassifier
from sklearn_debias.model_selection import BiasStratifiedKFold

FOLDS = 5  # of the validation rows, for a method that trains on them


def all_splits(
    contenders: list[Contender], parts: Mapping[str, Part], cv: Any, seed: int
) -> tuple[dict[str, list[tuple[Part, Part]]], list[Any]]:
    """Return pairs of rows to fit to and to be judged by for each method; and the folds' numbers.

    Folds are drawn once, the same for all methods.
    """
    by_rows: dict[str, list[tuple[Part, Part]]] = {}
    numbers: list[Any] = []
    for rows in dict.fromkeys(contender.trains_on for contender in contenders):
        if rows == "train" and "validation" in parts:
            by_rows[rows] = [(parts["train"], parts["validation"])]
        elif rows == "train" and cv is None:
            by_rows[rows] = []
        else:
            folds = _folds(parts[rows], cv if rows == "train" else FOLDS, seed)
            numbers += [index for fold in folds for index in fold]
            by_rows[rows] = [
                (parts[rows].take(fit, rows), parts[rows].take(judged, rows))
                for fit, judged in folds
            ]
    return {c.name: by_rows[c.trains_on] for c in contenders}, numbers


def _folds(rows: Part, cv: Any, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the numbers of the rows to fit to, and of those that judge, fold by fold."""
    if is_whole(cv) and rows.bias_labels is not None:
        cv = BiasStratifiedKFold(int(cv), shuffle=True, random_state=seed)
    splitter = check_cv(cv, rows.y, classifier=True)
    if getattr(splitter, "random_state", 0) is None and getattr(splitter, "shuffle", True):
        splitter = copy.copy(splitter)  # one without a seed would draw from NumPy's own
        splitter.random_state = seed
    metadata = {}
    if rows.bias_labels is not None and takes(splitter, "bias_labels", "split"):
        metadata["bias_labels"] = rows.bias_labels
    folds = list(splitter.split(rows.X, rows.y, **metadata))
    if not folds:
        raise ValueError("`cv` must give at least one split, got none.")
    return [(np.asarray(fit), np.asarray(judged)) for fit, judged in folds]


def check_scorer(scorer: Any) -> None:
    """Raise a TypeError unless it is called as ``scorer(estimator, X, y)``."""
    if not callable(scorer):
        raise TypeError(
            f"`scoring` must be the name of a scorer, or one, got a {type(scorer).__name__}."
        )
    if (
        inspect.isfunction(scorer)
        and next(iter(inspect.signature(scorer).parameters), "") == "y_true"
    ):
        raise TypeError(
            f"`scoring` must be called as scorer(estimator, X, y), got the metric "
            f"{scorer.__name__}. Pass its name, or sklearn.metrics.make_scorer({scorer.__name__})."
        )


def check_labels(
    contenders: list[Contender],
    parts: Mapping[str, Part],
    splits: Mapping[str, list[tuple[Part, Part]]],
    scorer: Any,
) -> None:
    """Raise where bias labels are needed and missing, before anything runs."""
    blind = {
        c.name: c.trains_on
        for c in contenders
        if parts[c.trains_on].bias_labels is None and needs_bias_labels(c.estimator)
    }
    if blind:
        raise ValueError(
            f"`{min(blind.values())}` must have bias labels for {', '.join(blind)}, got none. Pass "
            "(X, y, bias_labels), leave these methods out, or wrap them in an "
            "InferredGroupsClassifier."
        )
    for contender in contenders:
        monitored = isinstance(contender.estimator, BaseDebiasClassifier) and (
            contender.estimator.monitor is not None and contender.estimator.validation is None
        )
        if monitored and (contender.trains_on == "validation" or "validation" not in parts):
            raise ValueError(
                f"`monitor` of {contender.name} needs rows that no other fit trains on: pass "
                "`validation`, or give the estimator a share to hold out, such as validation=0.2."
            )
    if takes(scorer, "bias_labels", "score"):
        judges = [judged for own in splits.values() for _, judged in own]
        bare = {part.name for part in judges if part.bias_labels is None}
        if bare:
            raise ValueError(
                f"`scoring` needs bias labels of the rows that select, and `{min(bare)}` has none. "
                "Pass them, or a scorer that needs none, such as inferred_worst_group_scorer."
            )
