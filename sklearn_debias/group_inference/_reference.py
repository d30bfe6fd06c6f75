"""The reference model whose mistakes tell rows apart: who it is, and what it says of rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.special import logsumexp
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_debias.estimators import BaseDebiasClassifier, ERMClassifier
from sklearn_debias.fitting import parts, split_by, take_rows
from sklearn_debias.group_inference._inference import Task
from sklearn_debias.group_inference._parameters import random_states

TINY = np.finfo(float).tiny
PENALTY = 0.5
MOST = 125_000  # rows that the default is fitted to, as far as each class has FEWEST
FEWEST = 20_000
EARLY = 2  # epochs: a net that has seen each image twice knows the shortcut, and little else


def logistic(n: int, penalty: float, class_weight: str | None = None) -> Any:
    """Return an unfitted logistic regression of standardised features.

    Parameters
    ----------
    n : int
        Rows that it will be fitted to.
    penalty : float
        Half of it times the squared weights is added to the mean loss of a row. scikit-learn's C
        is of the sum, and would mean something else for other n.
    class_weight : "balanced" or None, default=None
    """
    settings = {"C": 1 / (penalty * n), "max_iter": 1000, "class_weight": class_weight}
    return make_pipeline(StandardScaler(), LogisticRegression(**settings))


def reference(task: Task) -> Any:
    """Return the unfitted model of a task.

    The default for features is a logistic regression so regularised that it does not separate the
    classes; its rate and its number of steps need no choice. Its classes are balanced, or the rows
    of a rare class would be its mistakes. For images it is an early net. Of very many rows it is
    fitted to some, see `most_rows`.
    """
    model = task.params["estimator"]
    if model is None:
        if task.table:
            return logistic(most_rows(task), PENALTY, "balanced")
        return ERMClassifier(max_epochs=EARLY, balance="class")
    if not hasattr(model, "predict_proba"):
        raise TypeError(
            f"`estimator` must have `predict_proba`, got {type(model).__name__}. "
            "CalibratedClassifierCV gives it one."
        )
    return clone(model)


def most_rows(task: Task) -> int:
    """Return how many rows a model is fitted to in all: of the default one some will do.

    A regression with so strong a penalty learns little more from a million rows, and would hold
    them in float64.
    """
    n = len(task.codes)
    default = task.params["estimator"] is None and task.table
    return min(n, max(MOST, FEWEST * len(task.classes))) if default else n


def seeded(estimator: Any, seed: int) -> Any:
    """Set those random states that are None, of the estimator and of what it holds."""
    states = {name: seed % 2**32 for name, v in random_states(estimator).items() if v is None}
    return estimator.set_params(**states)


def folds(codes: np.ndarray, n_splits: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return (rows to fit to, rows to judge) of each fold; a single one has all rows as both.

    Every fold has its share of each class, where the classes have a row for each fold.
    """
    rows = np.arange(len(codes))
    if n_splits == 1:
        return [(rows, rows)]
    _, size = np.unique(codes, return_counts=True)
    kind = KFold if size.min() < n_splits else StratifiedKFold
    return list(kind(n_splits, shuffle=True, random_state=seed).split(rows, codes))


def log_proba(model: Any, X: Any, classes: np.ndarray) -> np.ndarray:
    """Return the logarithms of a model's probabilities (n, k), in the order of ``classes``."""
    if isinstance(model, BaseDebiasClassifier):
        found = model.predict_log_proba(X)
    else:
        found = np.log(np.clip(model.predict_proba(X), TINY, None))
    known = np.searchsorted(classes, model.classes_)
    every = np.full((len(found), len(classes)), np.log(TINY))
    every[:, known] = found
    return every


def cross_fit(model: Any, task: Task) -> tuple[list[Any], np.ndarray]:
    """Fit a model to all folds but one, in turn; return the models and what they say of the one.

    Returns
    -------
    models : list of fitted estimators
    log_proba : ndarray of shape (n, k)
        By the model that was not fitted to the row; by the only one where there is one fold.
    """
    models = []
    y = task.y
    share = most_rows(task) / len(y)
    held_out = np.empty((len(y), len(task.classes)))
    for number, (fitted_to, judged) in enumerate(
        folds(task.codes, task.params["n_splits"], task.seed)
    ):
        if share < 1:
            rng = np.random.default_rng([task.seed, number])
            _, some = split_by(task.codes[fitted_to], share, rng)
            fitted_to = fitted_to[some]
        # The only row of a class is judged by rows without the class, which may all be of another.
        alone = len(np.unique(y[fitted_to])) == 1
        one = DummyClassifier() if alone else seeded(clone(model), task.seed + number)
        one.fit(take_rows(task.X, fitted_to), y[fitted_to])
        for part in parts(len(judged), task.width):
            rows = judged[part]
            held_out[rows] = log_proba(one, take_rows(task.X, rows), task.classes)
        models.append(one)
    return models, held_out


def mean_log_proba(models: Sequence[Any], X: Any, classes: np.ndarray) -> np.ndarray:
    """Return the logarithms of the models' mean probabilities, shape (n, k)."""
    if not (isinstance(X, np.ndarray) and X.ndim == 2):
        return _mean(models, X, classes)
    # A part at a time: models that cast their rows to float64 need not cast all.
    return np.concatenate([_mean(models, X[part], classes) for part in parts(*X.shape)])


def _mean(models: Sequence[Any], X: Any, classes: np.ndarray) -> np.ndarray:
    each = np.stack([log_proba(model, X, classes) for model in models])
    return logsumexp(each, axis=0) - np.log(len(models))
