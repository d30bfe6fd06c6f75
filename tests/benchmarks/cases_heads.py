"""Fits of linear heads on embeddings: by L-BFGS, by closed gradients, with BiasAdv's attack."""

from unittest.mock import patch

import by_hand
import numpy as np
from sklearn.linear_model import LogisticRegression
from timing import Case
from torch import nn

from sklearn_debias import (
    BiasAdvClassifier,
    ERMClassifier,
    GroupDROClassifier,
    JTTClassifier,
    LfFClassifier,
    MetaIADAClassifier,
)
from sklearn_debias.core import SplitModule

N, D, C, EPOCHS, UPWEIGHT = 5000, 512, 10, 30, 5
CONVEX = [(2, 1e-2), (2, 1e-4), (2, 1e-6), (10, 1e-2), (10, 1e-4)]  # classes, weight_decay
METHODS = {
    "ERM": ERMClassifier,
    "LfF": LfFClassifier,
    "GroupDRO": GroupDROClassifier,
    "JTT": JTTClassifier,
}
META = {"full": 40, "diagonal": 10}


def settings(quick, epochs=EPOCHS):
    return {"max_epochs": 2 if quick else epochs, "device": "cpu", "random_state": 0}


def convex_rows(n_classes, n=N):
    """Return correlated columns of unlike scales, and labels that they tell in part."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, D)) * np.exp(0.7 * rng.normal(size=D)) + 0.5 * rng.normal(size=D)
    X = X @ (np.eye(D) + 0.3 * rng.normal(size=(D, D)) / np.sqrt(D))
    scores = X @ rng.normal(size=(D, n_classes)) / np.sqrt(D)
    y = (scores + rng.gumbel(size=scores.shape)).argmax(1)
    return X.astype(np.float32), y


def solvers(n_classes, decay, n=N):
    """Return rows, ours and scikit-learn's, which penalises its intercept as a column of ones."""
    X, y = convex_rows(n_classes, n)
    ours = ERMClassifier(optimizer="lbfgs", weight_decay=decay, device="cpu")
    strength = (2 if n_classes == 2 else 1) / (n * decay)
    theirs = LogisticRegression(C=strength, fit_intercept=False, max_iter=10_000)
    return X, y, np.hstack([X, np.ones((n, 1), np.float32)]), ours, theirs


def lbfgs(n_classes, decay, quick):
    X, y, with_ones, ours, theirs = solvers(n_classes, decay, 600 if quick else N)
    return lambda: ours.fit(X, y), lambda: theirs.fit(with_ones, y)


def rows():
    """Return rows of noise but for one column, labels, and groups of (label, bias)."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, C, N)
    X = rng.standard_normal((N, D), dtype=np.float32)
    X[:, 0] += y
    return X, y, np.where(rng.uniform(size=N) < 0.9, y, rng.integers(0, C, N))


def model(name, quick):
    clf = METHODS[name](**settings(quick))
    if name == "JTT":
        clf.set_params(identification_epochs=clf.max_epochs // 2, upweight=UPWEIGHT)
    return clf


def fit_of(name, quick):
    X, y, bias = rows()
    clf = model(name, quick)
    given = {"bias_labels": bias} if name == "GroupDRO" else {}
    return lambda: clf.fit(X, y, **given)


def by_autograd(fit):
    """Return the same fit without steps in closed form."""

    def run():
        with patch("sklearn_debias.training._engine.linear_steps", lambda *_: None):
            fit()

    return run


def against_autograd(name, quick):
    fit = fit_of(name, quick)
    return fit, by_autograd(fit)


def against_a_loop(name, quick):
    X, y, bias = rows()
    epochs = settings(quick)["max_epochs"]
    loops = {
        "ERM": lambda: by_hand.erm(X, y, C, epochs),
        "LfF": lambda: by_hand.lff(X, y, C, epochs),
        "GroupDRO": lambda: by_hand.group_dro(X, y, y * C + bias, C, epochs),
        "JTT": lambda: by_hand.jtt(X, y, C, epochs // 2, epochs, UPWEIGHT),
    }
    return fit_of(name, quick), loops[name]


def bare(quick):
    """Prepare ERM's loop by hand twice, first in closed form: what a fit could take at best."""
    X, y, _ = rows()
    epochs = settings(quick)["max_epochs"]
    return (
        lambda: by_hand.erm_closed(X, y, C, epochs),
        lambda: by_hand.erm(X, y, C, epochs),
    )


def unknown_head(in_features=D, out_features=C):
    """Return a linear head that is not known as one: its attack is left to autograd."""
    return SplitModule(nn.Sequential(nn.Identity()), nn.Linear(in_features, out_features))


def attack(quick):
    X, y, _ = rows()
    ours, other = (
        BiasAdvClassifier(module, **settings(quick, 6)) for module in (None, unknown_head)
    )
    return lambda: ours.fit(X, y), lambda: other.fit(X, y)


def meta(covariance, quick):
    """Prepare Meta-IADA without its warm-up, and ERM's loop by hand with the same optimiser."""
    rng = np.random.default_rng(0)
    n, n_meta = 4000, 100
    y, y_meta = np.arange(n) % C, np.arange(n_meta) % C
    classes = np.eye(C, D, dtype=np.float32)
    X = rng.standard_normal((n, D), dtype=np.float32) + classes[y]
    X_meta = rng.standard_normal((n_meta, D), dtype=np.float32) + classes[y_meta]
    ours = MetaIADAClassifier(covariance=covariance, warmup=0, **settings(quick, 5))
    return (
        lambda: ours.fit(X, y, X_meta=X_meta, y_meta=y_meta),
        lambda: by_hand.erm(X, y, C, ours.max_epochs, by_hand.sgd),
    )


CASES = [
    Case(
        f"lbfgs-{n_classes}-{decay:g}",
        f'ERM head by `optimizer="lbfgs"`, {n_classes} classes, `weight_decay={decay:g}`',
        "`LogisticRegression`, which ends above",
        2,
        lambda quick, k=n_classes, decay=decay: lbfgs(k, decay, quick),
        rounds=3,
    )
    for n_classes, decay in CONVEX
]
for name in METHODS:
    CASES += [
        Case(
            f"closed-{name}",
            f"{name} head, 10 classes, {EPOCHS} epochs of Adam",
            "the same fit by autograd",
            1 / 3,
            lambda quick, name=name: against_autograd(name, quick),
            holds=0.8,
        ),
        Case(
            f"loop-{name}",
            f"{name} head, 10 classes, {EPOCHS} epochs of Adam",
            "a loop by hand, by autograd",
            1 / 3,
            lambda quick, name=name: against_a_loop(name, quick),
            holds=0.8,
        ),
    ]
CASES += [
    Case(
        "bare-ERM",
        f"the same steps in closed form in a loop by hand, {EPOCHS} epochs of Adam",
        "a loop by hand, by autograd",
        1 / 3,
        bare,
        holds=0.8,
    ),
    Case(
        "attack",
        "BiasAdv head on LfF, 10 classes, 5 attack steps",
        "the same fit with an attack by autograd",
        1 / 2,
        attack,
        holds=0.75,
    ),
]
CASES += [
    Case(
        f"meta-{covariance}",
        f"Meta-IADA head, 10 classes, {covariance} covariance, a step",
        "ERM's step by hand, by autograd",
        asked,
        lambda quick, covariance=covariance: meta(covariance, quick),
        rounds=3,
        holds=150,
    )
    for covariance, asked in META.items()
]
