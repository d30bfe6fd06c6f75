"""A comparison that takes a moment."""

import numpy as np
from scipy.stats import loguniform
from sklearn.linear_model import LogisticRegression

from sklearn_debias import ERMClassifier, JTTClassifier
from sklearn_debias.comparison import compare
from sklearn_debias.datasets import make_spurious_embeddings

METHODS = {
    "ERM": ERMClassifier(max_epochs=2),
    "JTT": JTTClassifier(max_epochs=2, identification_epochs=1),
    "logistic": LogisticRegression(),
}
SPACE = {
    "ERM": {"lr": loguniform(1e-3, 1e-1), "weight_decay": [0.0, 1e-2]},
    "JTT": {"lr": loguniform(1e-3, 1e-1), "upweight": [5, 20]},
    "logistic": {"C": [0.1, 1.0]},
}
LOGISTIC = {"logistic": LogisticRegression()}
HEADS = {name: SPACE[name] for name in ("ERM", "JTT")}
C = {"logistic": {"C": [0.01, 0.1, 1.0, 10.0]}}


def rows(n=80):
    """Training, validation and test rows with bias labels."""
    data = make_spurious_embeddings(
        n, n_validation=n, n_test=n, conflict_ratio=0.2, n_features=6, random_state=0
    )
    parts = (data.train, data.validation, data.test)
    return [(p.data.astype(np.float64), p.target, p.bias_labels) for p in parts]


def compared(methods=None, **settings):
    """A small comparison, silent."""
    train, validation, test = rows()
    given = {
        "train": train,
        "validation": validation,
        "test": test,
        "n_configurations": 3,
        "n_seeds": 2,
        "search_spaces": SPACE,
        "n_resamples": 200,
        "refit": False,
        "verbose": 0,
        "random_state": 0,
        **settings,
    }
    return compare(METHODS if methods is None else methods, given.pop("train"), **given)
