"""`optimizer="lbfgs"` reaches minima that are small numbers, of rows in any unit, as nearly."""

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from test_lbfgs import problem, stated, theta_of

from sklearn_debias import ERMClassifier


def separable(n, d, k):
    """Rows that a linear layer tells apart."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, d))
    return X, (X @ rng.normal(size=(d, k))).argmax(1)


def lowest_of_newton(X, y, decay, k):
    """The smallest stated loss by Newton steps, and the weights."""
    ones = np.column_stack([X, np.ones(len(X))])
    C = (2 if k == 2 else 1) / (len(y) * decay)
    found = LogisticRegression(
        C=C, fit_intercept=False, solver="newton-cholesky", tol=1e-10, max_iter=1000
    ).fit(ones, y)
    W = found.coef_ if k > 2 else np.vstack([-found.coef_, found.coef_]) / 2
    return stated(W.ravel(), X, y, np.ones(len(y)), 0, decay, k)[0], W


@pytest.mark.parametrize("decay", [1e-4, 1e-6, 1e-7])
@pytest.mark.parametrize("k", [2, 5])
@pytest.mark.parametrize(("n", "d"), [(60, 200), (300, 20), (150, 60)])
def test_small_minima_are_reached_as_nearly_as_large_ones(n, d, k, decay):
    """Where rows separate and the penalty is weak the minimum is 1e-5: it counts for that much."""
    X, y = separable(n, d, k)
    clf = ERMClassifier(optimizer="lbfgs", weight_decay=decay, dtype="float64", max_epochs=400)
    clf.fit(X, y)  # without a warning
    lowest, W = lowest_of_newton(X, y, decay, k)
    ours = stated(theta_of(clf), X, y, np.ones(len(y)), 0, decay, k)[0]
    assert lowest < 0.1
    assert abs(ours / lowest - 1) < 1e-4
    others = np.random.default_rng(1).normal(size=(2000, d))
    theirs = (others @ W[:, :-1].T + W[:, -1]).argmax(1)
    assert (clf.predict(others) != theirs).mean() < 2e-3


@pytest.mark.filterwarnings("ignore::sklearn_debias.exceptions.DebiasWarning")
@pytest.mark.parametrize("d", [3, 10])
def test_rows_that_hold_nothing_leave_the_shares_of_the_classes(d):
    """A body whose activations are dead hands on nothing but zeros."""
    clf = ERMClassifier(optimizer="lbfgs", weight_decay=1e-6, dtype="float64")
    clf.fit(np.zeros((6, d)), [0, 1, 1, 1, 0, 1])
    np.testing.assert_allclose(clf.predict_proba(np.zeros((1, d))), [[1 / 3, 2 / 3]], atol=1e-4)


def test_a_small_minimum_that_is_not_reached_warns():
    X, y = separable(300, 20, 5)
    clf = ERMClassifier(optimizer="lbfgs", weight_decay=1e-8, dtype="float64", max_epochs=30)
    with pytest.warns(ConvergenceWarning, match="did not reach the minimum"):
        clf.fit(X, y)
    lowest = lowest_of_newton(X, y, 1e-8, 5)[0]
    assert stated(theta_of(clf), X, y, np.ones(len(y)), 0, 1e-8, 5)[0] > 1.1 * lowest


@pytest.mark.parametrize("unit", [1e-160, 1e-120, 1e120, 1e160, 1e200])
@pytest.mark.parametrize("d", [5, 200])
@pytest.mark.filterwarnings("error")
def test_columns_whose_squares_are_no_numbers_reach_it(unit, d):
    """Where nothing is penalised the same rows in another unit have the same minimum."""
    X, y = problem()[:2]
    X = np.hstack([X, np.random.default_rng(0).normal(size=(len(X), d - 5))])
    plain = ERMClassifier(optimizer="lbfgs", weight_decay=0, dtype="float64").fit(X, y)
    other = ERMClassifier(optimizer="lbfgs", weight_decay=0, dtype="float64").fit(X * unit, y)
    loss, expected = (clf.history_["model_loss"].iloc[-1] for clf in (other, plain))
    assert loss == pytest.approx(expected, abs=1e-5)
    np.testing.assert_array_equal(other.predict(X * unit), plain.predict(X))


@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_rows_that_repeat_in_more_columns(shift):
    X, y = separable(40, 90, 2)
    X = X + shift
    twice = ERMClassifier(optimizer="lbfgs", weight_decay=0.01, dtype="float64")
    twice.fit(np.vstack([X, X]), np.concatenate([y, y]))
    once = ERMClassifier(optimizer="lbfgs", weight_decay=0.01, dtype="float64").fit(X, y)
    np.testing.assert_allclose(theta_of(twice), theta_of(once), rtol=0, atol=1e-4)
