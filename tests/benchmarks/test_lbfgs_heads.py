"""A head by `optimizer="lbfgs"` against scikit-learn's, to an objective at least as low.

n=5000, d=512, correlated columns of unlike scales; scikit-learn penalises the intercept here as a
column of ones, so that both minimise the same.
"""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from sklearn_debias import ERMClassifier

N, D = 5000, 512


def rows(n_classes):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D)) * np.exp(0.7 * rng.normal(size=D)) + 0.5 * rng.normal(size=D)
    X = X @ (np.eye(D) + 0.3 * rng.normal(size=(D, D)) / np.sqrt(D))
    scores = X @ rng.normal(size=(D, n_classes)) / np.sqrt(D)
    y = (scores + rng.gumbel(size=scores.shape)).argmax(1)
    return X.astype(np.float32), y


def objective(W, X, y, decay):
    """The penalised cross entropy of weights (k, d + 1), intercepts last."""
    z = X.astype(np.float64) @ W[:, :-1].T + W[:, -1]
    z -= z.max(1, keepdims=True)
    loss = np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]
    return loss.mean() + decay / 2 * (W**2).sum()


def weights(coef):
    """Of two classes each has half of the difference, with its sign."""
    return np.vstack([-coef, coef]) / 2 if len(coef) == 1 else coef


@pytest.mark.parametrize("decay", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("n_classes", [2, 10])
def test_against_logistic_regression(compare, n_classes, decay):
    X, y = rows(n_classes)
    ours = ERMClassifier(optimizer="lbfgs", weight_decay=decay, device="cpu")
    C = (2 if n_classes == 2 else 1) / (N * decay)
    reference = LogisticRegression(C=C, fit_intercept=False, max_iter=10_000)
    with_ones = np.hstack([X, np.ones((N, 1), np.float32)])
    compare(lambda: ours.fit(X, y), lambda: reference.fit(with_ones, y), rounds=5, limit=2)
    found = weights(np.hstack([ours.coef_, ours.intercept_[:, None]]))
    theirs = objective(weights(reference.coef_.astype(np.float64)), X, y, decay)
    assert objective(found, X, y, decay) <= theirs + 1e-9
