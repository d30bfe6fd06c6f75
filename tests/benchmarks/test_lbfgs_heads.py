"""A head by `optimizer="lbfgs"` ends as low as scikit-learn's; `table.py` has how long it takes."""

import cases_heads
import numpy as np
import pytest


def objective(W, X, y, decay):
    """The penalised cross entropy of weights (k, d + 1), intercepts last."""
    z = X.astype(np.float64) @ W[:, :-1].T + W[:, -1]
    z -= z.max(1, keepdims=True)
    loss = np.log(np.exp(z).sum(1)) - z[np.arange(len(y)), y]
    return loss.mean() + decay / 2 * (W**2).sum()


def weights(coef):
    """Of two classes each has half of the difference, with its sign."""
    return np.vstack([-coef, coef]) / 2 if len(coef) == 1 else coef


@pytest.mark.parametrize(("n_classes", "decay"), cases_heads.CONVEX)
def test_ends_as_low_as_logistic_regression(benchmark, n_classes, decay):
    X, y, with_ones, ours, theirs = cases_heads.solvers(n_classes, decay)
    benchmark.pedantic(ours.fit, args=(X, y), rounds=1)
    theirs.fit(with_ones, y)
    found = weights(np.hstack([ours.coef_, ours.intercept_[:, None]]))
    reference = objective(weights(theirs.coef_.astype(np.float64)), X, y, decay)
    assert objective(found, X, y, decay) <= reference + 1e-9
